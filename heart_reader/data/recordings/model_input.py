"""From a recording to what a model reads: its leads in order, its rate, its length."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
from heart_reader.data.recordings.resampling import resampled
from heart_reader.data.spec import SignalSpec
from heart_reader.errors import DataError, did_you_mean

SHORTEST = 2.5  # s, repeated: a longer window moves probabilities by 0.04 on the mean
CONTRADICTED = "the limb leads contradict each other"
REPEATED, PADDED = "repeated to", "padded and masked to"
MARGIN = 1.0  # s beyond the window, for the filter of the resampling


class GapError(DataError):
    """A window with a stretch without values that isn't bridged."""


class MissingLeadsError(DataError):
    """A recording that lacks leads of a model; ``found`` are those that it has."""

    def __init__(self, message: str, found: tuple[str, ...]) -> None:
        super().__init__(message)
        self.found = found


@dataclass(frozen=True, eq=False)
class ModelInput:
    """What a model reads of a recording.

    Attributes:
        signal: float32 mV (n_leads, n_times).
        notes: what was done to get it.
        length: samples that are the recording's own; behind them it is repeated.
    """

    signal: NDArray[np.float32]
    notes: tuple[str, ...]
    length: int


def seconds_wanted(spec: SignalSpec) -> float:
    """How much of a file `to_model_input` reads."""
    return spec.n_times / spec.fs + MARGIN


def to_model_input(recording: Recording, spec: SignalSpec) -> ModelInput:
    """The first window of a recording as a model wants it.

    Raises:
        DataError: leads missing, a rate that no ECG has, too short, or a gap in what is used.
    """
    made = window_at(recording, spec)
    if recording.seconds * spec.fs > spec.n_times + 0.5:
        first = f"the first {spec.seconds:g} of {recording.seconds:g} s"
        return ModelInput(made.signal, (*made.notes, first), made.length)
    return made


def window_at(recording: Recording, spec: SignalSpec, start: int = 0) -> ModelInput:
    """One window of a recording as a model wants it.

    Args:
        recording: as it was read.
        spec: of the model.
        start: the window's first sample.

    Raises:
        GapError: a gap that isn't bridged.
        DataError: leads missing, a rate that no ECG has, or too short.
    """
    name, fs = recording.name, recording.fs
    require_rate(name, fs)
    window = recording.signal[:, start : start + int(-(-seconds_wanted(spec) * fs // 1))]
    n_used = min(window.shape[1], int(-(-spec.n_times / spec.fs * fs // 1)))
    shortest = min(SHORTEST, spec.seconds)
    if n_used < shortest * fs:
        raise DataError(
            f"record {name} must last at least {shortest:g} s, but lasts {n_used / fs:.2f} s"
        )
    there = dict(zip(recording.leads, window, strict=True))
    leads, notes = _complete(recording, there, n_used, start, spec)
    signal = np.stack([leads[lead] for lead in spec.leads])  # (n_leads, n)
    if fs != spec.fs:
        signal = resampled(signal, fs, spec.fs)
        notes.append(f"resampled from {fs:g} to {spec.fs} Hz")
    length = min(signal.shape[1], spec.n_times)
    if length < spec.n_times:
        notes.append(f"{n_used / fs:.2f} s, {REPEATED} {spec.seconds:g} s")
        signal = _filled_up(signal, spec.n_times)
    signal = np.ascontiguousarray(signal[:, : spec.n_times], np.float32)
    return ModelInput(signal, tuple(notes), length)


def _filled_up(signal: NDArray[Any], n_times: int) -> NDArray[Any]:
    return np.asarray(np.take(signal, np.arange(n_times) % signal.shape[1], axis=1))


# ---------------------------------------------------------------- leads


def _complete(
    recording: Recording, there: Leads, n_used: int, start: int, spec: SignalSpec
) -> tuple[Leads, list[str]]:
    """Every lead of the spec without a gap, and notes on what was bridged or computed."""
    fs = recording.fs
    gaps: dict[str, list[tuple[int, int]]]
    if all(np.isfinite(values).all() for values in there.values()):
        gaps, whole = {lead: [] for lead in there}, dict(there)
    else:
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
    said = {lead: [(a + start, b + start) for a, b in gaps[lead]] for lead in gapped}
    notes += _gap_notes(said, filled, fs, "filled from the other limb leads")
    notes += _gap_notes(said, short, fs, "bridged")
    made = {lead: values for lead, values in computed(leads).items() if lead not in there}
    needed = [lead for lead in LIMB_LEADS if lead in made and lead in spec.leads]
    if needed:
        notes.append(f"{', '.join(needed)} computed from the other limb leads")
    leads |= made
    broken = {lead: max(said[lead], key=lambda gap: gap[1] - gap[0]) for lead in gapped}
    _require_leads(recording, leads, broken, spec)
    return leads, notes


def _gaps_before(values: Floats, n_used: int) -> list[tuple[int, int]]:
    return [gap for gap in gaps_of(values) if gap[0] < n_used]


def _contradictions(leads: Leads, n_used: int) -> list[str]:
    share, worst = contradiction({lead: values[:n_used] for lead, values in leads.items()})
    if share <= MOST_CONTRADICTION:
        return []
    return [
        f"{CONTRADICTED} by {100 * share:.0f}% of their energy, {worst} "
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
    recording: Recording, leads: Leads, broken: dict[str, tuple[int, int]], spec: SignalSpec
) -> None:
    name, found = recording.name, (*recording.leads, *recording.others)
    missing = [lead for lead in spec.leads if lead not in leads]
    for lead in missing:
        if lead in broken:
            raise GapError(f"record {name}: {describe([lead], broken[lead], recording.fs)}")
    if missing:
        hint = did_you_mean(missing[0], [lead for lead in found if lead not in leads])
        raise MissingLeadsError(
            f"record {name} must have the leads {' '.join(spec.leads)}, but lacks "
            f"{', '.join(missing)}{hint} (it has {', '.join(found) or 'none'}"
            f"{other_system(found)})",
            found,
        )
