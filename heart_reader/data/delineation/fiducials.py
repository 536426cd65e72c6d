"""Where the waves of a median beat begin, peak and end, on all leads together.

The measures are the root mean square over leads of the signal (for P and T) and of its slope
(for QRS), so that the earliest onset and the latest end in any lead count, as the CSE group
recommends for simultaneous leads (Eur Heart J 1985;6:815-825,
https://doi.org/10.1093/oxfordjournals.eurheartj.a061771).

Notation used for tensor shapes: n records, L = 12 leads, w samples of a median beat at 500 Hz.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from heart_reader.data.delineation.beats import BEFORE
from heart_reader.data.delineation.conditioning import FS, Bools, Floats

Doubles = NDArray[np.float64]

# Shares of the largest QRS slope under which the QRS has not begun, or is over.
QRS_ON_SHARE = 0.05
QRS_OFF_SHARE = 0.06
NOISE_SLOPES = 1.5  # times the slope of the quietest third of the beat: under it all is noise
NOISE_PERCENTILE = 33
QUIET_BEFORE = 8  # samples the slope must stay under it ahead of the QRS: 16 ms
QUIET_AFTER = 12  # and behind it, where the crest of a late R' is quiet for as long
QRS_PEAK_REACH = 50  # samples around the alignment point: 100 ms
LONGEST_QRS = 125  # samples: 250 ms; what is longer has no edges that can be trusted

T_AFTER_QRS = 30  # samples from the end of QRS to the earliest T peak: 60 ms
T_LATEST = 15  # samples its tangent may lie behind the latest T peak: 30 ms
SHORTEST_QT = 110  # samples: 220 ms; below it a flutter wave was taken for T
P_BEFORE_QRS = 15  # samples from the latest P peak to the QRS: 30 ms
P_LONGEST_PR = 165  # samples: 330 ms
P_EDGE_SHARE = 0.15
NOISE_RATIO = 2.5  # P or T must rise this many times above the noise of the median


@dataclass(frozen=True)
class Fiducials:
    """Samples of the median beat at 500 Hz, each (n,) with NaN where the wave isn't there."""

    p_on: Doubles
    p_peak: Doubles
    p_off: Doubles
    qrs_on: Doubles
    qrs_off: Doubles
    t_peak: Doubles
    t_off: Doubles


def find_fiducials(median: Floats, noise: Floats, usable: Bools, rr: Doubles) -> Fiducials:
    """Global fiducials.

    Args:
        median: (n, L, w) mV, NaN for a record without a median beat.
        noise: (n, L) mV, of the median beat.
        usable: (n, L).
        rr: (n,) samples at 500 Hz, the usual distance to the next beat.
    """
    found = np.isfinite(median[:, :, BEFORE]).all(axis=1)
    x = np.nan_to_num(median) * usable[..., None]
    floor = np.sqrt(np.nan_to_num(noise**2 * usable).sum(axis=1))
    rr = np.where(np.isfinite(rr), rr, FS)
    slope = qrs_slope(x)
    qrs_on, qrs_off, _ = qrs_edges(slope, slope)
    found &= qrs_off - qrs_on <= LONGEST_QRS
    level = level_before_qrs(x, qrs_on)
    x = (x - level[..., None]) * usable[..., None]
    t_peak, t_off = t_wave(x, qrs_on, qrs_off, rr, floor)
    p_on, p_peak, p_off = p_wave(x, qrs_on, t_off, rr, floor)
    every = (p_on, p_peak, p_off, qrs_on.astype(float), qrs_off.astype(float), t_peak, t_off)
    return Fiducials(*(np.where(found, position, np.nan) for position in every))


def level_before_qrs(x: Floats, qrs_on: NDArray[np.int64]) -> Floats:
    """(n, L): the mean of the 16 ms before the QRS, from which amplitudes are measured."""
    columns = np.clip(qrs_on[:, None] + np.arange(-8, 0), 0, x.shape[2] - 1)
    return np.asarray(np.take_along_axis(x, columns[:, None, :], axis=2).mean(axis=2))


def qrs_slope(x: Floats) -> Floats:
    """(n, w): root sum square over leads of the slope, mV a sample."""
    return np.asarray(np.sqrt((np.gradient(x, axis=2) ** 2).sum(axis=1)))


