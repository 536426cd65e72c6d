"""Beats: found on all leads together, compared with each other, and averaged by the median.

Notation used for tensor shapes: L = 12 leads, d samples at 100 Hz, m samples at 500 Hz, b beats of
one record, w samples of a median beat.
"""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d
from scipy.signal import find_peaks

from heart_reader.data.delineation.conditioning import DETECTION_FS, Bools, Floats

Ints = NDArray[np.int64]

BEFORE = 200  # samples of the median beat ahead of the QRS: 400 ms
AFTER = 320  # and behind: 640 ms, a QT of 600 in a slow heart
N_BEAT_TIMES = BEFORE + AFTER

REFRACTORY_SECONDS = 0.24  # 250 beats/min
SMOOTHING_SECONDS = 0.09  # about one QRS
SMALLEST_SHARE = 0.1  # of a usual QRS's slope in the steepest one
HIGH_THRESHOLD = 0.40  # of the usual QRS's height in the envelope
LOW_THRESHOLD = 0.22  # in a gap where a beat is missed
GAP = 1.6  # times the median RR

QRS_REACH = 50  # samples each side compared between beats: 100 ms
LAGS = 20  # samples of search for the best alignment: 40 ms
NEIGHBOUR = 50  # samples around the next R peak that are no part of this beat: 100 ms
LEVEL = slice(BEFORE - 60, BEFORE - 35)  # 120 to 70 ms ahead of the QRS, where beats are levelled
SAME_BEAT = 0.85  # correlation with the template, over all leads
SMALLEST_GROUP = 0.3  # of the beats; fewer don't stand for the record


@dataclass(frozen=True)
class RecordBeats:
    """The beats of one record.

    Attributes:
        r_peaks: (beats,) samples at 500 Hz of all beats.
        kept: (beats,) whether a beat went into the median.
        median: (L, w) mV; NaN if too few beats agree.
        noise: (L,) mV; the usual spread of single beats about the median, over the square root
            of their number.
    """

    r_peaks: Ints
    kept: Bools
    median: Floats
    noise: Floats


def detection_envelope(slope: Floats, usable: Bools) -> Floats:
    """(n, d): how much of all leads' slope there is, 1 at a usual QRS.

    Each lead is scaled to its own usual QRS and weighs by how far that rises above its mean, so
    that a noisy lead says little.
    """
    steep = np.abs(slope)
    usual = _usual_peak(steep)  # (n, L)
    peakedness = usual / np.maximum(steep.mean(axis=2), 1e-6)
    weight = np.where(usable, peakedness**2, 0)  # (n, L)
    weight /= np.maximum(weight.sum(axis=1, keepdims=True), 1e-6)
    scale = np.where(usual > 1e-6, weight / np.maximum(usual, 1e-6), 0)
    limited = np.minimum(steep, 2 * usual[..., None])
    summed = np.matmul(scale[:, None, :].astype(np.float32), limited)[:, 0]  # (n, d)
    smooth = uniform_filter1d(summed, round(SMOOTHING_SECONDS * DETECTION_FS), axis=1)
    usual_sum = _usual_peak(smooth)[:, None]
    return np.asarray(smooth / np.maximum(usual_sum, 1e-6), dtype=np.float32)


