"""Metrics of multi-label classification, by the definitions of the PTB-XL benchmark.

Notation: ``y_true`` is (n, n_classes) of 0, 1 and `UNKNOWN`, ``y_score`` the same shape in [0, 1],
``y_pred`` the same shape of booleans. What is unknown counts nowhere.

Strodthoff et al., "Deep Learning for ECG Analysis: Benchmarks and Insights from PTB-XL", 2021.
https://doi.org/10.1109/JBHI.2020.3022989
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from heart_reader.errors import DataError
from heart_reader.evaluation.checks import (
    Bools,
    Floats,
    check_predictions,
    check_scores,
    judged,
    known_labels,
    require_both,
    require_positives,
)

Labels = npt.NDArray[np.generic]


@dataclass(frozen=True)
class FMax:
    """The best record-centric F1 and the threshold (score >= threshold) that reaches it."""

    value: float
    threshold: float


@dataclass(frozen=True)
class ChallengeMetrics:
    """F_beta and G_beta of the PhysioNet/CinC Challenge 2020, means over the classes."""

    f_beta: float
    g_beta: float


def class_auc(
    y_true: npt.ArrayLike, y_score: npt.ArrayLike, class_names: Sequence[str] = ()
) -> Floats:
    """Area under the ROC curve of each class, ``(n_classes,)``; a tie counts one half.

    By the Mann-Whitney statistic: the share of (positive, negative) pairs in the right order.

    Raises:
        DataError: bad input, or a class without a positive or without a negative.
    """
    labels, scores = check_scores(y_true, y_score)
    require_both(y_true, class_names)
    known = known_labels(y_true)
    ranks = rankdata(np.where(known, scores, np.inf), axis=0)  # what is unknown comes last
    n_positive = labels.sum(axis=0)
    n_negative = known.sum(axis=0) - n_positive
    rank_sum = np.where(labels, ranks, 0.0).sum(axis=0)
    auc: Floats = (rank_sum - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative)
    return auc


def defined_auc(y_true: npt.ArrayLike, y_score: npt.ArrayLike) -> Floats:
    """As `class_auc`, but NaN for a class without a positive or without a negative.

    Raises:
        DataError: bad input, or no class that can be judged.
    """
    return per_defined(class_auc, y_true, y_score)


def macro_auc(y_true: npt.ArrayLike, y_score: npt.ArrayLike) -> float:
    """Plain mean of the AUCs of the classes that can be judged (`checks.judged`).

    Raises:
        DataError: bad input, or no class that can be judged.
    """
    return float(mean_defined(defined_auc(y_true, y_score)))


def mean_defined(values: Floats, axis: int = -1) -> Floats:
    """The mean over what isn't NaN; with no NaN, to the bit the plain one."""
    missing = np.isnan(values)
    if not missing.any():
        return np.asarray(values.mean(axis=axis))
    total = np.where(missing, 0.0, values).sum(axis=axis)
    with np.errstate(invalid="ignore"):  # NaN where nothing is defined
        return np.asarray(total / (~missing).sum(axis=axis))


def per_defined(
    measure: Callable[[Labels, Floats], Floats], y_true: npt.ArrayLike, y_score: npt.ArrayLike
) -> Floats:
    """A measure of each class that can be judged, NaN for the others, ``(n_classes,)``."""
    _, scores = check_scores(y_true, y_score)
    labels, columns = np.asarray(y_true), judged(y_true)
    if not columns.any():
        raise DataError(f"no class has both a positive and a negative among {len(labels)} records")
    values = np.full(labels.shape[1], np.nan)
    values[columns] = measure(labels[:, columns], scores[:, columns])
    return values


