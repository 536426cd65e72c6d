"""Reads ECGs with a device's model file as a bundle would."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heart_reader.bundle.single import Features, measure
from heart_reader.data.checks import require_signals
from heart_reader.edge.device.folder import Labels, read_labels
from heart_reader.edge.formats.runtime import Runtime, load_runtime
from heart_reader.errors import DataError, ModelError


@dataclass(frozen=True)
class DeviceReader:
    """A model file of a device folder."""

    runtime: Runtime
    meaning: Labels

    @property
    def thresholds(self) -> NDArray[np.float64]:
        """One for each class of ``SUPERCLASSES``; at or above means present."""
        return self.meaning.thresholds

    def predict(
        self,
        signals: NDArray[np.floating[Any]],
        features: Features = "compute",
        age: Sequence[float] | None = None,
        sex: Sequence[float] | None = None,
    ) -> NDArray[np.float32]:
        """Probabilities of the five superclasses; arguments and errors as of `Bundle.predict`.

        A signal-only file reads no features, whatever is asked for.
        """
        require_signals(signals)
        if isinstance(features, str):
            ours = self.meaning.feature_source == "compute"
            features = measure(signals, features, age, sex) if ours else None
        elif features is not None and len(features) != len(signals):
            raise DataError(f"{len(features)} rows of features for {len(signals)} signals")
        given = features if self.runtime.n_features else None
        return self.runtime.probabilities(signals, given, None)

    def labels(self, probabilities: NDArray[np.floating[Any]]) -> NDArray[np.bool_]:
        """Which classes are present, (n_records, n_classes)."""
        return np.asarray(probabilities >= self.thresholds)


def open_device(model: Path) -> DeviceReader:
    """A model file with the labels.json beside it.

    Raises:
        ModelError: a file missing, damaged, of another version, or not fitting the other.
    """
    meaning = read_labels(model)
    runtime = load_runtime(model)
    if runtime.n_features != len(meaning.feature_names):
        raise ModelError(
            f"{model} reads {runtime.n_features} features, but labels.json beside it names "
            f"{len(meaning.feature_names)}"
        )
    return DeviceReader(runtime, meaning)
