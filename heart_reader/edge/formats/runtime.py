"""Runs an exported file, of whatever format, behind one method."""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heart_reader.edge.sample import Array
from heart_reader.errors import DataError, ModelError


class Runtime(ABC):
    """An exported model on one thread.

    Attributes:
        path: of the file.
        n_features: that it reads; 0 for a signal-only file.
        shape: of a signal that it reads, (n_leads, n_times).
        n_classes: that it answers.
    """

    path: Path
    n_features: int
    shape: tuple[int, int]
    n_classes: int

    def probabilities(
        self, signal: NDArray[Any], features: NDArray[Any] | None, mask: NDArray[Any] | None
    ) -> Array:
        """Probabilities (n, n_classes), float32.

        Args:
            signal: mV (n, n_leads, n_times).
            features: raw values (n, n_features); NaN counts as missing. ``None``: no features.
            mask: (n, n_features), 1 where a value was measured; ``None``: where it is finite.

        Raises:
            DataError: another shape, or features for a file that reads none.
        """
        if signal.ndim != 3 or signal.shape[1:] != self.shape:
            n_leads, n_times = self.shape
            raise DataError(
                f"signal must have the shape (n, {n_leads}, {n_times}), but has {signal.shape}"
            )
        feed = {"signal": np.ascontiguousarray(signal, np.float32)}
        if self.n_features:
            feed |= _feature_feed(len(signal), self.n_features, features, mask)
        elif features is not None:
            raise DataError(f"{self.path.name} reads no features, but was given some")
        return self._run(feed)

    @abstractmethod
    def _run(self, feed: Mapping[str, Array]) -> Array: ...


def _feature_feed(
    n: int, n_features: int, features: NDArray[Any] | None, mask: NDArray[Any] | None
) -> dict[str, Array]:
    if features is None:
        nothing = np.zeros((n, n_features), np.float32)
        return {"features": nothing, "mask": nothing}
    known = np.isfinite(features) if mask is None else (np.asarray(mask) != 0)
    for name, values in (("features", features), ("mask", known)):
        if values.shape != (n, n_features):
            raise DataError(
                f"{name} must have the shape ({n}, {n_features}), but has {values.shape}"
            )
    known &= np.isfinite(features)
    values = np.where(known, features, 0)
    return {"features": values.astype(np.float32), "mask": known.astype(np.float32)}


def contract_of(
    path: Path, inputs: Mapping[str, Any], outputs: list[Any]
) -> tuple[int, tuple[int, int], int]:
    """The number of features that a file reads, a signal's shape, the number of classes.

    Raises:
        ModelError: inputs or outputs that aren't those of a model made here.
    """
    found = {name: list(shape)[1:] for name, shape in inputs.items()}
    given = [list(shape)[1:] for shape in outputs]
    if not _fits(found, given):
        raise ModelError(
            f"{path} is no model of this project: it reads {found} and gives {given} for each "
            "record"
        )
    n_leads, n_times = found["signal"]
    return found.get("features", [0])[0], (n_leads, n_times), given[0][0]


def _fits(inputs: Mapping[str, list[Any]], outputs: list[list[Any]]) -> bool:
    names = {"signal"} if len(inputs) == 1 else {"signal", "features", "mask"}
    n_sizes = {"signal": 2, "features": 1, "mask": 1}
    sizes = [n for shape in (*inputs.values(), *outputs) for n in shape]
    return (
        set(inputs) == names
        and all(len(inputs[name]) == n_sizes[name] for name in names)
        and inputs.get("features") == inputs.get("mask")
        and [len(shape) for shape in outputs] == [1]
        and all(isinstance(n, int) and n > 0 for n in sizes)
    )


def one_line(error: Exception) -> str:
    """The message without the place in ONNX Runtime's own source that it begins with."""
    text = " ".join(str(error).split())
    return re.sub(r"^.*/onnxruntime_src/\S+ .*?\) (?=[A-Z])", "", text)[:300]