def _usual_peak(x: Floats) -> Floats:
    """The median over windows of 1.5 s of the largest value in each, on the last axis.

    Never under a tenth of the largest of all: the rest of a record of one beat is no beats.
    """
    window = min(3 * DETECTION_FS // 2, x.shape[-1])
    n_windows = x.shape[-1] // window
    cut = x[..., : n_windows * window].reshape(*x.shape[:-1], n_windows, window)
    highest = cut.max(axis=-1)
    least = SMALLEST_SHARE * highest.max(axis=-1)
    return np.asarray(np.maximum(np.median(highest, axis=-1), least))


def find_beats(envelope: Floats) -> Ints:
    """Samples at 100 Hz of the beats of one record's envelope (d,)."""
    apart = round(REFRACTORY_SECONDS * DETECTION_FS)
    candidates, _ = find_peaks(envelope, height=LOW_THRESHOLD, distance=apart)
    sure = candidates[envelope[candidates] >= HIGH_THRESHOLD]
    if len(sure) < 3 or len(sure) == len(candidates):
        return np.asarray(sure)
    rr = float(np.median(np.diff(sure)))
    weak = np.setdiff1d(candidates, sure)
    after = np.searchsorted(sure, weak)
    inner = (after > 0) & (after < len(sure))
    weak, after = weak[inner], after[inner]
    left, right = weak - sure[after - 1], sure[after] - weak
    missed = (left + right > GAP * rr) & (np.minimum(left, right) > 0.5 * rr)
    return np.sort(np.concatenate([sure, weak[missed]]))


def average_beats(ecg: Floats, r_peaks: Ints, usable: Bools) -> RecordBeats:
    """The median beat of the largest group of beats that look alike.

    Args:
        ecg: (L, m) mV at 500 Hz.
        r_peaks: (b,) samples at 500 Hz.
        usable: (L,) leads to compare beats on.
    """
    n_times = ecg.shape[1]
    reach = QRS_REACH + LAGS
    r_peaks = r_peaks[(r_peaks >= reach) & (r_peaks < n_times - reach)]
    if len(r_peaks) < 2 or not usable.any():
        return _no_beats(r_peaks, len(ecg))
    snippets = sliding_window_view(ecg[usable], 2 * reach, axis=1)[:, r_peaks - reach]
    snippets = np.ascontiguousarray(snippets.transpose(1, 0, 2)[..., ::2])  # (b, L, reach)
    template = snippets[_most_alike(snippets)][:, LAGS // 2 : -(LAGS // 2)]
    for _ in range(2):
        lag, likeness = _align(snippets, template)
        kept = likeness >= SAME_BEAT
        if kept.sum() < max(2, SMALLEST_GROUP * len(kept)):
            return _no_beats(r_peaks, len(ecg))
        moved = _shifted(snippets, lag, template.shape[1])
        template = np.median(moved[kept], axis=0)
    r_peaks = r_peaks + 2 * (lag - LAGS // 2)
    median, noise = _median_beat(ecg, r_peaks, kept)
    return RecordBeats(r_peaks, kept, median, noise)


def _no_beats(r_peaks: Ints, n_leads: int) -> RecordBeats:
    nothing = np.full((n_leads, N_BEAT_TIMES), np.nan, np.float32)
    return RecordBeats(r_peaks, np.zeros(len(r_peaks), bool), nothing, nothing[:, 0])


def _most_alike(snippets: Floats) -> int:
    """The beat that resembles the most others."""
    flat = (snippets - snippets.mean(axis=2, keepdims=True)).reshape(len(snippets), -1)
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)
    likeness = flat @ flat.T  # (b, b)
    return int(np.argmax((likeness > 0.7).sum(axis=1) + likeness.mean(axis=1)))


def _align(snippets: Floats, template: Floats) -> tuple[Ints, Floats]:
    """The lag of best fit of each beat, and its correlation with the template there."""
    centred = template - template.mean(axis=1, keepdims=True)
    views = sliding_window_view(snippets, template.shape[1], axis=2)  # (b, L, lags, w)
    score = np.einsum("bltw,lw->bt", views, centred)  # (b, lags)
    lag = np.argmax(score, axis=1)
    best = _shifted(snippets, lag, template.shape[1])
    best = best - best.mean(axis=2, keepdims=True)
    norm = np.sqrt((best**2).sum(axis=(1, 2)) * (centred**2).sum())
    return lag, score[np.arange(len(lag)), lag] / np.maximum(norm, 1e-9)


def _shifted(snippets: Floats, lag: Ints, width: int) -> Floats:
    """(b, L, width): each beat cut out at its own lag."""
    columns = lag[:, None] + np.arange(width)
    return np.take_along_axis(snippets, columns[:, None, :], axis=2)


def _median_beat(ecg: Floats, r_peaks: Ints, kept: Bools) -> tuple[Floats, Floats]:
    """(L, w) median over the kept beats, each up to its neighbours, and (L,) its noise."""
    columns = r_peaks[kept][:, None] + np.arange(-BEFORE, AFTER)  # (b, w)
    foreign = _foreign(columns, r_peaks, kept, ecg.shape[1])
    beats = ecg[:, np.clip(columns, 0, ecg.shape[1] - 1)].transpose(1, 0, 2)  # (b, L, w)
    level = np.median(beats[:, :, LEVEL], axis=2, keepdims=True)
    beats = np.where(foreign[:, None, :], np.nan, beats - level)
    beats.sort(axis=0)  # NaN last
    count = (~foreign).sum(axis=0)  # (w,)
    w = np.arange(columns.shape[1])
    median = 0.5 * (beats[(count - 1) // 2, :, w] + beats[count // 2, :, w]).T  # (L, w)
    spread = beats[(3 * count) // 4, :, w] - beats[count // 4, :, w]  # (w, L), quartiles
    known = count > 3
    if not known.any():
        return median, np.zeros(len(ecg), np.float32)
    noise = np.median(spread[known], axis=0) / 1.349 / np.sqrt(kept.sum())
    return median, noise


def _foreign(columns: Ints, r_peaks: Ints, kept: Bools, n_times: int) -> Bools:
    """(b, w): samples outside the record, or in the QRS of the beat before or after."""
    before = np.concatenate([[-BEFORE - NEIGHBOUR], r_peaks[:-1]])[kept] + NEIGHBOUR
    after = np.concatenate([r_peaks[1:], [n_times + NEIGHBOUR]])[kept] - NEIGHBOUR
    outside = (columns < 0) | (columns >= n_times)
    return outside | (columns < before[:, None]) | (columns >= after[:, None])
