"""Tables of numbers from any kind of file, as a recording: leads by name, mV by unit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heart_reader.data.formats.asked import Asked
from heart_reader.data.formats.lead_names import choose_leads
from heart_reader.data.formats.units import UNITS, factor_to_mv, judge_unit
from heart_reader.data.recordings.recording import Recording


@dataclass(frozen=True, eq=False)
class Matrix:
    """What a table says; ``samples`` is (n_channels, n_times) in ``units``, ``None`` if unsaid."""

    name: str
    kind: str
    names: tuple[str, ...]
    samples: NDArray[np.floating[Any]]
    units: tuple[str | None, ...]
    fs: float
    seconds: float
    age: float
    sex: float
    notes: tuple[str, ...]


def from_matrix(matrix: Matrix, asked: Asked) -> Recording:
    """The leads of a table in mV; where it has no unit, as the user or the amplitude says.

    Raises:
        DataError: a unit that is none of voltage, or an amplitude that fits no unit.
    """
    chosen = choose_leads(matrix.names)
    signs = np.array(chosen.signs, np.float64)[:, None]
    samples = matrix.samples[list(chosen.columns)] * signs  # (n_leads, n_times)
    units = [matrix.units[column] for column in chosen.columns]
    notes = [*matrix.notes, *chosen.notes]
    if None in units and samples.size:
        if asked.unit is not None:
            factors = [UNITS[asked.unit] for _ in units]
        else:
            factor, note = judge_unit(matrix.name, samples)
            factors = [factor for _ in units]
            notes.append(note)
    else:
        leads = zip(chosen.leads, units, strict=True)
        factors = [factor_to_mv(matrix.name, lead, unit or "mV") for lead, unit in leads]
    return Recording(
        name=matrix.name,
        kind=matrix.kind,
        leads=chosen.leads,
        signal=samples * np.array(factors)[:, None] if len(factors) else samples,
        fs=matrix.fs,
        seconds=matrix.seconds,
        others=chosen.others,
        start=None,
        age=matrix.age,
        sex=matrix.sex,
        notes=tuple(notes),
    )


def aligned(leads: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Leads of any lengths as (n_leads, n_times), NaN behind the shorter ones."""
    n_times = max((len(lead) for lead in leads), default=0)
    samples = np.full((len(leads), n_times), np.nan)
    for row, lead in zip(samples, leads, strict=True):
        row[: len(lead)] = lead
    return samples
