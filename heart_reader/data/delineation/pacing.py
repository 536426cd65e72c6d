"""Whether a pacemaker leads the beats: by its spikes, or by the shape of the QRS.

Notation used for tensor shapes: n records, L = 12 leads, t input samples, w samples of a median
beat at 500 Hz.
"""

import numpy as np
from numpy.typing import NDArray

from heart_reader.data.delineation.beats import BEFORE, RecordBeats
from heart_reader.data.delineation.conditioning import FS, LARGEST_MV, Bools, Floats, bend
from heart_reader.data.delineation.fiducials import Fiducials, level_before_qrs
from heart_reader.data.delineation.spikes import Spikes
from heart_reader.data.ptbxl import LEADS

Doubles = NDArray[np.float64]

PACING = "possible pacemaker: spikes lead most beats; QRS and QT are measured from behind them"
PACED_SHAPE = "possible pacemaker: a wide QRS, negative in II, aVF, V1 and V6"

# As recorded, a spike bends sharper than the QRS behind it. At 100 Hz most are filtered away: this
# finds 3% of the paced records of PTB-XL and none of 1,900 others; above 250 Hz it finds more.
# Those on the median beat are for the others (`spikes.py`).
SPIKE_RATIO = 1.3
SPIKE_MV = 0.5  # root sum square over leads of the second difference
SPIKE_BEFORE_SECONDS = 0.2
SPIKE_AFTER_SECONDS = 0.015
MOSTLY = 0.6  # of the beats

PACED_QRS = 75  # samples: 150 ms, below which a QRS of that shape is rarely paced
PACED_DOWN = ("II", "aVF", "V1", "V6")  # an apex of the right ventricle leads away from them


def pacing_warnings(
    signals: Floats,
    fs: int,
    beats: list[RecordBeats],
    x: Floats,
    fiducials: Fiducials,
    edges: Fiducials,
    spikes: Spikes,
) -> list[list[str]]:
    """For each record, what speaks for a pacemaker.

    Args:
        signals: (n, L, t) mV as recorded, at ``fs`` Hz.
        beats: of the same records.
        x: (n, L, w) mV, their median beats, 0 where a lead can't be measured.
        fiducials: as the features measure.
        edges: as printed.
        spikes: of the median beats.
    """
    spiked = has_pacing_spikes(signals, fs, beats, fiducials)
    spiked |= np.isfinite(spikes.ventricular) | np.isfinite(spikes.atrial)
    shaped = is_shaped_as_paced(x, edges)
    return [
        [PACING] if by_spikes else [PACED_SHAPE] if by_shape else []
        for by_spikes, by_shape in zip(spiked, shaped, strict=True)
    ]


def is_shaped_as_paced(x: Floats, edges: Fiducials) -> Bools:
    """(n,): QRS is wide, and its area negative in all leads of ``PACED_DOWN``."""
    wide = edges.qrs_off - edges.qrs_on >= PACED_QRS  # NaN compares false
    on = np.nan_to_num(edges.qrs_on).astype(np.int64)
    w = np.arange(x.shape[2])
    inside = (w >= on[:, None]) & (w <= edges.qrs_off[:, None])  # (n, w)
    area = ((x - level_before_qrs(x, on)[..., None]) * inside[:, None]).sum(axis=2)  # (n, L)
    return np.asarray(wide & (area[:, [LEADS.index(lead) for lead in PACED_DOWN]] < 0).all(axis=1))


def has_pacing_spikes(
    signals: Floats, fs: int, beats: list[RecordBeats], fiducials: Fiducials
) -> Bools:
    """(n,): most beats are led by something sharper than the QRS itself."""
    finite = np.abs(signals) < LARGEST_MV
    sharpness = bend(np.where(finite, signals, 0))
    found = np.zeros(len(signals), bool)
    for record in np.flatnonzero(np.isfinite(fiducials.qrs_on)):
        edges = (fiducials.qrs_on[record], fiducials.qrs_off[record])
        on, off = ((edge - BEFORE) / FS for edge in edges)  # s from the R peak
        at = beats[record].r_peaks / FS
        marks = (at + on - SPIKE_BEFORE_SECONDS, at + on + SPIKE_AFTER_SECONDS, at + off)
        found[record] = _led_by_spikes(sharpness[record], *(np.rint(mark * fs) for mark in marks))
    return found


def _led_by_spikes(sharpness: Floats, start: Doubles, split: Doubles, stop: Doubles) -> bool:
    """Whether ``sharpness`` (t,) is usually larger from start to split than from there to stop."""
    inside = (start >= 0) & (stop < len(sharpness)) & (stop > split + 1)
    if not inside.any():
        return False
    spans = np.stack([start, split, stop], axis=1)[inside].astype(int)
    led = [
        sharpness[a : b + 1].max() > max(SPIKE_MV, SPIKE_RATIO * sharpness[b + 1 : c + 1].max())
        for a, b, c in spans
    ]
    return bool(np.mean(led) >= MOSTLY)
