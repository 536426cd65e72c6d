"""From signals to median beats and fiducials."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heart_reader.data.delineation.beats import (
    N_BEAT_TIMES,
    RecordBeats,
    average_beats,
    detection_envelope,
    find_beats,
)
from heart_reader.data.delineation.conditioning import (
    DETECTION_FS,
    FS,
    Bools,
    Conditioned,
    Floats,
    check_signals,
    condition,
)
from heart_reader.data.delineation.edges import find_edges
from heart_reader.data.delineation.fiducials import Fiducials, find_fiducials
from heart_reader.data.delineation.pacing import pacing_warnings
from heart_reader.data.delineation.spikes import find_spikes
from heart_reader.data.delineation.warnings import beat_warnings, lead_warnings, slow_drift

BATCH = 32  # records conditioned at once: they and their spectrum fit the cache of one core


@dataclass(frozen=True)
class Delineation:
    """The beats of n records.

    Attributes:
        median_beats: (n, 12, w) mV at ``fs``, NaN where there is none.
        noise: (n, 12) mV, of the median beats.
        fiducials: samples of the median beats, as the features measure.
        edges: the same as an electrocardiograph prints them.
        r_peaks: a tuple of n arrays, seconds from the start of the record.
        kept: a tuple of n arrays, whether each beat is in the median.
        usable: (n, 12) leads measured.
        warnings: a tuple of n tuples of sentences.
        fs: Hz, of the median beats.
    """

    median_beats: Floats
    noise: Floats
    fiducials: Fiducials
    edges: Fiducials
    r_peaks: tuple[NDArray[np.float64], ...]
    kept: tuple[Bools, ...]
    usable: Bools
    warnings: tuple[tuple[str, ...], ...]
    fs: int


def delineate(signals: NDArray[np.floating], fs: float) -> Delineation:
    """Beats, median beats, fiducials and warnings of each record.

    Args:
        signals: (n_records, 12, n_times) mV, leads in the order of ``LEADS``.
        fs: Hz, 100 to 1000.

    Raises:
        DataError: another shape or sampling rate, or amplitudes that can't be millivolts.
    """
    checked, rate = check_signals(signals, fs)
    beats: list[RecordBeats] = []
    usable = np.zeros(checked.shape[:2], bool)
    warnings: list[list[str]] = []
    for start in range(0, len(checked), BATCH):
        batch = condition(checked[start : start + BATCH], rate)
        beats += _beats(batch)
        usable[start : start + BATCH] = batch.usable
        drifting = slow_drift(checked[start : start + BATCH], rate, batch.usable)
        warnings += [a + b for a, b in zip(lead_warnings(batch), drifting, strict=True)]
    noise = np.array([record.noise for record in beats]).reshape(usable.shape)  # (n, L)
    median = np.array([record.median for record in beats])
    median = median.reshape(*usable.shape, N_BEAT_TIMES)  # (n, L, w), for no records too
    rr = np.array([_usual_rr(record.r_peaks) for record in beats])
    fiducials = find_fiducials(median, noise, usable, rr)
    median = np.where(usable[..., None], median, np.nan)
    x = np.nan_to_num(median)
    spikes = find_spikes(x)
    edges = find_edges(x, np.nan_to_num(noise * usable), spikes, rr)
    told = beat_warnings(beats, median, fiducials, edges)
    paced = pacing_warnings(checked, rate, beats, x, fiducials, edges, spikes)
    return Delineation(
        median_beats=median,
        noise=np.where(usable, noise, np.nan),
        fiducials=fiducials,
        edges=edges,
        r_peaks=tuple(record.r_peaks / FS for record in beats),
        kept=tuple(record.kept for record in beats),
        usable=usable,
        warnings=tuple(tuple(a + b + c) for a, b, c in zip(warnings, told, paced, strict=True)),
        fs=FS,
    )


def _usual_rr(r_peaks: NDArray[np.int64]) -> float:
    """The median distance between beats, in the unit of ``r_peaks``; NaN under two beats."""
    return float(np.median(np.diff(r_peaks))) if len(r_peaks) > 1 else float("nan")


def _beats(batch: Conditioned) -> list[RecordBeats]:
    envelope = detection_envelope(batch.slope, batch.usable)
    step = FS // DETECTION_FS
    return [
        average_beats(ecg, find_beats(row) * step, usable)
        for ecg, row, usable in zip(batch.ecg, envelope, batch.usable, strict=True)
    ]