def average_precision(
    y_true: npt.ArrayLike, y_score: npt.ArrayLike, class_names: Sequence[str] = ()
) -> Floats:
    """Area under the precision-recall curve of each class as a step function, ``(n_classes,)``.

    Raises:
        DataError: bad input, or a class without a positive.
    """
    labels, scores = check_scores(y_true, y_score)
    require_positives(labels, class_names)
    scores = np.where(known_labels(y_true), scores, -1)  # last: no hit, and nothing behind
    order = np.argsort(-scores, axis=0, kind="stable")
    scores = np.take_along_axis(scores, order, axis=0)
    hits = np.cumsum(np.take_along_axis(labels, order, axis=0), axis=0, dtype=np.int64)
    return np.array([_step_area(hits[:, c], scores[:, c]) for c in range(labels.shape[1])])


def _step_area(hits: npt.NDArray[np.int64], scores: Floats) -> float:
    ends = last_of_ties(scores)
    precision = hits[ends] / (ends + 1)
    gained = np.diff(hits[ends], prepend=0) / hits[-1]
    return float(gained @ precision)


def last_of_ties(sorted_scores: Floats) -> npt.NDArray[np.intp]:
    """Positions where a threshold can lie: the last of each group of equal scores."""
    return np.append(np.flatnonzero(np.diff(sorted_scores)), sorted_scores.size - 1)


@dataclass(frozen=True)
class FMaxSteps:
    """What each single prediction adds to the sums behind F, from the highest score down.

    All arrays are (n * n_classes,): ``record`` is the row that the prediction belongs to,
    ``precision`` and ``recall`` what it adds to that record's own, ``first`` whether it is that
    record's first; ``ends`` are the positions where a threshold can lie.
    """

    scores: Floats
    record: npt.NDArray[np.intp]
    precision: Floats
    recall: Floats
    first: Floats
    ends: npt.NDArray[np.intp]

    def curve(self, weights: npt.NDArray[np.integer] | None, n_records: int) -> Floats:
        """F at each of ``ends``; ``weights`` (n,) says how often each record counts."""
        steps = np.stack([self.precision, self.recall, self.first])  # (3, n * n_classes)
        if weights is not None:
            steps *= weights[self.record]
        precision, recall, n_predicted = np.cumsum(steps, axis=1)[:, self.ends]
        # before the first record of a resample nothing is predicted: F is 0, not 0/0
        precision = precision / np.maximum(n_predicted, 1)
        recall = recall / n_records
        total = precision + recall
        f: Floats = 2 * precision * recall / np.where(total > 0, total, 1)
        return f


def f_max_steps(labels: Bools, scores: Floats, known: Bools) -> FMaxSteps:
    """Sort every score once, and find what each adds to the precision and recall of its record."""
    n_classes = labels.shape[1]
    scores = np.where(known, scores, -1)  # last in the record, where it adds nothing
    order = np.argsort(-scores, axis=1)
    scores = np.take_along_axis(scores, order, axis=1)
    hits = np.take_along_axis(labels, order, axis=1).astype(np.float64)
    own_precision = np.cumsum(hits, axis=1) / np.arange(1, n_classes + 1)
    precision = np.where(scores < 0, 0, np.diff(own_precision, axis=1, prepend=0))
    recall = hits / labels.sum(axis=1, keepdims=True)
    first = np.zeros_like(scores)
    first[:, 0] = 1
    descending = np.argsort(-scores, axis=None)  # (n * n_classes,)
    flat = scores.ravel()[descending]
    return FMaxSteps(
        scores=flat,
        record=descending // n_classes,
        precision=precision.ravel()[descending],
        recall=recall.ravel()[descending],
        first=first.ravel()[descending],
        ends=last_of_ties(flat),
    )


def f_max(y_true: npt.ArrayLike, y_score: npt.ArrayLike) -> FMax:
    """The highest record-centric F1 over all thresholds, exactly.

    At a threshold, precision is the mean over records with at least one prediction, recall the
    mean over all records. Between two neighbouring scores nothing changes, so the scores
    themselves are all the thresholds there are; one cumulative sum visits them. Of equal
    values the highest threshold is taken. Records without a label don't count: nobody's recall.

    Raises:
        DataError: bad input, or no record with a label.
    """
    labels, scores = check_scores(y_true, y_score)
    rows = labelled(labels)
    steps = f_max_steps(labels[rows], scores[rows], known_labels(y_true)[rows])
    curve = steps.curve(None, int(rows.sum()))
    best = int(curve.argmax())
    return FMax(value=float(curve[best]), threshold=float(steps.scores[steps.ends[best]]))


