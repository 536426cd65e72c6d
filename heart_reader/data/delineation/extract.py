"""The feature matrix: global and per-lead measurements under their harmonised names."""

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from heart_reader.data.delineation.conditioning import Floats, check_signals
from heart_reader.data.delineation.delineate import Delineation, delineate
from heart_reader.data.delineation.measurements import lead_measurements
from heart_reader.data.delineation.names import (
    GLOBAL_MEASUREMENTS,
    LEAD_MEASUREMENTS,
)
from heart_reader.data.ptbxl import LEADS

Doubles = NDArray[np.float64]

CHUNK = 512  # records delineated at once

# PTB-XL+ measures from foot to foot: ECGdeli, which made its columns, puts edges outside of where
# a reader marks them. Medians over 600 records of folds 1 to 8 (its two modes differ by 6 to 12
# ms; these lie between). What is printed follows electrocardiographs instead (`edges.py`).
FOOT_TO_FOOT_MS = {"PR_Int_Global": 16.0, "QRS_Dur_Global": 26.0, "QT_Int_Global": 26.0}


def _code_version() -> str:
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:12]


VERSION = _code_version()  # of the code that measures: the key of cached features


def extract(signals: NDArray[np.floating], fs: float) -> Floats:
    """The structured features of each record.

    Args:
        signals: (n_records, 12, n_times) mV, leads in the order of ``LEADS``.
        fs: Hz, 100 to 1000.

    Returns:
        (n_records, n_features) in the order of ``FEATURE_NAMES``; NaN where a wave isn't there or
        can't be measured.

    Raises:
        DataError: another shape or sampling rate, or amplitudes that can't be millivolts.
    """
    checked, rate = check_signals(signals, fs)
    chunks = [
        features_of(delineate(checked[start : start + CHUNK], rate))
        for start in range(0, max(len(checked), 1), CHUNK)
    ]
    return np.concatenate(chunks)


def features_of(delineation: Delineation) -> Floats:
    """``extract`` for records that are delineated already: (n, n_features)."""
    leads = lead_measurements(delineation.median_beats, delineation.fiducials)
    by_lead = np.stack([leads[name] for name in LEAD_MEASUREMENTS], axis=2)  # (n, L, measurements)
    together = global_measurements(delineation, leads)
    columns = np.stack([together[name] for name in GLOBAL_MEASUREMENTS], axis=1)
    flat = by_lead.reshape(
        len(by_lead), len(LEADS) * len(LEAD_MEASUREMENTS)
    )  # (n, L * measurements)
    return np.concatenate([flat, columns], axis=1).astype(np.float32)


def global_measurements(delineation: Delineation, leads: dict[str, Floats]) -> dict[str, Doubles]:
    """Each measurement of ``GLOBAL_MEASUREMENTS`` as (n,), intervals in PTB-XL+'s convention."""
    f = delineation.fiducials
    ms = 1000 / delineation.fs
    beats = list(zip(delineation.r_peaks, delineation.kept, strict=True))
    rr = np.array([_mean_rr(*each) for each in beats])
    rr = np.where(np.isfinite(f.qrs_on), rr, np.nan)  # what has no QRS edges may not be a beat
    qt = (f.t_off - f.qrs_on) * ms + FOOT_TO_FOOT_MS["QT_Int_Global"]
    return {
        "HR__Global": 60000 / rr,
        "RR_Mean_Global": rr,
        "RR_StdDev_Global": np.array([_normal_rr_sd(*each) for each in beats]),
        "P_Dur_Global": (f.p_off - f.p_on) * ms,
        "PR_Int_Global": (f.qrs_on - f.p_on) * ms + FOOT_TO_FOOT_MS["PR_Int_Global"],
        "QRS_Dur_Global": (f.qrs_off - f.qrs_on) * ms + FOOT_TO_FOOT_MS["QRS_Dur_Global"],
        "QT_Int_Global": qt,
        "QT_IntFridericia_Global": qt / np.cbrt(rr / 1000),
        "P_AxisFront_Global": frontal_axis(leads["P_Area"]),
        "QRS_AxisFront_Global": frontal_axis(leads["QRS_Area"]),
        "T_AxisFront_Global": frontal_axis(leads["T_Area"]),
    }


def frontal_axis(areas: Floats) -> Doubles:
    """(n,) degrees from lead I towards aVF, from areas (n, L) in mV*ms.

    aVF is augmented: 2 / sqrt(3) brings it to the scale of lead I.
    """
    i, avf = areas[:, LEADS.index("I")], areas[:, LEADS.index("aVF")]
    return np.asarray(np.degrees(np.arctan2(2 / np.sqrt(3) * avf, i)), dtype=np.float64)


def _mean_rr(r_peaks: Doubles, kept: NDArray[np.bool_]) -> float:
    """ms; of all beats, but NaN where none could be averaged: then they may be noise."""
    return float(np.mean(np.diff(r_peaks))) * 1000 if kept.any() else float("nan")


def _normal_rr_sd(r_peaks: Doubles, kept: NDArray[np.bool_]) -> float:
    """ms; of the intervals between two beats that are both in the median."""
    normal = np.diff(r_peaks)[kept[1:] & kept[:-1]]
    return float(np.std(normal, ddof=1)) * 1000 if len(normal) > 1 else float("nan")
