"""One decision threshold a class, chosen by Youden's J on the validation fold.

Youden, "Index for rating diagnostic tests", Cancer 1950.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from heart_reader.evaluation.checks import (
    Bools,
    Floats,
    check_per_class,
    check_scores,
    require_both,
)
from heart_reader.evaluation.metrics import last_of_ties


def youden(
    y_true: npt.ArrayLike, y_score: npt.ArrayLike, class_names: Sequence[str] = ()
) -> Floats:
    """The score of each class that maximises sensitivity + specificity - 1, ``(n_classes,)``.

    The prediction is ``score >= threshold``. A threshold is always a score that occurs; of equal
    J the highest is taken, which predicts the fewest positives.

    Raises:
        DataError: bad input, or a class without a positive or without a negative.
    """
    labels, scores = check_scores(y_true, y_score)
    require_both(labels, class_names)
    return np.array([_youden_one(labels[:, c], scores[:, c]) for c in range(labels.shape[1])])


def _youden_one(labels: Bools, scores: Floats) -> float:
    order = np.argsort(-scores, kind="stable")
    scores = scores[order]
    ends = last_of_ties(scores)
    true_positives = np.cumsum(labels[order])[ends]
    false_positives = ends + 1 - true_positives
    n_positive = true_positives[-1]
    # J times both counts is a whole number: equal J compare equal, whatever the rounding
    j = true_positives * (len(labels) - n_positive) - false_positives * n_positive
    return float(scores[ends[j.argmax()]])


def apply_thresholds(y_score: npt.ArrayLike, thresholds: npt.ArrayLike) -> Bools:
    """``score >= threshold`` for each class, ``(n, n_classes)``.

    Raises:
        DataError: another number of thresholds than there are classes.
    """
    scores = np.asarray(y_score)
    predictions: Bools = scores >= check_per_class("thresholds", thresholds, scores.shape[-1])
    return predictions
