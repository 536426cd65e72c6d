"""What an explanation starts from: a normal ECG with the record's own rhythm.

A flat line would do for the sum, but a flat ECG isn't normal to a model that saw none in training:
one gives it an infarct with 48%. What differs from the mean normal beat, at the record's own R
peaks and levels, is what a reader looks for as well.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heart_reader.bundle.measuring import measure
from heart_reader.data.delineation import delineate
from heart_reader.data.features import FeatureEncoder, as_twelve
from heart_reader.data.normal.ecg import normal_ecg
from heart_reader.data.spec import SignalSpec

NORMAL, FLAT = "a normal ECG of this rhythm", "a flat ECG with usual features"


@dataclass(frozen=True)
class Usual:
    """An ECG to start from.

    Attributes:
        name: in a reader's words.
        signal: mV (n_leads, n_times).
        measured: raw features (n_features,) as `measure` gives them, without age and sex; ``None``
            where the signal has no beats.
    """

    name: str
    signal: NDArray[np.float32]
    measured: NDArray[np.float32] | None


def usual_ecg(signal: NDArray[np.floating[Any]], spec: SignalSpec) -> Usual:
    """The normal ECG with a record's R peaks; a flat one where it has no beats.

    Each lead has the median of the record's: an electrode's offset is no finding.

    Args:
        signal: mV (n_leads, n_times).
        spec: its leads and rate.
    """
    level = np.median(signal, axis=1, keepdims=True)
    (r_peaks,) = delineate(as_twelve(signal[None], spec.leads), spec.fs).r_peaks
    if not len(r_peaks):
        return Usual(FLAT, np.repeat(level, signal.shape[1], axis=1).astype(np.float32), None)
    normal = normal_ecg(r_peaks, spec.fs, signal.shape[1], spec.leads)
    moved = normal - np.median(normal, axis=1, keepdims=True) + level
    usual = moved.astype(np.float32)
    unknown = [float("nan")]
    return Usual(NORMAL, usual, measure(usual[None], "compute", unknown, unknown, spec)[0])


def usual_features(encoder: FeatureEncoder, usual: Usual) -> NDArray[np.float32]:
    """The encoded features (1, n_encoded) of an ECG to start from.

    Age and sex are the training folds' medians, so that what they add shows; so is everything
    where the encoder's features were measured by another program.
    """
    if usual.measured is None or encoder.source != "compute":
        return np.zeros((1, encoder.n_encoded), np.float32)
    known = np.where(np.isfinite(usual.measured[-2:]), usual.measured[-2:], encoder.median[-2:])
    values = np.concatenate([usual.measured[:-2], known]).astype(np.float32)
    return encoder.encode(values[None])[0]
