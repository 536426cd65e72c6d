"""Pacing spikes on a median beat: as narrow as the filter allows, and alike in all leads.

A spike lasts 0.5 ms. Behind the low-pass of a recording at 100 Hz and that of the conditioning it
is the impulse response of the latter, in every lead at the same time and with another amplitude.
A heart bends more slowly, and not everywhere at once.

Notation used for tensor shapes: n records, L = 12 leads, w samples of a median beat at 500 Hz.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

from heart_reader.data.delineation.beats import BEFORE
from heart_reader.data.delineation.conditioning import FS, LOW_PASS_HZ, Bools, Floats

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]

# Chosen on folds 1 to 8 of PTB-XL, with 237 records that are coded PACE.
PULSE_BEFORE, PULSE_AFTER = 20, 8  # samples fitted around the spike: 40 and 16 ms
EARLIEST, LATEST = 30, BEFORE + 15  # samples of the beat in which a spike is looked for
SMALLEST_MV = 0.3  # root sum square over leads, behind the low-pass: about 2 mV at 500 Hz
LIKE_A_SPIKE = 0.93  # share of what is not a straight line that the pulse explains
ONE_SPIKE = 10  # samples in which likeness is that of one spike
CAPTURE_FROM, CAPTURE_TO = 8, 100  # samples behind it in which the QRS follows: 16 to 200 ms
CAPTURE_SHARE = 0.25  # of the steepest slope there, down to which the QRS lasts
CAPTURE_LEAST = 35  # samples from the spike to that: 70 ms; behind a narrow R there is less
ATRIAL_LEAD = 40  # samples from a spike ahead of P to the steepest of QRS: 80 ms
ATRIAL_MV, LIKE_AN_ATRIAL_SPIKE = 0.25, 0.8


@dataclass(frozen=True)
class Spikes:
    """Samples of the median beat, each (n,) with NaN where there is none.

    Attributes:
        ventricular: the spike that a wide QRS follows.
        atrial: the spike well ahead of the QRS.
    """

    ventricular: Doubles
    atrial: Doubles


def find_spikes(x: Floats) -> Spikes:
    """The spikes of each record.

    Args:
        x: (n, L, w) mV, 0 where a lead can't be measured.
    """
    likeness, size = pulse_likeness(x[:, :, : LATEST + PULSE_AFTER + 1])
    w = np.arange(likeness.shape[1])
    slope = np.sqrt((np.gradient(x, axis=2) ** 2).sum(axis=1))  # (n, w)
    steepest = BEFORE - 50 + slope[:, BEFORE - 50 : BEFORE + 50].argmax(axis=1)
    there = (w >= 2 * EARLIEST) & (w <= LATEST) & (size > SMALLEST_MV)
    like = there & (likeness > LIKE_A_SPIKE)
    last = np.where(like, w, 0).max(axis=1)  # one ahead of it may lead P
    at, best = _largest(np.where(like & (w > last[:, None] - ONE_SPIKE), likeness, 0))
    ventricular = (best > 0) & (_activity_behind(slope, at) >= CAPTURE_LEAST)
    early = (w >= EARLIEST) & (w <= steepest[:, None] - ATRIAL_LEAD) & (size > ATRIAL_MV)
    at_p, best_p = _largest(np.where(early, likeness, 0))
    atrial = best_p > LIKE_AN_ATRIAL_SPIKE
    atrial &= ~ventricular | (at_p < at - ATRIAL_LEAD)
    return Spikes(np.where(ventricular, at, np.nan), np.where(atrial, at_p, np.nan))


def pulse() -> Doubles:
    """The low-pass's answer to an impulse, 1 at its peak, which is sample ``PULSE_BEFORE``."""
    seconds = 10
    f = np.fft.rfftfreq(seconds * FS, 1 / FS)
    start, stop = LOW_PASS_HZ
    flank = 0.5 + 0.5 * np.cos(np.pi * np.clip((f - start) / (stop - start), 0, 1))
    answer = np.roll(np.fft.irfft(flank), PULSE_BEFORE)[: PULSE_BEFORE + PULSE_AFTER + 1]
    return np.asarray(answer / answer[PULSE_BEFORE])


def pulse_likeness(x: Floats) -> tuple[Floats, Floats]:
    """(n, w) share of the leads' energy that a pulse at each sample explains, (n, w) its mV.

    A straight line is fitted with it, lead by lead, and counts as no energy.
    """
    shape = pulse()
    times = np.arange(len(shape), dtype=float)
    line, _ = np.linalg.qr(np.stack([np.ones_like(times), times], axis=1))  # (samples, 2)
    bent = shape - line @ (line.T @ shape)
    size = np.linalg.norm(bent)
    by_pulse = _energy(x, bent / size)
    known = _energy(x, line[:, 0]) + _energy(x, line[:, 1])
    squares = (x**2).sum(axis=1)
    whole = correlate1d(squares, np.ones(len(shape)), axis=1, origin=_origin(len(shape)))
    return by_pulse / np.maximum(whole - known, 1e-6), np.sqrt(by_pulse) / size


def _energy(x: Floats, weights: Doubles) -> Floats:
    """(n, w): the squares of what ``weights`` answer around each sample, summed over leads."""
    answer = correlate1d(x, weights, axis=2, origin=_origin(len(weights)))
    return np.asarray((answer**2).sum(axis=1))


def _origin(length: int) -> int:
    """For scipy, whose windows are centred: ours hold ``PULSE_BEFORE`` samples ahead."""
    return PULSE_BEFORE - length // 2


def _largest(x: Floats) -> tuple[Ints, Floats]:
    at = x.argmax(axis=1)
    return at, x[np.arange(len(x)), at]


def _activity_behind(slope: Floats, at: Ints) -> Ints:
    """(n,) samples from ``at`` to where the QRS behind it has grown slow."""
    w = np.arange(slope.shape[1])
    behind = (w >= at[:, None] + CAPTURE_FROM) & (w < at[:, None] + CAPTURE_TO)
    height = np.where(behind, slope, 0).max(axis=1)
    lasting: Bools = behind & (slope > CAPTURE_SHARE * height[:, None])
    return np.asarray(np.where(lasting, w, 0).max(axis=1) - at)
