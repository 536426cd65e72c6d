"""What a reader should know before trusting a record's measurements, one sentence each.

Notation used for tensor shapes: n records, L = 12 leads, t input samples.
"""

import numpy as np
from numpy.typing import NDArray

from heart_reader.data.delineation.beats import BEFORE, RecordBeats
from heart_reader.data.delineation.conditioning import (
    FS,
    LARGEST_MV,
    Bools,
    Conditioned,
    Floats,
    bend,
)
from heart_reader.data.delineation.fiducials import Fiducials
from heart_reader.data.delineation.measurements import lead_measurements
from heart_reader.data.ptbxl import LEADS

Doubles = NDArray[np.float64]

TOO_FEW_BEATS = "fewer than 2 beats look alike, or few of many: nothing was measured"
NO_EDGES = "no clear edges of QRS: nothing was measured"
LEAD_REVERSAL = "possible lead reversal: aVR is positive"
SPIKES_CUT = "spikes cut out: a pacemaker, or a loose electrode"
PACING = "pacing spikes: onsets may be those of the spike"
IRREGULAR = "only {kept} of {all} beats look alike"

# A spike bends sharper than the QRS behind it. At 100 Hz most are filtered away in recording: this
# finds 3% of the paced records of PTB-XL and none of 1,900 others; above 250 Hz it finds more.
SPIKE_RATIO = 1.3
SPIKE_MV = 0.5  # root sum square over leads of the second difference
SPIKE_BEFORE_SECONDS = 0.2
SPIKE_AFTER_SECONDS = 0.015
MOSTLY = 0.6  # of the beats


def lead_warnings(batch: Conditioned) -> list[list[str]]:
    """For each record of a batch, its leads that can't be measured."""
    kinds = (
        (batch.missing, "not measurable (missing samples, or far out of range)"),
        (batch.flat, "flat"),
        (batch.saturated, "saturated"),
    )
    found: list[list[str]] = [[] for _ in batch.usable]
    for record in np.flatnonzero(batch.spiked):
        found[record].append(SPIKES_CUT)
    for mask, what in kinds:
        for record in np.flatnonzero(mask.any(axis=1)):
            names = ", ".join(np.array(LEADS)[mask[record]])
            found[record].append(f"{what}: {names}")
    return found


def beat_warnings(
    signals: Floats, fs: int, beats: list[RecordBeats], median: Floats, fiducials: Fiducials
) -> list[list[str]]:
    """For each record, what its beats show.

    Args:
        signals: (n, L, t) mV as recorded, at ``fs`` Hz.
        beats: of the same records.
        median: (n, L, w) mV, NaN where a lead can't be measured.
        fiducials: of the same records.
    """
    reversed_arms = avr_is_positive(median, fiducials)
    spikes = has_pacing_spikes(signals, fs, beats, fiducials)
    found = []
    for record, each in enumerate(beats):
        kept = int(each.kept.sum())
        told = (
            (kept < 2, TOO_FEW_BEATS),
            (kept >= 2 and bool(np.isnan(fiducials.qrs_on[record])), NO_EDGES),
            (2 <= kept < MOSTLY * len(each.kept), IRREGULAR.format(kept=kept, all=len(each.kept))),
            (bool(reversed_arms[record]), LEAD_REVERSAL),
            (bool(spikes[record]), PACING),
        )
        found.append([sentence for true, sentence in told if true])
    return found


def avr_is_positive(median: Floats, fiducials: Fiducials) -> Bools:
    """(n,): two of P, QRS and T are upright in aVR: 79% of swapped normal ECGs, none else."""
    avr = LEADS.index("aVR")
    found = lead_measurements(median[:, avr : avr + 1], fiducials)
    upright = [found[name][:, 0] > 0 for name in ("P_Area", "QRS_Area", "T_Area")]
    return np.asarray(np.sum(upright, axis=0) >= 2)


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
