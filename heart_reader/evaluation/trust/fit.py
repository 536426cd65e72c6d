"""A calibrator fitted on fold 9, each class by the method that keeps its word best to others.

Cross-fitting over patients: each group is scored by curves that the other groups made. The method
with the least loss there (negative log-likelihood) is taken, and fitted once more on all.
scikit-learn fits; it is imported when it does, since a bundle predicts without it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import logit

from heart_reader.errors import DataError
from heart_reader.evaluation.checks import check_scores, known_labels
from heart_reader.evaluation.mixing import patient_groups
from heart_reader.evaluation.trust.calibrator import (
    AS_IT_IS,
    EDGE,
    ISOTONIC,
    LEAST_SLOPE,
    METHODS,
    MOST_OFFSET,
    MOST_SLOPE,
    NONE,
    PLATT,
    TEMPERATURE,
    Calibrator,
    Curve,
    Floats,
)

AUTO = "auto"
CHOICES = (AUTO, *METHODS)
N_GROUPS, SEED = 5, 0  # of patients
# Positives and negatives, each, from which on a method is tried.
LEAST: Mapping[str, int] = {NONE: 0, TEMPERATURE: 10, PLATT: 20, ISOTONIC: 200}
TINY = 1e-12  # below any probability here; a loss stays finite


@dataclass(frozen=True)
class Calibrated:
    """A calibrator, and what it does to patients who didn't make it.

    Attributes:
        calibrator: of all records.
        y_score: cross-fitted probabilities, (n_records, n_classes).
        loss: cross-fitted, by method, (n_classes,); NaN where it wasn't tried.
        groups: of the patients, (n_records,).
    """

    calibrator: Calibrator
    y_score: npt.NDArray[np.float32]
    loss: Mapping[str, Floats]
    groups: npt.NDArray[np.int64]


def fit_calibrator(
    method: str,
    y_true: npt.NDArray[np.uint8],
    y_score: npt.NDArray[np.float32],
    patients: npt.NDArray[np.generic],
) -> Calibrated:
    """A curve a class.

    Args:
        method: of ``CHOICES``; "auto" takes the one of the least cross-fitted loss. Where there
            are too few positives or negatives for it, the class stays as it is.
        y_true: (n_records, n_classes); what is unknown isn't learned from.
        y_score: of the same shape.
        patients: (n_records,); a patient is on one side alone.

    Raises:
        DataError: bad input, an unknown method, or one patient alone.
    """
    check_scores(y_true, y_score)
    if method not in CHOICES:
        raise DataError(f"calibration must be {', '.join(CHOICES)}, but is {method!r}")
    groups = groups_of(patients)
    known = known_labels(y_true)
    columns = [
        _class(method, y_true[:, k] == 1, y_score[:, k], known[:, k], groups)
        for k in range(y_true.shape[1])
    ]
    return Calibrated(
        Calibrator(tuple(curve for curve, _, _ in columns)),
        np.asarray(np.stack([held for _, held, _ in columns], axis=1), np.float32),
        {m: np.array([loss.get(m, np.nan) for *_, loss in columns]) for m in METHODS},
        groups,
    )


def groups_of(patients: npt.NDArray[np.generic]) -> npt.NDArray[np.int64]:
    """The group of each record; fewer of them where there are few patients.

    Raises:
        DataError: one patient alone.
    """
    n_groups = min(N_GROUPS, len(np.unique(patients)))
    return patient_groups(patients, n_groups, np.random.default_rng(SEED))


def fit_curve(method: str, truth: npt.NDArray[np.bool_], scores: npt.NDArray[Any]) -> Curve:
    """One class by one method; as it is where the method finds no rising curve.

    Args:
        method: of ``METHODS``.
        truth: (n,), with both in it unless the method is "none".
        scores: (n,), 0 to 1.
    """
    from sklearn.isotonic import IsotonicRegression
    from sklearn.linear_model import LogisticRegression

    p = np.asarray(scores, np.float64)
    if method == NONE:
        return AS_IT_IS
    if method == ISOTONIC:
        model = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(p, truth)
        x, y = model.X_thresholds_, model.y_thresholds_
        if len(x) < 2:
            return AS_IT_IS
        return Curve(ISOTONIC, 1.0, 0.0, tuple(x.tolist()), tuple(y.tolist()))
    odds = logit(np.clip(p, EDGE, 1 - EDGE))[:, None]
    model = LogisticRegression(C=np.inf, fit_intercept=method == PLATT, tol=1e-8, max_iter=1000)
    model.fit(odds, truth)
    slope, offset = float(model.coef_[0, 0]), float(np.ravel(model.intercept_)[0])
    # A slope below 0 would turn the order round; one without end means that a few records are
    # told apart by nothing else.
    if not (LEAST_SLOPE <= slope <= MOST_SLOPE and abs(offset) <= MOST_OFFSET):
        return AS_IT_IS
    return Curve(method, slope, offset if method == PLATT else 0.0, (), ())


def _class(
    method: str,
    truth: npt.NDArray[np.bool_],
    scores: npt.NDArray[np.float32],
    known: npt.NDArray[np.bool_],
    groups: npt.NDArray[np.int64],
) -> tuple[Curve, Floats, dict[str, float]]:
    """The curve, cross-fitted scores of all records, and the loss of each method."""
    fewest = min((truth & known).sum(), (~truth & known).sum())
    wanted = METHODS if method == AUTO else (NONE, method)
    tried = [each for each in METHODS if each in wanted and fewest >= LEAST[each]]
    held = {each: _held_out(each, truth, scores, known, groups) for each in tried}
    loss = {each: _loss(truth[known], values[known]) for each, values in held.items()}
    best = min(tried, key=lambda each: loss[each]) if method == AUTO else tried[-1]
    return fit_curve(best, truth[known], scores[known]), held[best], loss


def _held_out(
    method: str,
    truth: npt.NDArray[np.bool_],
    scores: npt.NDArray[np.float32],
    known: npt.NDArray[np.bool_],
    groups: npt.NDArray[np.int64],
) -> Floats:
    found = np.empty(len(scores))
    for group in np.unique(groups):
        held = groups == group
        others = known & ~held
        both = truth[others].any() and not truth[others].all()
        curve = fit_curve(method if both else NONE, truth[others], scores[others])
        found[held] = curve.apply(scores[held])
    return found


def _loss(truth: npt.NDArray[np.bool_], p: Floats) -> float:
    """Mean negative log-likelihood, infinite of no record."""
    if not len(p):
        return float("inf")
    said = np.clip(np.where(truth, p, 1 - p), TINY, 1)
    return float(-np.log(said).mean())
