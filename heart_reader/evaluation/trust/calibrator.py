"""What turns a model's probabilities into ones that keep their word: a monotone curve a class.

    none          as it is
    temperature   log-odds times a slope; Guo et al. 2017, https://arxiv.org/abs/1706.04599
    platt         log-odds times a slope, plus an offset; Platt 1999
    isotonic      a rising line through knots; Zadrozny and Elkan, KDD 2002

Each keeps the order of scores, so that an AUC stays what it was. Constants alone: it is fitted by
`fit`, which needs scikit-learn; this doesn't.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

NONE, TEMPERATURE, PLATT, ISOTONIC = METHODS = ("none", "temperature", "platt", "isotonic")
LEAST_SLOPE, MOST_SLOPE, MOST_OFFSET = 0.02, 50.0, 50.0  # what no class of ours came near
EDGE = 1e-7  # of a probability: float32 knows none closer to 1, whose log-odds are finite
# What an isotonic curve takes of the score itself: without it whole ranges of scores were tied,
# and a class that nobody had below a score were called impossible there.
OWN_SHARE = 0.01
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """Of one class.

    Attributes:
        method: one of ``METHODS``.
        slope, offset: of the log-odds; 1 and 0 where the method has none.
        x, y: knots from 0 to 1, x rising, y not falling; of an isotonic curve alone.
    """

    method: str
    slope: float
    offset: float
    x: tuple[float, ...]
    y: tuple[float, ...]

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"calibration must be {', '.join(METHODS)}, but is {self.method!r}")
        if not (LEAST_SLOPE <= self.slope <= MOST_SLOPE and abs(self.offset) <= MOST_OFFSET):
            raise ValueError(
                f"calibration has slope {self.slope} and offset {self.offset}: slopes lie from "
                f"{LEAST_SLOPE} to {MOST_SLOPE}, offsets within {MOST_OFFSET}"
            )
        if self.method == ISOTONIC:
            _require_knots(np.array(self.x, np.float64), np.array(self.y, np.float64))

    def apply(self, p: npt.NDArray[Any]) -> Floats:
        """Probabilities of the same shape."""
        scores = np.asarray(p, np.float64)
        if self.method == NONE:
            return scores
        if self.method == ISOTONIC:
            return (1 - OWN_SHARE) * np.interp(scores, self.x, self.y) + OWN_SHARE * scores
        return np.asarray(expit(self.slope * logit(np.clip(scores, EDGE, 1 - EDGE)) + self.offset))

    def tree(self) -> dict[str, Any]:
        """As JSON values; nothing that its method hasn't."""
        if self.method == ISOTONIC:
            return {"method": self.method, "x": list(self.x), "y": list(self.y)}
        if self.method == NONE:
            return {"method": self.method}
        return {"method": self.method, "slope": self.slope, "offset": self.offset}


def _require_knots(x: Floats, y: Floats) -> None:
    """Raises ValueError for knots that no rising curve has."""
    fit = x.shape == y.shape and x.ndim == 1 and len(x) >= 2
    inside = fit and all(bool(((v >= 0) & (v <= 1)).all()) for v in (x, y))
    if not inside or (np.diff(x) <= 0).any() or (np.diff(y) < 0).any():
        raise ValueError("calibration's knots must lie from 0 to 1, x rising and y not falling")


AS_IT_IS = Curve(NONE, 1.0, 0.0, (), ())


@dataclass(frozen=True)
class Calibrator:
    """A curve for each class, in the order of the task."""

    curves: tuple[Curve, ...]

    def apply(self, probabilities: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """(n_records, n_classes) of the same."""
        columns = [curve.apply(probabilities[:, k]) for k, curve in enumerate(self.curves)]
        return np.asarray(np.stack(columns, axis=1), np.float32)

    def tree(self, classes: Sequence[str]) -> dict[str, Any]:
        """As JSON values, by class."""
        return {c: curve.tree() for c, curve in zip(classes, self.curves, strict=True)}


def read_calibrator(tree: Mapping[str, Any], classes: Sequence[str]) -> Calibrator:
    """The calibrator of `Calibrator.tree`.

    Raises:
        KeyError, TypeError, ValueError: other classes, or values that no calibrator has.
    """
    if set(tree) != set(classes):
        raise ValueError(f"calibration is of classes {sorted(tree)}, the task's are {classes}")
    return Calibrator(tuple(_curve(tree[name]) for name in classes))


def _curve(tree: Mapping[str, Any]) -> Curve:
    x, y = (tuple(map(float, tree.get(key, ()))) for key in ("x", "y"))
    slope, offset = float(tree.get("slope", 1.0)), float(tree.get("offset", 0.0))
    if not all(map(math.isfinite, (slope, offset, *x, *y))):
        raise ValueError("calibration's constants must be finite")
    return Curve(str(tree["method"]), slope, offset, x, y)
