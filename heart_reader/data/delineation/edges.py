"""The edges that are printed: those a cardiologist marks on all leads drawn over each other.

Intervals are global: from the earliest onset to the latest end in any lead, as the CSE group
(Eur Heart J 1985;6:815-825, https://doi.org/10.1093/oxfordjournals.eurheartj.a061771) and
AHA/ACCF/HRS 2009 (part IV, https://doi.org/10.1161/CIRCULATIONAHA.108.191096) want them, and as
electrocardiographs print them. The slopes of all leads are summed in quadrature, so that a lead
that still moves is seen; the end of T is where they have fallen quiet, usually 29 ms behind the
tangent of :mod:`fiducials`, which the features keep.

Notation used for tensor shapes: n records, L = 12 leads, w samples of a median beat at 500 Hz.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from heart_reader.data.delineation.beats import BEFORE
from heart_reader.data.delineation.conditioning import FS, Bools, Floats
from heart_reader.data.delineation.fiducials import (
    LONGEST_QRS,
    Fiducials,
    level_before_qrs,
    p_wave,
    qrs_edges,
    qrs_slope,
    t_wave,
)
from heart_reader.data.delineation.spikes import Spikes

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]

# Where ST and T are steep beside a slow QRS, the QRS's threshold rises until an end is found.
RISES = (1.0, 1.6, 2.5, 4.0)
LATEST_END = 80  # samples from the steepest of QRS to its end: 160 ms
EARLIEST_ONSET = 60  # and from its onset: 120 ms

SPIKE_OVER, QRS_BEHIND = 9, 28  # samples behind a spike between which the QRS begins: 18, 56 ms
SPIKE_FOOT = 12  # samples that a spike rings ahead of itself: 24 ms

SMOOTHING = 9  # samples: 18 ms
T_END_SHARE = 0.2  # of the steepest fall of T
T_END_FOOT = 7  # samples from there to the foot: 14 ms, the median against ECGdeli, folds 1 to 8
P_RISE = 45  # samples from the earliest rise of P to its peak: 90 ms
P_ONSET_SHARE = 0.25  # of the steepest rise of P
P_QUIET = 40  # samples ahead of it, whose quietest is no rise


def find_edges(x: Floats, noise: Floats, spikes: Spikes, rr: Doubles) -> Fiducials:
    """The edges to print.

    Args:
        x: (n, L, w) mV, 0 where a lead or a record can't be measured.
        noise: (n, L) mV, of the median beat, 0 likewise.
        spikes: of the same records.
        rr: (n,) samples at 500 Hz, the usual distance to the next beat.
    """
    floor = np.sqrt((noise**2).sum(axis=1))
    rr = np.where(np.isfinite(rr), rr, FS)
    qrs_on, qrs_off = _qrs(x, spikes)
    quiet = np.where(np.isfinite(spikes.ventricular), spikes.ventricular - SPIKE_FOOT, qrs_on)
    before = np.minimum(quiet, qrs_on).astype(np.int64)  # what comes ahead ends here
    level = level_before_qrs(x, before)
    x = np.where((x != 0).any(axis=2)[..., None], x - level[..., None], 0)
    t_peak, tangent = t_wave(x, qrs_on, qrs_off, rr, floor)
    p_on, p_peak, p_off = p_wave(x, before, tangent, rr, floor)
    every = (
        np.where(np.isfinite(p_on), _p_onset(x, p_peak, p_on), np.nan),
        p_peak,
        p_off,
        qrs_on.astype(float),
        qrs_off.astype(float),
        t_peak,
        np.where(np.isfinite(tangent), _t_end(x, t_peak, tangent, rr), np.nan),
    )
    found = (x != 0).any(axis=(1, 2)) & (qrs_off - qrs_on <= LONGEST_QRS)
    return Fiducials(*(np.where(found, position, np.nan) for position in every))


def _qrs(x: Floats, spikes: Spikes) -> tuple[Ints, Ints]:
    """(n,) onset and (n,) end of QRS; where a spike leads it, the onset behind the spike."""
    slope = qrs_slope(x)
    behind = slope * (np.arange(slope.shape[1]) >= _begin_behind(slope, spikes)[:, None])
    on, off = np.zeros(len(x), np.int64), np.full(len(x), x.shape[2] - 1)
    open_on, open_off = np.ones(len(x), bool), np.ones(len(x), bool)
    for rise in RISES:
        first, last, peak = qrs_edges(behind, slope, rise)
        on, off = np.where(open_on, first, on), np.where(open_off, last, off)
        open_on &= peak - on > EARLIEST_ONSET
        open_off &= off - peak > LATEST_END
    return on, off


def _begin_behind(slope: Floats, spikes: Spikes) -> Ints:
    """(n,): the quietest sample between a spike and its QRS, 0 without a spike."""
    w = np.arange(slope.shape[1])
    at = spikes.ventricular[:, None]
    between = (w >= at + SPIKE_OVER) & (w <= at + QRS_BEHIND)  # NaN compares false
    quietest = np.where(between, slope, np.inf).argmin(axis=1)
    return np.where(np.isfinite(spikes.ventricular), quietest, 0)


def _smooth_slope(x: Floats) -> Floats:
    """(n, w)"""
    return qrs_slope(uniform_filter1d(x, SMOOTHING, axis=2))


def _t_end(x: Floats, t_peak: Doubles, tangent: Doubles, rr: Doubles) -> Doubles:
    """(n,): where the fall of T has grown quiet in all leads; never ahead of the tangent's end."""
    slope, w = _smooth_slope(x), np.arange(x.shape[2])
    peak = np.nan_to_num(t_peak)[:, None]
    limit = np.minimum(BEFORE + 0.62 * rr + 70, x.shape[2])[:, None]
    later = (w > peak) & (w < np.minimum(peak + 100, limit))
    at, threshold = _threshold(slope, later, later, T_END_SHARE)
    quiet = later & (w > at[:, None]) & (slope < threshold[:, None])
    end = np.where(quiet.any(axis=1), quiet.argmax(axis=1) + T_END_FOOT, tangent)
    return np.asarray(np.fmax(end, tangent))


def _p_onset(x: Floats, p_peak: Doubles, fallback: Doubles) -> Doubles:
    """(n,): where P begins to rise in any lead."""
    slope, w = uniform_filter1d(_smooth_slope(x), 5, axis=1), np.arange(x.shape[2])
    peak = np.nan_to_num(p_peak)[:, None]
    rising = (w >= peak - P_RISE) & (w <= peak - 4)
    quiet = (w >= peak - P_RISE - P_QUIET) & (w <= peak - 4)
    at, threshold = _threshold(slope, rising, quiet, P_ONSET_SHARE)
    under = (slope < threshold[:, None]) & (w < at[:, None])
    on = np.where(under, w, 0).max(axis=1)
    return np.where(on > 0, on, fallback)


def _threshold(slope: Floats, steep: Bools, quiet: Bools, share: float) -> tuple[Ints, Doubles]:
    """(n,) the steepest sample in ``steep``, (n,) a share of the way up from the quietest."""
    at = np.where(steep, slope, -1).argmax(axis=1)
    low = np.where(quiet, slope, np.inf).min(axis=1)
    low = np.where(np.isfinite(low), low, 0)
    return at, low + share * (slope[np.arange(len(slope)), at] - low)
