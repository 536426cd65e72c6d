"""Reads ECGs with a device's model file as a bundle would."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heart_reader.bundle.measuring import Features, raw_features
from heart_reader.data.checks import require_signals
from heart_reader.data.lead_sets import LeadSet
from heart_reader.data.spec import SignalSpec
from heart_reader.edge.device.folder import Labels, read_labels
from heart_reader.edge.formats.runtime import Runtime
from heart_reader.edge.formats.table import load_runtime
from heart_reader.errors import ModelError
from heart_reader.evaluation.trust.trust import Trust
from heart_reader.tasks.task import Task


@dataclass(frozen=True)
class DeviceReader:
    """A model file of a device folder."""

    runtime: Runtime
    meaning: Labels

    @property
    def task(self) -> Task:
        """What it answers."""
        return self.meaning.task

    @property
    def spec(self) -> SignalSpec:
        """What it reads."""
        return self.meaning.spec

    @property
    def lead_sets(self) -> tuple[LeadSet, ...]:
        """None: a device has its leads."""
        return ()

    @property
    def thresholds(self) -> NDArray[np.float64]:
        """One for each class of the task; at or above means present."""
        return self.meaning.thresholds

    @property
    def provenance(self) -> Mapping[str, Any]:
        """What the file was made from."""
        return self.meaning.source

    @property
    def trust(self) -> Trust:
        """Its calibrator, and when it is uncertain."""
        return self.meaning.trust

    @property
    def padded(self) -> bool:
        """A file's input is the signal alone: short records are repeated."""
        return False

    def predict(
        self,
        signals: NDArray[np.floating[Any]],
        features: Features = "compute",
        age: Sequence[float] | None = None,
        sex: Sequence[float] | None = None,
        lengths: NDArray[np.int64] | None = None,
    ) -> NDArray[np.float32]:
        """Probabilities of the task's classes; arguments and errors as of `Bundle.predict`.

        A signal-only file reads no features, whatever is asked for; no file reads ``lengths``.
        """
        require_signals(signals, self.spec)
        source = self.meaning.feature_source or "none"
        raw = raw_features(source, signals, self.spec, features, age, sex)
        return self.trust.apply(self.runtime.probabilities(signals, raw, None))

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
    found, named = (runtime.shape, runtime.n_classes), (meaning.spec.shape, meaning.task.n_classes)
    if found != named:
        raise ModelError(
            f"{model} reads {found[0]} and answers {found[1]} classes, but labels.json beside it "
            f"says {named[0]} and {named[1]}"
        )
    if runtime.n_features != len(meaning.feature_names):
        raise ModelError(
            f"{model} reads {runtime.n_features} features, but labels.json beside it names "
            f"{len(meaning.feature_names)}"
        )
    return DeviceReader(runtime, meaning)
