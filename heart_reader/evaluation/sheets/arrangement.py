"""Which leads of an ECG stand where on paper: as cardiologists know it, or as there are leads."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from heart_reader.data.ptbxl import LEADS
from heart_reader.errors import DataError, did_you_mean

STRIP_S = 10.0
ALMOST_S = 0.5  # that a strip may lack
FEW = 8  # leads; with fewer gaps a layout is read as it is known
ALONE = 4  # leads that get a row each


@dataclass(frozen=True)
class Layout:
    """Which leads stand beside each other, row by row, each over an equal share of 10 s.

    Attributes:
        rows: of leads.
        spacing_mm: of rows that have no tall waves.
        edge_mm: from the outer rows to the paper's edges, without tall waves.
        name_mm: a lead's name over its row's level, where no wave is in its way.
        simultaneous: leads beside each other show the same seconds, not those one after the other.
    """

    rows: tuple[tuple[str, ...], ...]
    spacing_mm: float
    edge_mm: float
    name_mm: float
    simultaneous: bool = False


LAYOUTS = {
    "3x4": Layout(
        (
            ("I", "aVR", "V1", "V4"),
            ("II", "aVL", "V2", "V5"),
            ("III", "aVF", "V3", "V6"),
            ("II",),
        ),
        35.0,
        20.0,
        8.0,
    ),
    "6x2": Layout(tuple(zip(LEADS[:6], LEADS[6:], strict=True)), 20.0, 15.0, 4.0),
    "12x1": Layout(tuple((lead,) for lead in LEADS), 10.0, 15.0, 2.0),
}


def layout_of(name: str) -> Layout:
    """A layout by its name.

    Raises:
        DataError: there is none of that name.
    """
    if name not in LAYOUTS:
        raise DataError(
            f"unknown layout {name!r}{did_you_mean(name, LAYOUTS)}; there are {', '.join(LAYOUTS)}"
        )
    return LAYOUTS[name]


def arranged(name: str, signal: npt.ArrayLike, fs: float) -> Layout:
    """The layout of a name, or what shows all of a record that has few leads or is short.

    Leads beside each other show one stretch of time after the other: of a record of 5 s the right
    half would be empty. Then they all begin with the record.

    Args:
        name: of ``LAYOUTS``.
        signal: (12, n_times) in mV, NaN where there is no such lead.
        fs: Hz.

    Raises:
        DataError: there is no layout of that name.
    """
    usual = layout_of(name)
    samples = np.asarray(signal, np.float64)
    if samples.ndim != 2 or len(samples) != len(LEADS) or not fs > 0:
        return usual  # what is wrong is said where it is drawn
    there = [lead for lead, own in zip(LEADS, samples, strict=True) if np.isfinite(own).any()]
    seconds = samples.shape[1] / fs
    fitting = of_few(there) if 0 < len(there) <= FEW else usual
    if seconds >= STRIP_S - ALMOST_S:
        return fitting
    halves = LAYOUTS["6x2"] if seconds <= STRIP_S / 2 and fitting == LAYOUTS["3x4"] else fitting
    return replace(halves, simultaneous=True)


def of_few(leads: Sequence[str]) -> Layout:
    """A row each, or two columns; three rows or fewer of two get the first lead of them again.

    >>> of_few(["I", "II", "V1", "V2", "V5"]).rows
    (('I', 'V2'), ('II', 'V5'), ('V1',), ('II',))
    """
    if len(leads) <= ALONE:
        return Layout(tuple((lead,) for lead in leads), 35.0, 20.0, 8.0)
    n_rows = -(-len(leads) // 2)
    rows = tuple(tuple(leads[row::n_rows]) for row in range(n_rows))
    strip = "II" if "II" in leads else leads[0]
    return Layout((*rows, (strip,)), 28.0 if n_rows > 3 else 35.0, 20.0, 8.0)
