"""When a model doesn't know: conformal sets of a class's two answers, present and absent.

Split-conformal and class-conditional: of the records that have a class, and of those that don't,
no more than the chosen share get a set without the truth. Where the set isn't exactly the label
that the threshold gives, the answer is uncertain.

Vovk, "Conditional validity of inductive conformal predictors", 2013. https://arxiv.org/abs/1209.2673
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from heart_reader.evaluation.checks import Bools, Floats, check_scores, known_labels


@dataclass(frozen=True)
class Limits:
    """Which answers are in a class's set.

    Attributes:
        error: the share of a class's records, and of the others, whose set may lack the truth.
        present: "present" is in it at this probability and above, (n_classes,).
        absent: "absent" is in it at this probability and below. NaN in both: too few records to
            say anything of the class.
    """

    error: float
    present: tuple[float, ...]
    absent: tuple[float, ...]

    def __post_init__(self) -> None:
        if not 0 < self.error < 1:
            raise ValueError(f"a conformal error lies between 0 and 1, but is {self.error}")
        for values in (self.present, self.absent):
            if not all(0 <= v <= 1 or v != v for v in values):
                raise ValueError(f"conformal limits lie from 0 to 1, but are {list(values)}")

    def uncertain(self, probabilities: npt.NDArray[Any], labels: npt.NDArray[np.bool_]) -> Bools:
        """Which answers aren't sure, of the same shape.

        Args:
            probabilities: (..., n_classes).
            labels: what the thresholds say of them.
        """
        has, lacks = self.sets(probabilities)
        sure = (has & ~lacks & labels) | (lacks & ~has & ~labels)
        return np.asarray(~sure & ~np.isnan(self.present))

    def sets(self, probabilities: npt.NDArray[Any]) -> tuple[Bools, Bools]:
        """Whether "present", and whether "absent", is in each set, of the same shape."""
        present, absent = np.array(self.present), np.array(self.absent)
        return np.asarray(probabilities >= present), np.asarray(probabilities <= absent)

    def tree(self, classes: Sequence[str]) -> dict[str, Any]:
        """As JSON values, which have no NaN."""
        ends = {"present": self.present, "absent": self.absent}
        named = {
            end: {c: None if v != v else v for c, v in zip(classes, values, strict=True)}
            for end, values in ends.items()
        }
        return {"error": self.error, **named}


def read_limits(tree: Mapping[str, Any], classes: Sequence[str]) -> Limits:
    """The limits of `Limits.tree`.

    Raises:
        KeyError, TypeError, ValueError: other classes, or values that no limits have.
    """
    ends = [
        tuple(float("nan") if tree[end][c] is None else float(tree[end][c]) for c in classes)
        for end in ("present", "absent")
    ]
    return Limits(float(tree["error"]), ends[0], ends[1])


def fit_limits(y_true: npt.ArrayLike, y_score: npt.ArrayLike, error: float) -> Limits:
    """The limits of each class; of one with too few records of either kind, none.

    Args:
        y_true: (n_records, n_classes).
        y_score: of the same shape, said by a model that hasn't learned from these records.
        error: as of `Limits`.

    Raises:
        DataError: bad input.
    """
    labels, scores = check_scores(y_true, y_score)
    known = known_labels(y_true)
    present, absent = [], []
    for k in range(labels.shape[1]):
        low = _limit(np.sort(scores[labels[:, k], k]), error)
        high = _limit(np.sort(-scores[known[:, k] & ~labels[:, k], k]), error)
        both = low == low and high == high
        present.append(low if both else np.nan)
        absent.append(-high if both else np.nan)
    return Limits(error, tuple(map(float, present)), tuple(map(float, absent)))


def _limit(rising: Floats, error: float) -> float:
    """The lowest score of a kind whose p-value, (n at or below it + 1) / (n + 1), is above error;
    NaN where no score can be too low."""
    n_below = int(np.floor(error * (len(rising) + 1) + 1e-9))
    return float(rising[n_below - 1]) if n_below else np.nan