def qrs_edges(
    slope: Floats, beat: Floats, rise: float = 1.0
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """(n,) onset, (n,) end and (n,) steepest sample of QRS, outside of which ``slope`` is quiet.

    Args:
        slope: (n, w) of all leads.
        beat: (n, w) slope that noise is judged by.
        rise: times the usual thresholds.
    """
    near = slice(BEFORE - QRS_PEAK_REACH, BEFORE + QRS_PEAK_REACH)
    peak = BEFORE - QRS_PEAK_REACH + np.argmax(slope[:, near], axis=1)
    height = slope[np.arange(len(slope)), peak]
    floor = NOISE_SLOPES * np.percentile(beat, NOISE_PERCENTILE, axis=1)
    before = slope < np.maximum(rise * QRS_ON_SHARE * height, floor)[:, None]
    after = slope < np.maximum(rise * QRS_OFF_SHARE * height, floor)[:, None]
    on = _last_quiet(before, peak, QUIET_BEFORE)
    last = slope.shape[1] - 1
    off = last - _last_quiet(after[:, ::-1], last - peak, QUIET_AFTER)
    return on, off, peak


def _last_quiet(quiet: Bools, start: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """(n,): the last sample before ``start`` that ends a run of ``length`` quiet ones, or 0."""
    total = np.cumsum(quiet, axis=1)
    run = np.zeros_like(quiet)
    run[:, length:] = total[:, length:] - total[:, :-length] == length
    run &= np.arange(quiet.shape[1]) <= start[:, None]
    last = quiet.shape[1] - 1 - np.argmax(run[:, ::-1], axis=1)
    return np.where(run.any(axis=1), last, 0)


def _rms(x: Floats) -> Floats:
    return np.asarray(uniform_filter1d(np.sqrt((x**2).sum(axis=1)), 9, axis=1))


def t_wave(
    x: Floats,
    qrs_on: NDArray[np.int64],
    qrs_off: NDArray[np.int64],
    rr: Doubles,
    floor: Floats,
) -> tuple[Doubles, Doubles]:
    """(n,) peak of the T wave and (n,) its end, by the tangent at its steepest fall.

    Lepeschkin and Surawicz, Circulation 1952;6:378-388.
    """
    w = np.arange(x.shape[2])
    limit = np.minimum(BEFORE + 0.62 * rr + 20, x.shape[2] - 10)
    inside = (w >= (qrs_off + T_AFTER_QRS)[:, None]) & (w < limit[:, None])
    size = _rms(x)
    height = np.where(inside, size, -1).max(axis=1)
    peak = np.where(inside, size, -1).argmax(axis=1)
    fall = -np.gradient(size, axis=1)
    later = (w > peak[:, None]) & (w < np.minimum(peak + 100, limit + 50)[:, None])
    steepest = np.where(later, fall, -1).argmax(axis=1)
    rows = np.arange(len(x))
    slope = np.maximum(fall[rows, steepest], 1e-6)
    rest = np.where(later, size, np.inf).min(axis=1)
    end = steepest + (size[rows, steepest] - np.where(np.isfinite(rest), rest, 0)) / slope
    there = inside.any(axis=1) & (height > NOISE_RATIO * floor)
    there &= (end < np.minimum(limit + T_LATEST, x.shape[2] - 1)) & (end - qrs_on > SHORTEST_QT)
    return np.where(there, peak, np.nan), np.where(there, end, np.nan)


def p_wave(
    x: Floats,
    qrs_on: NDArray[np.int64],
    t_off: Doubles,
    rr: Doubles,
    floor: Floats,
) -> tuple[Doubles, Doubles, Doubles]:
    """(n,) onset, peak and end of the P wave, on the RMS above the chord of its window."""
    w = np.arange(x.shape[2])
    last_t = np.where(np.isfinite(t_off), t_off - rr, 0)
    start = np.maximum(np.maximum(qrs_on - P_LONGEST_PR, last_t - 10), 0).astype(np.int64)
    stop = np.maximum(qrs_on - 2, start + 1)
    size = _rms(x)
    rows = np.arange(len(x))
    step = (w - start[:, None]) / np.maximum(stop - start, 1)[:, None]
    chord = size[rows, start][:, None] * (1 - step) + size[rows, stop][:, None] * step
    bump = size - chord
    inside = (w >= start[:, None]) & (w <= (qrs_on - P_BEFORE_QRS)[:, None])
    peak = np.where(inside, bump, -1).argmax(axis=1)
    height = bump[rows, peak]
    under = bump < P_EDGE_SHARE * height[:, None]
    on = np.where(under & (w < peak[:, None]), w, 0).max(axis=1)
    off = np.where(under & (w > peak[:, None]), w, x.shape[2]).min(axis=1)
    there = inside.any(axis=1) & (height > NOISE_RATIO * floor) & (on > 0) & (off < x.shape[2])
    there &= off <= qrs_on
    return tuple(np.where(there, position, np.nan) for position in (on, peak, off))  # type: ignore[return-value]
