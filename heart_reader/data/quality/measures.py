"""The numbers that a record's quality is told by.

Notation used for tensor shapes: n records, L leads, t samples, b beats of one record, w samples
around a beat.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d
from scipy.signal import find_peaks

from heart_reader.errors import DataError

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

# The QRS's size as measured here, median over folds 1 to 8 of PTB-XL.
USUAL_QRS_MV = 0.96

LOWEST_FS, SHORTEST_SECONDS = 50, 1.5
BATCH = 64  # records at once: they and their spectra fit the cache of one core
LARGEST_MV = 1e6  # beyond it float32 loses the small waves: not a measurement

QRS_BAND_HZ = (5.0, 20.0)
WINDOW_SECONDS = 1.5  # holds a beat, unless the heart is slower than 40
QRS_SECONDS = 0.09
REFRACTORY_SECONDS = 0.24  # 250 beats/min
REACH_SECONDS = 0.1  # each side of a beat
BEAT_SHARE = 0.4  # of the usual QRS's height in the envelope

RAIL_SHARE_OF_SPAN = 0.004  # this near to the extreme is at it
STILL_MV_PER_SECOND = 0.11  # slower is standing still: one step of 1 microvolt a sample at 100 Hz
WAVES_HZ = 3.0  # drift lies below
MUSCLE_HZ = 35.0  # little of an ECG lies above
TONE_HZ = 0.75  # half width of a tone


@dataclass(frozen=True)
class Measures:
    """What was measured on n records.

    Attributes:
        missing: (n, L) not finite, or beyond any number that is a voltage.
        span: (n, L) mV, peak to peak.
        still: (n, L) seconds, the longest time that a lead doesn't move.
        at_rail: (n, L) share of the samples at the lead's own extreme.
        fast: (n, L) mV, root mean square above 35 Hz.
        tone: (n, L) share of the power above 3 Hz that is one frequency, and
        tone_hz: (n, L) that frequency.
        difference: (n, L, L) mV that two leads differ by in all but 1% of the samples.
        alike: (n, L, L) correlation of two leads.
        peakedness: (n,) how far a usual QRS rises above the usual slope; 1 to 2 in noise.
        n_beats: (n,) that were found.
        beats_alike: (n,) correlation of the usual beat with the record's median beat, over leads.
        lead_beats_alike: (n, L) the same for each lead.
        qrs: (n, L) mV, peak to peak of a usual beat within 0.1 s of the R peak.
        seconds: that the records last.
    """

    missing: Bools
    span: Floats
    still: Floats
    at_rail: Floats
    fast: Floats
    tone: Floats
    tone_hz: Floats
    difference: Floats
    alike: Floats
    peakedness: Floats
    n_beats: NDArray[np.int64]
    beats_alike: Floats
    lead_beats_alike: Floats
    qrs: Floats
    seconds: float


def measure(signals: NDArray[np.floating], fs: float) -> Measures:
    """Everything about some records.

    Args:
        signals: mV (n_records, n_leads, n_times); what isn't finite is a lead's defect.
        fs: Hz, at least 50.

    Raises:
        DataError: another shape, a lower fs, or less than 1.5 s.
    """
    if signals.ndim != 3 or signals.shape[1] == 0:
        raise DataError(f"signals must be (n_records, n_leads, n_times), not {signals.shape}")
    seconds = signals.shape[2] / fs
    if fs < LOWEST_FS or seconds < SHORTEST_SECONDS:
        raise DataError(
            f"quality is told from {LOWEST_FS} Hz and {SHORTEST_SECONDS} s on, but the signals "
            f"have {fs:g} Hz and {seconds:g} s"
        )
    starts = range(0, max(len(signals), 1), BATCH)  # no records: one empty part, for the shapes
    parts = [_measure_batch(signals[start : start + BATCH], fs) for start in starts]
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return Measures(**whole, seconds=seconds)


def _measure_batch(signals: NDArray[np.floating], fs: float) -> dict[str, NDArray[Any]]:
    missing = ~(np.abs(signals) < LARGEST_MV).all(axis=2)  # NaN compares false
    x = np.where(missing[..., None], 0, signals).astype(np.float32)  # (n, L, t)
    x -= np.median(x, axis=2, keepdims=True)
    low, high = x.min(axis=2, keepdims=True), x.max(axis=2, keepdims=True)
    span = high - low
    near = RAIL_SHARE_OF_SPAN * span
    at_rail = np.maximum((x - low <= near).mean(axis=2), (high - x <= near).mean(axis=2))
    still = longest_run(np.abs(np.diff(x, axis=2)) <= STILL_MV_PER_SECOND / fs) / fs
    return {
        "missing": missing,
        "span": span[..., 0],
        "still": still,
        "at_rail": at_rail,
        **_spectrum(x, fs),
        **_pairs(x),
        **_beats(x, fs),
    }


def longest_run(true: Bools) -> NDArray[np.int64]:
    """The longest run of True on the last axis.

    >>> longest_run(np.array([[True, False, True, True]])).tolist()
    [2]
    """
    position = np.arange(1, true.shape[-1] + 1)
    last_false = np.maximum.accumulate(np.where(true, 0, position), axis=-1)
    return np.asarray((position - last_false).max(axis=-1))


def _spectrum(x: Floats, fs: float) -> dict[str, NDArray[Any]]:
    n_times = x.shape[2]
    hann = np.hanning(n_times).astype(np.float32)
    power = np.abs(scipy.fft.rfft(x * hann, axis=2)) ** 2  # (n, L, frequencies)
    f = np.arange(power.shape[2]) * fs / n_times
    power[..., f < WAVES_HZ] = 0
    # Parseval's sum over both halves of the spectrum, and what the window took away.
    of_power = 2 / (n_times * max(float((hann**2).sum()), 1e-9))
    fast = np.sqrt(of_power * power[..., f >= MUSCLE_HZ].sum(axis=2))
    strongest = power.argmax(axis=2)
    summed = np.pad(np.cumsum(power, axis=2, dtype=np.float64), ((0, 0), (0, 0), (1, 0)))
    width = max(1, round(TONE_HZ * n_times / fs))
    first = np.maximum(strongest - width, 0)[..., None]
    behind = np.minimum(strongest + width + 1, power.shape[2])[..., None]
    inside = np.take_along_axis(summed, behind, 2) - np.take_along_axis(summed, first, 2)
    tone = inside[..., 0] / np.maximum(summed[..., -1], 1e-12)
    return {"fast": fast, "tone": tone, "tone_hz": f[strongest]}


def _pairs(x: Floats) -> dict[str, NDArray[Any]]:
    n, n_leads, _ = x.shape
    level = x - x.mean(axis=2, keepdims=True)
    size = np.maximum(np.sqrt((level**2).sum(axis=2)), 1e-9)
    alike = np.matmul(level, level.transpose(0, 2, 1)) / size[:, :, None] / size[:, None, :]
    difference = np.zeros((n, n_leads, n_leads), np.float32)
    # Leads that correlate less can't be the same: most pairs are spared the look.
    for record, a, b in np.argwhere(np.triu(alike > 0.99, 1)):
        gap = np.abs(x[record, a] - x[record, b])
        difference[record, a, b] = difference[record, b, a] = np.percentile(gap, 99)
    difference[alike <= 0.99] = np.inf
    return {"difference": difference, "alike": alike}


# ---------------------------------------------------------------- beats


def _beats(x: Floats, fs: float) -> dict[str, NDArray[Any]]:
    n, n_leads, n_times = x.shape
    slope = _qrs_slope(x, fs)
    scaled, envelope = _envelope(slope, fs)
    usual = np.maximum(_usual_peak(envelope, fs), 1e-9)  # (n,)
    found: dict[str, NDArray[Any]] = {
        "peakedness": usual / np.maximum(np.median(envelope, axis=1), 1e-9),
        "n_beats": np.zeros(n, np.int64),
        "beats_alike": np.full(n, np.nan, np.float32),
        "lead_beats_alike": np.full((n, n_leads), np.nan, np.float32),
        "qrs": np.full((n, n_leads), np.nan, np.float32),
    }
    reach = max(1, round(REACH_SECONDS * fs))
    apart = max(1, round(REFRACTORY_SECONDS * fs))
    for record in range(n):
        row = envelope[record]
        peaks, _ = find_peaks(row, height=BEAT_SHARE * usual[record], distance=apart)
        peaks = peaks[(peaks >= reach) & (peaks < n_times - reach)]
        found["n_beats"][record] = len(peaks)
        if len(peaks) < 2:
            continue
        around = peaks[:, None] + np.arange(-reach, reach + 1)  # (b, w)
        whole, each = _alike(scaled[record][:, around])
        found["beats_alike"][record], found["lead_beats_alike"][record] = whole, each
        found["qrs"][record] = np.median(np.ptp(x[record][:, around], axis=2), axis=1)
    return found


def _qrs_slope(x: Floats, fs: float) -> Floats:
    """(n, L, t): the derivative in the band of the QRS, arbitrary unit."""
    n_times, edge = x.shape[2], int(fs)
    padded = np.pad(x, ((0, 0), (0, 0), (edge, edge)), "reflect", reflect_type="odd")
    length = scipy.fft.next_fast_len(padded.shape[2], real=True)
    spectrum = scipy.fft.rfft(padded, length, axis=2)
    f = np.arange(spectrum.shape[2], dtype=np.float32) * np.float32(fs / length)
    low, high = QRS_BAND_HZ
    response = 1j * f * f**4 / (f**4 + low**4) / (1 + (f / high) ** 4)
    slope = scipy.fft.irfft(spectrum * response.astype(np.complex64), length, axis=2)
    return np.asarray(slope[..., edge : edge + n_times], np.float32)


def _envelope(slope: Floats, fs: float) -> tuple[Floats, Floats]:
    """Slopes (n, L, t) scaled to each lead's usual QRS and weighed by how far that rises above
    the lead's mean, so that a noisy lead says little; and their smoothed sum (n, t)."""
    steep = np.abs(slope)
    usual = _usual_peak(steep, fs)  # (n, L)
    weight = (usual / np.maximum(steep.mean(axis=2), 1e-9)) ** 2
    weight /= np.maximum(weight.sum(axis=1, keepdims=True), 1e-9)
    scale = (weight / np.maximum(usual, 1e-9))[..., None]
    summed = (np.minimum(steep, 2 * usual[..., None]) * scale).sum(axis=1)
    smooth = uniform_filter1d(summed, max(1, round(QRS_SECONDS * fs)), axis=1)
    return slope * scale, np.asarray(smooth, np.float32)


def _usual_peak(x: Floats, fs: float) -> Floats:
    """The median over windows of 1.5 s of the largest value in each, on the last axis."""
    window = round(WINDOW_SECONDS * fs)
    n_windows = x.shape[-1] // window
    cut = x[..., : n_windows * window].reshape(*x.shape[:-1], n_windows, window)
    return np.asarray(np.median(cut.max(axis=-1), axis=-1))


def _alike(beats: Floats) -> tuple[float, Floats]:
    """How alike beats (L, b, w) are to their median: over all leads, and lead by lead (L,)."""
    template = np.median(beats, axis=1, keepdims=True)
    product = (beats * template).sum(axis=2)  # (L, b)
    power = (beats**2).sum(axis=2)
    own = (template**2).sum(axis=2)  # (L, 1)
    whole = product.sum(axis=0) / np.maximum(np.sqrt(power.sum(axis=0) * own.sum()), 1e-12)
    each = product / np.maximum(np.sqrt(power * own), 1e-12)
    return float(np.median(whole)), np.asarray(np.median(each, axis=1), np.float32)
