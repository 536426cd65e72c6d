"""What a reader should know before trusting a record's measurements, one sentence each.

Notation used for tensor shapes: n records, L = 12 leads, t input samples.
"""

import math

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from heart_reader.data.delineation.beats import RecordBeats
from heart_reader.data.delineation.conditioning import (
    Bools,
    Conditioned,
    Floats,
)
from heart_reader.data.delineation.fiducials import Fiducials
from heart_reader.data.delineation.measurements import lead_measurements
from heart_reader.data.ptbxl import LEADS

Doubles = NDArray[np.float64]

TOO_FEW_BEATS = "fewer than 2 beats look alike, or few of many: nothing was measured"
NO_EDGES = "no clear edges of QRS: nothing was measured"
LEAD_REVERSAL = "possible lead reversal: aVR is positive"
SPIKES_CUT = "spikes cut out: a pacemaker, or a loose electrode"
IRREGULAR = "only {kept} of {all} beats look alike"

DRIFT = "slow drift of {mv:.1f} mV (below {hz} Hz), most in {lead}: ST may be off"
DRIFT_HZ = 0.5  # above it the signal is measured
DRIFT_MV = 2.5  # peak to peak in the worst lead: 2% of the records of folds 1 to 8

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


def slow_drift(signals: Floats, fs: int, usable: Bools) -> list[list[str]]:
    """For each record, its worst lead's drift where that is large enough to bend ST and T.

    Args:
        signals: (n, L, t) mV as recorded, at ``fs`` Hz.
        usable: (n, L) leads that can be measured.
    """
    n_times = signals.shape[2]
    spectrum = scipy.fft.rfft(np.where(usable[..., None], signals, 0), axis=2)
    n_slow = math.ceil(DRIFT_HZ * n_times / fs)  # frequencies below DRIFT_HZ, the mean with them
    spectrum[..., 0] = 0
    n_drawn = 4 * n_slow  # samples that show so slow a thing
    slow = scipy.fft.irfft(spectrum[..., :n_slow], n_drawn, axis=2) * (n_drawn / n_times)
    size = np.ptp(slow, axis=2)  # (n, L)
    return [
        [DRIFT.format(mv=lead.max(), hz=DRIFT_HZ, lead=LEADS[lead.argmax()])]
        if lead.max() > DRIFT_MV
        else []
        for lead in size
    ]


def beat_warnings(
    beats: list[RecordBeats], median: Floats, fiducials: Fiducials, edges: Fiducials
) -> list[list[str]]:
    """For each record, what its beats show.

    Args:
        beats: of n records.
        median: (n, L, w) mV, NaN where a lead can't be measured.
        fiducials: of the same records.
        edges: as printed.
    """
    reversed_arms = avr_is_positive(median, fiducials)
    found = []
    for record, each in enumerate(beats):
        kept = int(each.kept.sum())
        told = (
            (kept < 2, TOO_FEW_BEATS),
            (kept >= 2 and bool(np.isnan(edges.qrs_on[record])), NO_EDGES),
            (2 <= kept < MOSTLY * len(each.kept), IRREGULAR.format(kept=kept, all=len(each.kept))),
            (bool(reversed_arms[record]), LEAD_REVERSAL),
        )
        found.append([sentence for true, sentence in told if true])
    return found


def avr_is_positive(median: Floats, fiducials: Fiducials) -> Bools:
    """(n,): two of P, QRS and T are upright in aVR: 79% of swapped normal ECGs, none else."""
    avr = LEADS.index("aVR")
    found = lead_measurements(median[:, avr : avr + 1], fiducials)
    upright = [found[name][:, 0] > 0 for name in ("P_Area", "QRS_Area", "T_Area")]
    return np.asarray(np.sum(upright, axis=0) >= 2)
