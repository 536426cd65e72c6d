"""A normal ECG with the rhythm of a record: the mean normal beat at each of its R peaks.

beat.csv    the beat, with where it comes from and its licence; made by benchmarks/normal_beat.py
"""

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heart_reader.data.ptbxl import LEADS

Floats = NDArray[np.float64]

BEAT = Path(__file__).parent / "beat.csv"
STEP_MS = 4
TAPER_S = 0.06  # at both ends of the beat, so that it starts and ends at 0
REPOLARISATION_S = 0.04  # after the R peak; from here on the beat is stretched with the rate


def normal_ecg(
    r_peaks: NDArray[np.floating[Any]], fs: float, n_times: int, leads: Sequence[str] = LEADS
) -> Floats:
    """Mean normal beats at a record's R peaks, (n_leads, n_times) in mV.

    What follows the QRS is stretched with the cube root of each RR interval, as Fridericia's
    formula has it (Acta Med Scand 1920;53:469-486). Beats add up where they overlap.

    Args:
        r_peaks: seconds from the start of the record, rising.
        fs: Hz.
        n_times: samples.
        leads: of ``LEADS``, in the order of the result.
    """
    times, beat, usual_rr = _beat()
    rows = beat[[LEADS.index(lead) for lead in leads]]
    at = np.arange(n_times) / fs
    out = np.zeros((len(rows), n_times))
    for peak, rr in _with_neighbours(np.asarray(r_peaks, np.float64), n_times / fs, usual_rr):
        late = at - peak - REPOLARISATION_S
        own = np.where(late > 0, late / np.cbrt(rr / usual_rr), late) + REPOLARISATION_S
        out += [np.interp(own, times, row, left=0, right=0) for row in rows]
    return out


def _with_neighbours(peaks: Floats, duration: float, usual_rr: float) -> list[tuple[float, float]]:
    """Each R peak and the RR interval before it; with one beat more at each end, whose waves may
    reach into the record."""
    if not len(peaks):
        return []
    usual = float(np.median(np.diff(peaks))) if len(peaks) > 1 else usual_rr
    every = np.concatenate([[peaks[0] - usual], peaks, [peaks[-1] + usual]])
    every = every[(every > -1) & (every < duration + 1)]
    rr = np.diff(every, prepend=every[0] - usual)
    return list(zip(every.tolist(), rr.tolist(), strict=True))


@cache
def _beat() -> tuple[Floats, Floats, float]:
    """Seconds from the R peak, the beat (n_leads, w) in mV, and its RR interval in seconds."""
    text = BEAT.read_text(encoding="utf-8")
    rr = float(re.findall(r"Mean RR interval (\d+) ms", text)[0]) / 1000
    table = np.loadtxt(text.splitlines(), delimiter=",", skiprows=text.count("#") + 1)
    times, beat = table[:, 0] / 1000, table[:, 1:].T / 1000
    ends = np.minimum(times - times[0], times[-1] - times)
    return times, np.asarray(beat * np.clip(ends / TAPER_S, 0, 1)), rr
