"""A whole recording as a model wants it, window after window: what training reads."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from heart_reader.data.checks import require_signals
from heart_reader.data.recordings.model_input import MARGIN, to_model_input
from heart_reader.data.recordings.recording import Recording
from heart_reader.data.spec import Short, SignalSpec
from heart_reader.errors import DataError

RESAMPLED = "resampled"  # begins the note that every record of another rate gets


@dataclass(frozen=True, eq=False)
class Windows:
    """Attributes:
    signals: float32 mV (n_windows, n_leads, n_times).
    start: s, where each begins in the recording.
    notes: what was assumed or left out, each once.
    """

    signals: NDArray[np.float32]
    start: tuple[float, ...]
    notes: tuple[str, ...]


def to_windows(recording: Recording, spec: SignalSpec, short: Short) -> Windows:
    """Windows side by side from the beginning, each read as `to_model_input` reads the first.

    What is left at the end, less than a window, is dropped. So is a window that can't be used,
    unless it is the only one.

    Raises:
        DataError: no window can be used, or the recording is too short.
    """
    n_there = int(recording.signal.shape[1] * spec.fs / recording.fs + 0.5)
    if n_there < spec.n_times and short == "refuse":
        raise DataError(
            f"record {recording.name} must last {spec.seconds:g} s (signal.short is refuse), but "
            f"lasts {recording.seconds:.2f} s"
        )
    made, start, notes, errors = [], [], list(recording.notes), []
    for k in range(max(1, n_there // spec.n_times)):
        try:
            window = to_model_input(_from(recording, k * spec.seconds, spec), spec)
            require_signals(window.signal[None], spec, [f"record {recording.name}"])
        except DataError as error:
            errors.append(error)
            continue
        made.append(window.signal)
        start.append(k * spec.seconds)
        notes += [note for note in window.notes if not note.startswith(RESAMPLED)]
    if not made:
        raise errors[0]
    notes += [f"a window left out: {error}" for error in errors]
    return Windows(np.stack(made), tuple(start), tuple(dict.fromkeys(notes)))


def _from(recording: Recording, start: float, spec: SignalSpec) -> Recording:
    """The window that begins there, with the margin that resampling wants, and no more."""
    first = round(start * recording.fs)
    n = int(-(-(spec.seconds + MARGIN) * recording.fs // 1))
    left = recording.signal.shape[1] - first
    # Not longer than a window: there is no rest to speak of.
    seconds = min(left / recording.fs, spec.seconds)
    return replace(recording, signal=recording.signal[:, first : first + n], seconds=seconds)
