"""From a recording to what a model reads: its leads in order, its rate, its length."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from heart_reader.data.formats.lead_names import other_system
from heart_reader.data.formats.limits import require_rate
from heart_reader.data.recordings.gaps import LONGEST_BRIDGE, bridged, describe, gaps_of, longest
from heart_reader.data.recordings.limb_leads import (
    LIMB_LEADS,
    MOST_CONTRADICTION,
    Floats,
    Leads,
    computed,
    contradiction,
)
from heart_reader.data.recordings.recording import Recording
from heart_reader.data.spec import SignalSpec
from heart_reader.errors import DataError, did_you_mean

SHORTEST = 2.5  # s, repeated: a longer window moves probabilities by 0.04 on the mean
MARGIN = 1.0  # s beyond the window, for the filter of the resampling


@dataclass(frozen=True, eq=False)
class ModelInput:
    """``signal`` is float32 mV (n_leads, n_times); ``notes`` say what was done to get it."""

    signal: NDArray[np.float32]
    notes: tuple[str, ...]


def seconds_wanted(spec: SignalSpec) -> float:
    """How much of a file `to_model_input` reads."""
    return spec.n_times / spec.fs + MARGIN


def to_model_input(recording: Recording, spec: SignalSpec) -> ModelInput:
    """The first window of a recording as a model wants it.

    Raises:
        DataError: leads missing, a rate that no ECG has, too short, or a gap in what is used.
    """
    name, fs = recording.name, recording.fs
    require_rate(name, fs)
    window = recording.signal[:, : int(-(-seconds_wanted(spec) * fs // 1))]
    n_used = min(window.shape[1], int(-(-spec.n_times / spec.fs * fs // 1)))
    shortest = min(SHORTEST, spec.seconds)
    if n_used < shortest * fs:
        raise DataError(
            f"record {name} must last at least {shortest:g} s, but lasts {n_used / fs:.2f} s"
        )
    there = dict(zip(recording.leads, window, strict=True))
    leads, notes = _complete(name, there, recording.others, n_used, fs, spec)
    signal = np.stack([leads[lead] for lead in spec.leads])  # (n_leads, n)
    if fs != spec.fs:
        signal = _resampled(signal, fs, spec.fs)
        notes.append(f"resampled from {fs:g} to {spec.fs} Hz")
    wanted = spec.n_times / spec.fs
    if signal.shape[1] < spec.n_times:
        notes.append(f"{n_used / fs:.2f} s, repeated to {wanted:g} s")
        signal = _filled_up(signal, spec.n_times)
    elif recording.seconds * spec.fs > spec.n_times + 0.5:
        notes.append(f"the first {wanted:g} of {recording.seconds:g} s")
    return ModelInput(np.ascontiguousarray(signal[:, : spec.n_times], np.float32), tuple(notes))


def _resampled(signal: NDArray[Any], fs: float, to: int) -> NDArray[Any]:
    ratio = Fraction(to / fs).limit_denominator(1000)
    # A constant edge instead of zeros: a lead with an offset would ring at both ends.
    return np.asarray(
        resample_poly(signal, ratio.numerator, ratio.denominator, axis=1, padtype="line")
    )


def _filled_up(signal: NDArray[Any], n_times: int) -> NDArray[Any]:
    return np.asarray(np.take(signal, np.arange(n_times) % signal.shape[1], axis=1))


# ---------------------------------------------------------------- leads


def _complete(
    name: str, there: Leads, others: tuple[str, ...], n_used: int, fs: float, spec: SignalSpec
) -> tuple[Leads, list[str]]:
    """Every lead of the spec without a gap, and notes on what was bridged or computed."""
    gaps = {lead: _gaps_before(values, n_used) for lead, values in there.items()}
    whole = {lead: bridged(values) for lead, values in there.items() if not gaps[lead]}
    notes = _contradictions(whole, n_used)
    made = computed(whole)
    gapped = [lead for lead in there if gaps[lead] and lead in spec.leads]
    filled = [lead for lead in gapped if lead in made]
    leads = whole | {
        lead: np.where(np.isnan(there[lead]), made[lead], there[lead]) for lead in filled
    }
    short = [
        lead
        for lead in gapped
        if lead not in filled and longest(gaps[lead]) <= LONGEST_BRIDGE * fs
    ]
    leads |= {lead: bridged(there[lead]) for lead in short}
    notes += _gap_notes(gaps, filled, fs, "filled from the other limb leads")
    notes += _gap_notes(gaps, short, fs, "bridged")
    made = {lead: values for lead, values in computed(leads).items() if lead not in there}
    needed = [lead for lead in LIMB_LEADS if lead in made and lead in spec.leads]
    if needed:
        notes.append(f"{', '.join(needed)} computed from the other limb leads")
    leads |= made
    broken = {lead: max(gaps[lead], key=lambda gap: gap[1] - gap[0]) for lead in gapped}
    _require_leads(name, leads, broken, (*there, *others), fs, spec)
    return leads, notes


def _gaps_before(values: Floats, n_used: int) -> list[tuple[int, int]]:
    return [gap for gap in gaps_of(values) if gap[0] < n_used]


def _contradictions(leads: Leads, n_used: int) -> list[str]:
    share, worst = contradiction({lead: values[:n_used] for lead, values in leads.items()})
    if share <= MOST_CONTRADICTION:
        return []
    return [
        f"the limb leads contradict each other by {100 * share:.0f}% of their energy, {worst} "
        "most: cables or columns may be swapped"
    ]


def _gap_notes(
    gaps: dict[str, list[tuple[int, int]]], leads: list[str], fs: float, what: str
) -> list[str]:
    """One note for each stretch, with all the leads that lack it."""
    stretches: dict[tuple[int, int], list[str]] = {}
    for lead in leads:
        for gap in gaps[lead]:
            stretches.setdefault(gap, []).append(lead)
    return [f"{describe(names, gap, fs)}: {what}" for gap, names in stretches.items()]


def _require_leads(
    name: str,
    leads: Leads,
    broken: dict[str, tuple[int, int]],
    found: tuple[str, ...],
    fs: float,
    spec: SignalSpec,
) -> None:
    missing = [lead for lead in spec.leads if lead not in leads]
    for lead in missing:
        if lead in broken:
            raise DataError(f"record {name}: {describe([lead], broken[lead], fs)}")
    if missing:
        hint = did_you_mean(missing[0], [lead for lead in found if lead not in leads])
        raise DataError(
            f"record {name} must have the leads {' '.join(spec.leads)}, but lacks "
            f"{', '.join(missing)}{hint} (it has {', '.join(found) or 'none'}"
            f"{other_system(found)})"
        )
