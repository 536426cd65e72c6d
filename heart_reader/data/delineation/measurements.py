"""What each lead of a median beat measures, between the global fiducials.

Amplitudes are taken from the level just before the QRS, those of T from the level between beats,
those of P from the chord of the P wave.
A wave that isn't there is NaN in amplitude and in duration.

Notation used for tensor shapes: n records, L = 12 leads, w samples of a median beat at 500 Hz.
"""

import numpy as np
from numpy.typing import NDArray

from heart_reader.data.delineation.beats import BEFORE
from heart_reader.data.delineation.conditioning import FS, Bools, Floats
from heart_reader.data.delineation.fiducials import Fiducials, level_before_qrs

Ints = NDArray[np.int64]

MS = 1000 / FS  # of one sample
SMALLEST_WAVE = 0.05  # mV; a deflection of the QRS below it is not named
ST80 = round(0.08 * FS)  # samples after the J point
REST_STEP = 4  # samples between those whose median is the level between beats: 8 ms
P_FOOT = 8  # samples outside of P's edges, where its chord is taken: 16 ms
T_BEFORE, T_AFTER = 60, 50  # samples around the global T peak: 120 and 100 ms


def lead_measurements(median: Floats, fiducials: Fiducials) -> dict[str, Floats]:
    """Each measurement of ``LEAD_MEASUREMENTS`` as (n, L).

    Args:
        median: (n, L, w) mV at 500 Hz; NaN where a lead can't be measured.
        fiducials: of the same records.
    """
    measurable = np.isfinite(median[:, :, BEFORE]) & np.isfinite(fiducials.qrs_on)[:, None]
    x = np.nan_to_num(median)
    on, off = _samples(fiducials.qrs_on), _samples(fiducials.qrs_off)
    level = level_before_qrs(x, on)  # (n, L)
    x = x - level[..., None]
    known = np.where(measurable[..., None], median, 0)[:, :, ::REST_STEP]
    rest = np.nanmedian(known, axis=2) - level  # (n, L)
    found = _qrs_waves(x, on, off) | _st_t(x, rest, off, fiducials) | _p_wave(x, fiducials)
    return {name: np.where(measurable, value, np.nan) for name, value in found.items()}


def _samples(position: NDArray[np.float64]) -> Ints:
    return np.nan_to_num(position).astype(np.int64)


def _span(x: Floats, start: Ints, stop: Ints) -> Bools:
    """(n, 1 or L, w): from ``start`` to ``stop``, both in it; (n,) or (n, L)."""
    w = np.arange(x.shape[2])
    if start.ndim == 1:
        start, stop = start[:, None], stop[:, None]
    return np.asarray((w >= start[..., None]) & (w <= stop[..., None]))


def _at(x: Floats, index: Ints) -> Floats:
    """(n, L): x at one sample of each record (n,) or of each lead (n, L)."""
    where = np.clip(index if index.ndim == 2 else index[:, None], 0, x.shape[2] - 1)
    return np.asarray(np.take_along_axis(x, np.broadcast_to(where, x.shape[:2])[..., None], 2))[
        ..., 0
    ]


def _peak(x: Floats, inside: Bools) -> Ints:
    """(n, L): sample of the largest value inside."""
    return np.asarray(np.where(inside, x, -np.inf).argmax(axis=2))


def _width(x: Floats, peak: Ints, inside: Bools) -> Floats:
    """(n, L) ms: how long x stays positive around its peak, inside."""
    w = np.arange(x.shape[2])
    over = (x <= 0) | ~inside
    left = np.where(over & (w < peak[..., None]), w, -1).max(axis=2)
    right = np.where(over & (w > peak[..., None]), w, x.shape[2]).min(axis=2)
    return np.asarray((right - left - 1) * np.float32(MS))


