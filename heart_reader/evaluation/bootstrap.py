"""Bootstrap intervals, and the paired comparison of two models on the same resamples.

A resample is kept as how often it holds each record. Everything is sorted once, and these counts
serve as weights, so no resample is ever sorted again.
"""

import warnings
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from heart_reader.errors import DataError
from heart_reader.evaluation.checks import (
    Floats,
    check_labels,
    check_predictions,
    check_scores,
    judged,
    known_labels,
    require_labelled,
)
from heart_reader.evaluation.metrics import (
    challenge_counts,
    defined_auc,
    f_and_g,
    f_max_steps,
    labelled,
    mean_defined,
)

MAX_REDRAWS = 1000
LEAST_CHANCE = 0.01  # of a resample to hold all that it must; the rarest of many need not be


@dataclass(frozen=True)
class Resamples:
    """Resamples with replacement, shared between models.

    ``indices`` is (n_resamples, n), int32.
    """

    indices: npt.NDArray[np.int32]

    @cached_property
    def counts(self) -> npt.NDArray[np.int32]:
        """How often each resample holds each record, (n_resamples, n)."""
        return _count(self.indices)


def _count(indices: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    n_resamples, n_records = indices.shape
    shifted = indices + n_records * np.arange(n_resamples)[:, None]
    counts = np.bincount(shifted.ravel(), minlength=indices.size)
    return counts.reshape(n_resamples, n_records).astype(np.int32)


def draw(
    y_true: npt.ArrayLike,
    n_resamples: int,
    generator: np.random.Generator,
) -> Resamples:
    """Draw resamples, each again until every class has a positive and a negative in it.

    That is what the benchmark does. Classes that can't be judged on these records aren't asked
    for, nor are the rarest of many, where a resample would hold all of them less than once in a
    hundred draws: where one is missing, its AUC in that resample isn't defined.

    Raises:
        DataError: bad input, ``n_resamples`` under 1, no class that can be judged, or classes that
            stay out of resamples drawn ``MAX_REDRAWS`` times.
    """
    check_labels(y_true)
    labels = np.asarray(y_true)
    labels = labels[:, asked_for(labels)]
    positive, negative = ((labels == value).astype(np.float64) for value in (1, 0))
    if n_resamples < 1:
        raise DataError(f"n_resamples must be at least 1, but is {n_resamples}")
    n_records = len(labels)
    indices = np.empty((n_resamples, n_records), dtype=np.int32)
    missing = np.arange(n_resamples)
    for _ in range(MAX_REDRAWS):
        indices[missing] = generator.integers(0, n_records, (missing.size, n_records), np.int32)
        counts = _count(indices[missing])
        missing = missing[((counts @ positive == 0) | (counts @ negative == 0)).any(axis=1)]
        if missing.size == 0:
            return Resamples(indices)
    raise DataError(
        f"{missing.size} of {n_resamples} resamples of {n_records} records still lack a positive"
        f" or a negative of some class after {MAX_REDRAWS} draws"
    )


def asked_for(y_true: npt.ArrayLike) -> npt.NDArray[np.intp]:
    """Columns of the classes that every resample must hold.

    The most frequent first, as many as leave a resample `LEAST_CHANCE` to hold them all, if they
    came about independently.

    Raises:
        DataError: no class has both a positive and a negative.
    """
    labels = np.asarray(y_true)
    columns = np.flatnonzero(judged(labels))
    if columns.size == 0:
        raise DataError(f"no class has both a positive and a negative among {len(labels)} records")
    n_positive, n_negative = ((labels[:, columns] == value).sum(axis=0) for value in (1, 0))
    rarer = np.minimum(n_positive, n_negative)
    columns = columns[np.argsort(-rarer, kind="stable")]
    absent = (1 - np.sort(rarer)[::-1] / len(labels)) ** len(labels)
    possible = np.cumprod(1 - absent) >= LEAST_CHANCE
    possible[0] = True
    return np.asarray(np.sort(columns[possible]))


def auc_bootstrap(y_true: npt.ArrayLike, y_score: npt.ArrayLike, resamples: Resamples) -> Floats:
    """AUC of each class on each resample, ``(n_resamples, n_classes)``; ties count one half.

    NaN where a resample lacks a positive or a negative of the class.

    Raises:
        DataError: bad input, or resamples drawn from another number of records.
    """
    _, scores = check_scores(y_true, y_score)
    labels = np.asarray(y_true)
    counts = np.ascontiguousarray(_counts_for(resamples, len(labels)).T)  # (n, n_resamples)
    aucs = [_auc_one(labels[:, c], scores[:, c], counts) for c in range(labels.shape[1])]
    return np.stack(aucs, axis=1)  # (n_resamples, n_classes)


def _auc_one(
    labels: npt.NDArray[np.generic], scores: Floats, counts: npt.NDArray[np.int32]
) -> Floats:
    positive, negative = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    negative = negative[np.argsort(scores[negative])]
    below = np.zeros((negative.size + 1, counts.shape[1]), dtype=np.int32)
    np.cumsum(counts[negative], axis=0, out=below[1:])  # negatives up to each rank
    low = np.searchsorted(scores[negative], scores[positive], side="left")
    high = np.searchsorted(scores[negative], scores[positive], side="right")
    weight = counts[positive]
    # negatives below count whole, tied ones half: the mean of both bounds
    ordered = _pairs(weight, below[low])
    tied = low != high
    if tied.any():
        ordered = ordered + _pairs(weight[tied], below[high[tied]] - below[low[tied]]) / 2
    n_pairs = weight.sum(axis=0, dtype=np.float64) * below[-1]
    with np.errstate(invalid="ignore"):
        auc: Floats = ordered / n_pairs
    return auc


def _pairs(weight: npt.NDArray[np.int32], n_below: npt.NDArray[np.int32]) -> Floats:
    pairs: Floats = np.einsum("ij,ij->j", weight, n_below, dtype=np.float64)
    return pairs


def f_max_bootstrap(y_true: npt.ArrayLike, y_score: npt.ArrayLike, resamples: Resamples) -> Floats:
    """F_max on each resample, ``(n_resamples,)``, each over all its own thresholds.

    Records without a label don't count, as in `metrics.summary`.

    Raises:
        DataError: bad input, no record with a label, or resamples of other records.
    """
    labels, scores = check_scores(y_true, y_score)
    counts, rows = _counts_for(resamples, len(labels)), labelled(labels)
    steps = f_max_steps(labels[rows], scores[rows], known_labels(y_true)[rows])
    counts = counts[:, rows]
    n_labelled = np.maximum(counts.sum(axis=1), 1).tolist()
    return np.array(
        [steps.curve(w, n).max() for w, n in zip(counts, n_labelled, strict=True)], np.float64
    )


def challenge_bootstrap(
    y_true: npt.ArrayLike, y_pred: npt.ArrayLike, resamples: Resamples, beta: float = 2
) -> tuple[Floats, Floats]:
    """F_beta and G_beta on each resample, both ``(n_resamples,)``, by one matrix product.

    Raises:
        DataError: bad input, a record without a label, or resamples of other records.
    """
    labels, predictions = check_predictions(y_true, y_pred)
    require_labelled(labels)
    counts = _counts_for(resamples, len(labels)).astype(np.float64)
    by_record = challenge_counts(labels, predictions, known_labels(y_true))
    tp, fp, fn = counts @ by_record  # each (n_resamples, n_classes)
    return f_and_g(tp, fp, fn, beta)


def _counts_for(resamples: Resamples, n_records: int) -> npt.NDArray[np.int32]:
    if resamples.indices.shape[1] != n_records:
        raise DataError(
            f"resamples of {resamples.indices.shape[1]} records, but y_true has {n_records}"
        )
    return resamples.counts


def interval(values: Floats, level: float) -> Floats:
    """Central interval of bootstrapped values: ``(2, ...)`` from ``(n_resamples, ...)``.

    ``level`` 0.90 gives the 5% and 95% quantiles, 0.95 the 2.5% and 97.5% ones; of the resamples
    where a value is defined.

    Raises:
        DataError: a level that is not inside (0, 1).
    """
    if not 0 < level < 1:
        raise DataError(f"level must lie in (0, 1), but is {level}")
    at = [(1 - level) / 2, (1 + level) / 2]
    if not np.isnan(values).any():
        return np.asarray(np.quantile(values, at, axis=0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a class that no resample defines
        return np.asarray(np.nanquantile(values, at, axis=0))


def bracket(value: npt.ArrayLike, values: Floats) -> Floats:
    """The benchmark's uncertainty: the larger distance from a value to its 5% and 95% quantiles.

    ``value`` (...) was measured on all records, ``values`` (n_resamples, ...) on the resamples.
    """
    distance: Floats = np.abs(interval(values, 0.90) - np.asarray(value)).max(axis=0)
    return distance


@dataclass(frozen=True)
class Difference:
    """A minus B: on all records, with intervals, and the share of resamples where A > B."""

    value: float
    interval_90: tuple[float, float]
    interval_95: tuple[float, float]
    share_a_better: float


@dataclass(frozen=True)
class PairedComparison:
    """How two models differ in AUC on the same resamples: the mean, and one a class.

    A class that can't be judged on the records is NaN, and isn't in the mean.
    """

    macro: Difference
    classes: tuple[Difference, ...]


def compare(
    y_true: npt.ArrayLike, score_a: npt.ArrayLike, score_b: npt.ArrayLike, resamples: Resamples
) -> PairedComparison:
    """Compare two models' AUC, resample by resample.

    Raises:
        DataError: bad input, or resamples of other records.
    """
    value = defined_auc(y_true, score_a) - defined_auc(y_true, score_b)
    values = auc_bootstrap(y_true, score_a, resamples) - auc_bootstrap(y_true, score_b, resamples)
    return PairedComparison(
        macro=_difference(float(mean_defined(value)), mean_defined(values)),
        classes=tuple(_difference(value[c], values[:, c]) for c in range(value.size)),
    )


def _difference(value: float, values: Floats) -> Difference:
    low_90, high_90 = interval(values, 0.90).tolist()
    low_95, high_95 = interval(values, 0.95).tolist()
    return Difference(
        value=float(value),
        interval_90=(low_90, high_90),
        interval_95=(low_95, high_95),
        share_a_better=float(mean_defined(np.where(np.isnan(values), np.nan, values > 0))),
    )
