"""A recording of any length as windows of a model's: one after the other, the broken left out."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heart_reader.data.checks import require_signals
from heart_reader.data.recordings.gaps import LONGEST_BRIDGE, longest_run, runs_of
from heart_reader.data.recordings.model_input import (
    CONTRADICTED,
    SHORTEST,
    MissingLeadsError,
    ModelInput,
    window_at,
)
from heart_reader.data.recordings.recording import Recording
from heart_reader.data.spec import SignalSpec
from heart_reader.errors import DataError

LONGEST_READ = 300.0  # s of a recording that are averaged; 30 windows of ten seconds


@dataclass(frozen=True)
class LeftOut:
    """A window that no answer is made from: its start in s, and why."""

    start: float
    reason: str


@dataclass(frozen=True, eq=False)
class Windows:
    """What a model reads of a recording.

    Attributes:
        signals: float32 mV (n_windows, n_leads, n_times), at least one.
        starts: s of each.
        lengths: samples of each that are the recording's own; behind them it is repeated.
        left_out: the windows that are broken.
        notes: on all of it.
    """

    signals: NDArray[np.float32]
    starts: tuple[float, ...]
    lengths: tuple[int, ...]
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]


def windows_of(recording: Recording, spec: SignalSpec) -> Windows:
    """Every window of a recording that can be read; where there is one, it alone, or an error.

    Raises:
        DataError: leads missing, too short, not in mV, or no window without a gap.
    """
    starts, made, broken = _starts(recording, spec), {}, {}
    for start in starts:
        try:
            made[start] = _checked(recording, spec, start)
        except MissingLeadsError:
            raise
        except DataError as error:
            if len(starts) == 1:
                raise
            broken[start] = str(error).removeprefix(f"record {recording.name}").lstrip(": ")
    if not made:
        raise DataError(
            f"record {recording.name} has no window of {spec.seconds:g} s that can be read: "
            f"{broken[starts[0]]}"
        )
    still = {start: notes for start in made if (notes := _still(recording, spec, start))}
    if len(still) < len(made):  # where nothing else is left, they are answered, and named
        broken |= {start: "; ".join(notes) for start, notes in still.items()}
        made = {start: window for start, window in made.items() if start not in still}
        still = {}
    left_out = tuple(LeftOut(start / recording.fs, broken[start]) for start in sorted(broken))
    return Windows(
        signals=np.stack([window.signal for window in made.values()]),
        starts=tuple(start / recording.fs for start in made),
        lengths=tuple(window.length for window in made.values()),
        left_out=left_out,
        notes=(
            *_merged(list(made.values())),
            *(note for notes in still.values() for note in notes),
            *_length_note(recording, spec, starts[-1]),
            *(f"{span(each.start, spec)} left out: {each.reason}" for each in left_out),
        ),
    )


def span(start: float, spec: SignalSpec) -> str:
    """``10 to 20 s``."""
    return f"{start:g} to {start + spec.seconds:g} s"


def _starts(recording: Recording, spec: SignalSpec) -> list[int]:
    """First samples: one window behind the other, and one that ends with the recording where at
    least `SHORTEST` s would be left."""
    there, length = recording.signal.shape[1], spec.seconds * recording.fs
    n_whole = max(1, int((there + 0.5) // length))
    starts = [round(k * length) for k in range(n_whole)]
    if there - n_whole * length >= min(SHORTEST, spec.seconds) * recording.fs:
        starts.append(int(there - length))
    return starts


def _checked(recording: Recording, spec: SignalSpec, start: int) -> ModelInput:
    made = window_at(recording, spec, start)
    require_signals(made.signal[None], spec, [f"record {recording.name}"])
    return made


def _still(recording: Recording, spec: SignalSpec, start: int) -> list[str]:
    """The stretches of a window, longer than a bridge, in which no lead moves: a recorder's
    dropout. In 5,000 records of PTB-XL the longest lasts 0.04 s; a single lead stands still for
    more than 0.2 s in 7% of them, which is no defect."""
    fs = recording.fs
    part: NDArray[Any] = recording.signal[:, start : start + round(spec.seconds * fs)]
    longest = LONGEST_BRIDGE * fs
    if longest_run(part[0, 1:] == part[0, :-1]) <= longest:  # NaN differs from NaN
        return []
    runs = runs_of((np.diff(part, axis=1) == 0).all(axis=0))
    return [
        f"no lead moves from {(start + a) / fs:.2f} to {(start + b) / fs:.2f} s"
        for a, b in runs
        if b - a > longest
    ]


# ---------------------------------------------------------------- what is said of all windows


def _merged(made: list[ModelInput]) -> list[str]:
    """Each note once; of limb leads that contradict each other the first."""
    notes = dict.fromkeys(note for window in made for note in window.notes)
    contradicted = [note for note in notes if note.startswith(CONTRADICTED)]
    return [note for note in notes if note not in contradicted[1:]]


def _length_note(recording: Recording, spec: SignalSpec, last: int) -> list[str]:
    used = last / recording.fs + spec.seconds
    if recording.seconds <= used + 0.5 / spec.fs:
        return []
    return [f"the first {used:g} of {recording.seconds:g} s"]