def _qrs_waves(x: Floats, on: Ints, off: Ints) -> dict[str, Floats]:
    """Q, R, S and R' by the deepest negative deflection and what is upright on its two sides.

    R is the tallest upright deflection, R' the one after the S where there are two: in an rsR'
    both are the same. A complex without an upright deflection is a QS: its amplitude is that of Q.
    """
    qrs = _span(x, on, off)
    last = _at(x, off)
    trough = _peak(-x, qrs)
    start, stop = (
        np.broadcast_to(on[:, None], trough.shape),
        np.broadcast_to(off[:, None], trough.shape),
    )
    deep = _at(x, trough) < -SMALLEST_WAVE
    split = np.where(deep, trough, stop)
    first, second = _peak(x, _span(x, start, split)), _peak(x, _span(x, split, stop))
    has_first = _at(x, first) > SMALLEST_WAVE
    has_second = deep & (_at(x, second) - np.maximum(last, 0) > SMALLEST_WAVE)
    r = np.where(has_first, first, second)
    has_r = has_first | has_second
    has_rp = has_first & has_second
    q_span = _span(x, start, np.where(has_r, r, stop))
    s_span = _span(x, r, np.where(has_rp, second, stop))
    q, s = _peak(-x, q_span), _peak(-x, s_span)
    has_q = _at(x, q) < -SMALLEST_WAVE
    has_s = has_r & (np.minimum(last * ~has_rp, 0) - _at(x, s) > SMALLEST_WAVE)
    tallest = np.where(has_rp & (_at(x, second) > _at(x, first)), second, r)
    waves = {
        "Q": (-x, q, has_q),
        "R": (x, tallest, has_r),
        "S": (-x, s, has_s),
        "Rp": (x, second, has_rp),
    }
    found = {}
    for name, (y, peak, there) in waves.items():
        found[f"{name}_Amp"] = np.where(there, _at(x, peak), np.nan)
        found[f"{name}_Dur"] = np.where(there, _width(y, peak, qrs), np.nan)
    found["QRS_IntDefl"] = np.where(has_r, (tallest - on[:, None]) * MS, np.nan)
    found["QRS_Area"] = (x * qrs).sum(axis=2) * MS
    found["QRS_AmpPP"] = np.where(qrs, x, -np.inf).max(axis=2) - _at(x, trough)
    return found


def _st_t(x: Floats, rest: Floats, off: Ints, fiducials: Fiducials) -> dict[str, Floats]:
    """ST from the level before the QRS, the T peak from ``rest``, the level between beats."""
    peak, end = _samples(fiducials.t_peak), _samples(fiducials.t_off)
    there = np.isfinite(fiducials.t_off)[:, None]
    t = _span(x, np.maximum(off + 20, peak - T_BEFORE), np.minimum(end, peak + T_AFTER))
    top = _peak(np.abs(x - rest[..., None]), t)
    whole = _span(x, off, end)
    return {
        "ST_Amp": _at(x, off),
        "ST_Amp80ms": _at(x, off + ST80),
        "T_Amp": np.where(there, _at(x, top) - rest, np.nan),
        "T_Area": np.where(there, (x * whole).sum(axis=2) * MS, np.nan),
    }


def _p_wave(x: Floats, fiducials: Fiducials) -> dict[str, Floats]:
    on = np.maximum(_samples(fiducials.p_on) - P_FOOT, 0)
    off = np.minimum(_samples(fiducials.p_off) + P_FOOT, _samples(fiducials.qrs_on) - 1)
    there = np.isfinite(fiducials.p_on)[:, None]
    p = _span(x, on, off)
    share = (np.arange(x.shape[2]) - on[:, None]) / np.maximum(off - on, 1)[:, None]  # (n, w)
    ends = _at(x, on)[..., None], _at(x, off)[..., None]
    bump = (x - ends[0] - (ends[1] - ends[0]) * share[:, None, :]) * p
    top = _peak(np.abs(bump), p)
    height = _at(bump, top)
    other = -np.sign(height) * np.maximum((-np.sign(height)[..., None] * bump).max(axis=2), 0)
    wide = np.abs(bump) > 0.1 * np.abs(height)[..., None]
    found = {
        "P_Amp": height,
        "Pp_Amp": other,
        "P_DurFull": wide.sum(axis=2) * MS,
        "P_Area": bump.sum(axis=2) * MS,
    }
    return {name: np.where(there, value, np.nan) for name, value in found.items()}
