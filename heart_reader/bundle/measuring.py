"""The features that a model reads: measured on the signals, as they are given, or none."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from heart_reader.data import delineation
from heart_reader.data.features import FeatureEncoder, as_twelve, with_demographics
from heart_reader.data.spec import SignalSpec
from heart_reader.errors import DataError


@dataclass(frozen=True, eq=False)
class Answered:
    """What a bundle says of some records.

    Attributes:
        probabilities: (n_records, n_classes).
        novelty: (n_records,), above 1 unlike what it was trained on; ``None`` where it can't tell.
    """

    probabilities: NDArray[np.float32]
    novelty: NDArray[np.float64] | None


Features = Literal["compute"] | NDArray[np.float32] | None


def feature_source(encoder: FeatureEncoder | None) -> str:
    """What a configuration calls the features that an encoder reads: "none" without one."""
    return "none" if encoder is None else encoder.source


def raw_features(
    source: str,
    signals: NDArray[np.floating[Any]],
    spec: SignalSpec,
    features: Features,
    age: Any,
    sex: Any,
) -> NDArray[np.float32] | None:
    """Raw features (n_records, n_features), or ``None`` where the model goes without.

    Args:
        source: of the features that the model was trained on.
        signals: mV (n_records, n_leads, n_times).
        spec: of the signals; what leads that aren't in it would measure is missing.
        features, age, sex: as of `Bundle.predict`.

    Raises:
        DataError: features, ages or sexes of another length, or a word that isn't "compute".
    """
    if source == "none" or features is None:
        return None
    if isinstance(features, str):
        # Fitted on another tool's values: ours don't mean the same.
        return measure(signals, features, age, sex, spec) if source == "compute" else None
    if len(features) != len(signals):
        raise DataError(f"{len(features)} rows of features for {len(signals)} signals")
    return features


def measure(
    signals: NDArray[np.floating[Any]], features: str, age: Any, sex: Any, spec: SignalSpec
) -> NDArray[np.float32]:
    """Raw features of signals in mV, (n_records, n_features), as every encoder reads them.

    Raises:
        DataError: ``features`` isn't "compute", or ages or sexes of another length.
    """
    if features != "compute":
        raise DataError(f"features must be 'compute', None or an array, but is {features!r}")
    unknown = np.full(len(signals), np.nan)
    age, sex = (unknown if values is None else np.asarray(values) for values in (age, sex))
    for name, values in (("age", age), ("sex", sex)):
        if values.shape != (len(signals),):
            raise DataError(
                f"{name} must have one value for each of {len(signals)} signals, "
                f"but has the shape {values.shape}"
            )
    measured = delineation.extract(as_twelve(signals, spec.leads), spec.fs)
    return with_demographics("compute", measured, age, sex).values
