"""What comes before the first beat: input checks, lead quality, and one zero-phase filter.

Notation used for tensor shapes: n records, L = 12 leads, t input samples, m samples at 500 Hz,
d samples at 100 Hz.
"""

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, maximum_filter1d

from heart_reader.data.checks import LARGEST_STD_MV, require_millivolts
from heart_reader.data.ptbxl import LEADS
from heart_reader.errors import DataError

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

FS = 500  # Hz, at which beats are averaged and measured: 2 ms a sample
DETECTION_FS = 100  # Hz, at which beats are looked for
FS_RANGE = (100, 1000)  # Hz

# Band of the measured signal. 0.5 Hz is the zero-phase limit of the AHA/ACC/HRS 2007
# recommendations (https://doi.org/10.1161/CIRCULATIONAHA.106.180200); nothing above 50 Hz is in
# a 100 Hz recording, so that all sampling rates are cut alike.
HIGH_PASS_HZ = 0.5
LOW_PASS_HZ = (25.0, 49.0)  # a long cosine flank: a steep one rings before the QRS
DETECTION_BAND_HZ = (5.0, 20.0)
EDGE_SECONDS = 2

FLAT_MV = 0.01  # peak to peak: two steps of the usual 5 microvolt resolution
LARGEST_MV = 1e6  # beyond it float32 loses the small waves: not a measurement

# A bend sharper than any heart's: 9 mV as the root sum square over leads of the second
# difference at 100 Hz (99.9% of PTB-XL stays under it). A QRS bends less between closer samples.
SPIKE_MV = 9.0
SPIKE_FLOOR_MV = 2.0
SPIKE_ALONE = 0.3  # of that bend at most 2 to 6 samples away: a tall QRS bends there as well
SPIKE_SHARE = 0.05  # of the samples at most; more of them are noise, and stay

RAIL_SECONDS = 0.014  # a lead pinned this long at a time to its own extreme ...
RAIL_SHARE = 0.01  # ... and for this share of the record is clipped ...
RAIL_MV = 0.1  # ... unless that extreme lies this near to its mean: a quiet lead


@dataclass(frozen=True)
class Conditioned:
    """A batch ready for beat detection.

    Attributes:
        ecg: (n, L, m) mV at 500 Hz, 0.5 to 37 Hz (half height), bad leads zero.
        slope: (n, L, d) derivative in the QRS band at 100 Hz, arbitrary unit.
        usable: (n, L) leads that can be measured.
        flat, missing, saturated: (n, L) why a lead can't be.
        spiked: (n,) records that spikes were cut out of.
    """

    ecg: Floats
    slope: Floats
    usable: Bools
    flat: Bools
    missing: Bools
    saturated: Bools
    spiked: Bools


def check_signals(signals: NDArray[np.floating], fs: float) -> tuple[Floats, int]:
    """``signals`` as float32 (n, L, t) and ``fs`` as an int, if both are legal.

    Raises:
        DataError: another shape, an fs outside 100 to 1000 Hz or not whole, under two samples,
            amplitudes that can't be millivolts.
    """
    array = np.asarray(signals)
    if array.ndim != 3 or array.shape[1] != len(LEADS):
        raise DataError(f"signals must be (n_records, 12, n_times), got shape {array.shape}")
    if array.dtype.kind not in "fiu":
        raise DataError(f"signals must be real numbers in mV, got dtype {array.dtype}")
    if not FS_RANGE[0] <= fs <= FS_RANGE[1] or int(fs) != fs:
        raise DataError(f"fs must be a whole number of Hz from 100 to 1000, got {fs}")
    if array.shape[2] < fs:
        raise DataError(
            f"a record must last at least 1 s, got {array.shape[2]} samples at {fs} Hz"
        )
    with np.errstate(over="ignore"):  # a double beyond float32 becomes inf: a missing lead
        return array.astype(np.float32), int(fs)


def condition(signals: Floats, fs: int) -> Conditioned:
    """Bad leads found and silenced, the rest filtered and resampled.

    Args:
        signals: (n, L, t) mV.
        fs: Hz, whole.

    Raises:
        DataError: amplitudes that can't be millivolts.
    """
    missing = np.asarray(~(np.abs(signals) < LARGEST_MV).all(axis=2))  # NaN compares false
    x = np.where(missing[..., None], np.float32(0), signals)
    x -= x.mean(axis=2, keepdims=True)
    spread = x.std(axis=2)
    require_millivolts(spread, ~missing)
    low, high = x.min(axis=2), x.max(axis=2)
    flat = ~missing & (high - low < FLAT_MV)
    missing |= spread > LARGEST_STD_MV
    saturated = ~missing & (_pinned(x, low, fs) | _pinned(x, high, fs))
    usable = ~(missing | flat | saturated)
    x *= usable[..., None]
    spiked = _cut_spikes(x, fs)
    ecg, slope = _filter(x, fs)
    return Conditioned(ecg, slope, usable, flat, missing, saturated, spiked)