def challenge_counts(labels: Bools, predictions: Bools, known: Bools) -> Floats:
    """Each record's weighted true positive, false positive, false negative: (3, n, n_classes).

    A record weighs 1 / (number of its true labels).
    """
    weight = 1 / labels.sum(axis=1, keepdims=True)
    outcomes = np.stack(
        [labels & predictions, ~labels & known & predictions, labels & ~predictions]
    )  # (3, n, n_classes)
    weighted: Floats = outcomes * weight
    return weighted


def f_and_g(
    tp: Floats, fp: Floats, fn: Floats, beta: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """F_beta and G_beta, means over the last axis (the classes).

    F = (1 + b^2) TP / ((1 + b^2) TP + FP + b^2 FN) and G = TP / (TP + FP + b FN).
    """
    share = (1 + beta**2) * tp
    f = share / (share + fp + beta**2 * fn)
    g = tp / (tp + fp + beta * fn)
    return f.mean(axis=-1), g.mean(axis=-1)


def challenge_metrics(
    y_true: npt.ArrayLike, y_pred: npt.ArrayLike, beta: float = 2
) -> ChallengeMetrics:
    """F_beta and G_beta with the benchmark's record weights.

    They are over the records that have a label, since a record weighs by its labels, and over the
    classes that one of them has.

    Raises:
        DataError: bad input, or no record with a label.
    """
    labels, predictions = check_predictions(y_true, y_pred)
    rows, known = labelled(labels), known_labels(y_true)
    counts = challenge_counts(labels[rows], predictions[rows], known[rows]).sum(axis=1)
    tp, fp, fn = counts[:, labels.any(axis=0)]
    f, g = f_and_g(tp, fp, fn, beta)
    return ChallengeMetrics(f_beta=float(f), g_beta=float(g))


def labelled(labels: Bools) -> Bools:
    """The records that have a label, (n,): record-centric metrics are over them.

    Raises:
        DataError: none has.
    """
    rows = labels.any(axis=1)
    if not rows.any():
        raise DataError(f"none of {len(labels)} records has a label")
    return np.asarray(rows)


def brier_score(y_true: npt.ArrayLike, y_score: npt.ArrayLike) -> Floats:
    """Mean squared difference between probability and label of each class, ``(n_classes,)``.

    Raises:
        DataError: bad input.
    """
    labels, scores = check_scores(y_true, y_score)
    known = known_labels(y_true)
    squares = np.where(known, np.square(scores - labels), 0)
    with np.errstate(invalid="ignore"):  # a class of which nothing is known
        return np.asarray(squares.sum(axis=0) / known.sum(axis=0))


def expected_calibration_error(
    y_true: npt.ArrayLike, y_score: npt.ArrayLike, n_bins: int
) -> Floats:
    """Mean gap between predicted probability and observed rate of each class, ``(n_classes,)``.

    Bins have equal width and hold their upper edge, (a, b]; each weighs by its records.
    Guo et al., "On Calibration of Modern Neural Networks", 2017, eq. 3, for one class against
    the rest. https://arxiv.org/abs/1706.04599

    Raises:
        DataError: bad input, or fewer than one bin.
    """
    labels, scores = check_scores(y_true, y_score)
    if n_bins < 1:
        raise DataError(f"n_bins must be at least 1, but is {n_bins}")
    bins = np.searchsorted(np.linspace(0, 1, n_bins + 1)[1:-1], scores)
    known = known_labels(y_true)
    gap = np.where(known, scores - labels, 0)
    gaps = [np.bincount(b, g, n_bins) for b, g in zip(bins.T, gap.T, strict=True)]
    with np.errstate(invalid="ignore"):
        return np.asarray(np.abs(gaps).sum(axis=1) / known.sum(axis=0))