def _pinned(x: Floats, rail: Floats, fs: int) -> Bools:
    """(n, L): where the lead stays exactly at ``rail`` as no heartbeat does."""
    length = max(3, round(RAIL_SECONDS * fs))
    at_rail = np.cumsum(x == rail[..., None], axis=2, dtype=np.int32)
    runs = at_rail[..., length:] - at_rail[..., :-length] == length
    often = at_rail[..., -1] >= max(RAIL_SHARE * x.shape[2], 2 * length)
    return np.asarray(runs.any(axis=2) & often & (np.abs(rail) > RAIL_MV))


def bend(x: Floats) -> Floats:
    """(n, t): root sum square over leads of the second difference, 0 at both ends."""
    turn = np.diff(x, n=2, axis=2)
    return np.pad(np.sqrt((turn**2).sum(axis=1)), ((0, 0), (1, 1)))


def _cut_spikes(x: Floats, fs: int) -> Bools:
    """(n,): records in which spikes were replaced, in ``x`` itself, by straight lines."""
    turn = bend(x)  # (n, t)
    around = maximum_filter1d(turn, 5, axis=1, mode="constant")
    beside = np.maximum(np.roll(around, 4, axis=1), np.roll(around, -4, axis=1))
    sharp = (turn > max(SPIKE_MV * 100 / fs, SPIKE_FLOOR_MV)) & (beside < SPIKE_ALONE * turn)
    share = sharp.mean(axis=1)
    spiked = (share > 0) & (share < SPIKE_SHARE)
    times = np.arange(x.shape[2])
    for record in np.flatnonzero(spiked):
        good = ~binary_dilation(sharp[record], iterations=max(1, round(0.001 * fs)))
        for lead in x[record]:
            lead[~good] = np.interp(times[~good], times[good], lead[good])
    return np.asarray(spiked)


def _filter(x: Floats, fs: int) -> tuple[Floats, Floats]:
    """Band-pass, slope and both resamplings as products on one spectrum.

    ``ecg`` (n, L, m) and ``slope`` (n, L, d) of :class:`Conditioned`.
    """
    n_times = x.shape[2]
    before = EDGE_SECONDS * fs
    after = before + -n_times % fs  # whole seconds, so that every rate resamples exactly
    padded = np.pad(x, ((0, 0), (0, 0), (before, after)), "reflect", reflect_type="odd")
    seconds = padded.shape[2] // fs
    spectrum = scipy.fft.rfft(padded, axis=2)  # (n, L, frequencies)
    f = np.arange(spectrum.shape[2], dtype=np.float32) / seconds
    ecg = _resampled(spectrum * _ecg_response(f), seconds, fs, FS)
    slope = _resampled(spectrum * _slope_response(f), seconds, fs, DETECTION_FS)
    return ecg[..., : n_times * FS // fs], slope[..., : n_times * DETECTION_FS // fs]


def _ecg_response(f: Floats) -> Floats:
    high_pass = f**4 / (f**4 + np.float32(HIGH_PASS_HZ) ** 4)  # 2nd order, both ways
    start, stop = LOW_PASS_HZ
    flank = np.clip((f - start) / (stop - start), 0, 1)
    return np.asarray(high_pass * (0.5 + 0.5 * np.cos(np.pi * flank)), dtype=np.float32)


def _slope_response(f: Floats) -> NDArray[np.complex64]:
    low, high = DETECTION_BAND_HZ
    band = f**4 / (f**4 + low**4) / (1 + (f / high) ** 4)
    return np.asarray(1j * f * band, dtype=np.complex64)


def _resampled(spectrum: NDArray[np.complex64], seconds: int, fs_from: int, fs_to: int) -> Floats:
    n_times = seconds * fs_to
    kept = spectrum[..., : n_times // 2 + 1]
    signal = scipy.fft.irfft(kept, n_times, axis=2)[..., EDGE_SECONDS * fs_to :]
    return np.asarray(signal * np.float32(fs_to / fs_from))
