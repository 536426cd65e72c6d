"""Weights for the members of an ensemble, and how good they are on patients they never saw."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from heart_reader.errors import DataError
from heart_reader.evaluation.checks import Floats
from heart_reader.evaluation.fast_auc import MixtureAuc, mixture_auc
from heart_reader.evaluation.thresholds import Rule, choose_reachable

METHODS = ("weighted", "mean", "per_class", "greedy")
BEST = "best"  # of METHODS, whichever does best on patients it never saw
LARGEST = 40  # members that `select` draws, those drawn again included
PATIENCE = 8  # draws without a better value before it ends
# An AUC is a staircase: the simplex starts wide enough to see over a step, and stops at weights
# that are known to the third digit.
FIRST_STEP, WEIGHT_TOLERANCE, AUC_TOLERANCE = 0.3, 1e-3, 1e-6


@dataclass(frozen=True)
class CrossFitted:
    """What mixtures say whose weights and thresholds come from other patients.

    Attributes:
        y_score: (n_records, n_classes).
        y_pred: (n_records, n_classes), each with its group's thresholds.
        weights: (n_groups, n_members, n_classes).
    """

    y_score: npt.NDArray[np.float32]
    y_pred: npt.NDArray[np.bool_]
    weights: Floats


def fit_weights(method: str, y_true: npt.ArrayLike, y_scores: npt.ArrayLike) -> Floats:
    """Weights (n_members, n_classes), not negative, adding up to 1 in each class.

    Args:
        method: "weighted" (one weight a member, by macro AUC), "per_class" (by each class's own
            AUC), "greedy" (members drawn one by one, by macro AUC), or "mean".
        y_true: (n_records, n_classes); a class that can't be judged on them has no say, and by
            "per_class" gets the mean.
        y_scores: (n_members, n_records, n_classes).

    Raises:
        DataError: another method, or bad input.
    """
    if method not in METHODS:
        raise DataError(f"method must be one of {', '.join(METHODS)}, but is {method!r}")
    mixture = mixture_auc(y_true, y_scores)
    n_members, n_classes = mixture.n_members, np.shape(y_true)[1]
    weights = np.full((n_members, n_classes), 1 / n_members)
    if method == "weighted":
        weights[:] = maximise(mixture.macro, n_members)[:, None]
    elif method == "greedy":
        weights[:] = select(mixture.macro, n_members)[:, None]
    elif method == "per_class":
        for k, column in enumerate(mixture.columns):
            weights[:, column] = maximise(mixture.one_class(k).macro, n_members)
    return weights


def maximise(objective: Callable[[Floats], float], n_members: int) -> Floats:
    """The weights (n_members,) that Nelder-Mead finds best from several starts.

    The starts are the plain mean and, for each member, a mixture that leans on it. Weights are
    kept on the simplex by taking absolute values and dividing by their sum, so that a weight can
    be exactly or nearly 0, which a softmax can't. Of equal values the first start wins: the mean.

    Nelder and Mead, "A simplex method for function minimization", Computer Journal 1965.
    """
    if n_members == 1:
        return np.ones(1)
    best, best_value = np.full(n_members, 1 / n_members), -np.inf
    for start in _starts(n_members):
        found = minimize(
            lambda x: -objective(to_simplex(x)),
            start,
            method="Nelder-Mead",
            options={
                "initial_simplex": _first_simplex(start),
                "xatol": WEIGHT_TOLERANCE,
                "fatol": AUC_TOLERANCE,
            },
        )
        if -found.fun > best_value:
            best, best_value = to_simplex(found.x), -found.fun
    return best


def select(objective: Callable[[Floats], float], n_members: int) -> Floats:
    """The weights (n_members,) of members drawn one by one, each as often as it helps.

    Forward selection with replacement; the best mean on the way counts. Weights are whole shares,
    a member that brings nothing has none, and many unlike members cost it little, where a simplex
    of as many dimensions gets lost.

    Caruana et al., "Ensemble Selection from Libraries of Models", ICML 2004.
    https://doi.org/10.1145/1015330.1015432

    Args:
        objective: of weights (n_members,); larger is better.
        n_members: at least 1.
    """
    counts, best, best_value, since = np.zeros(n_members), np.zeros(n_members), -np.inf, 0
    for n_drawn in range(1, LARGEST + 1):
        tried = [objective((counts + one) / n_drawn) for one in np.eye(n_members)]
        chosen = int(np.argmax(tried))  # the first of equal ones
        counts[chosen] += 1
        since += 1
        if tried[chosen] > best_value:
            best, best_value, since = counts / n_drawn, tried[chosen], 0
        if since >= PATIENCE:
            break
    return best


def to_simplex(x: Floats) -> Floats:
    """Any numbers as weights: not negative, adding up to 1."""
    size = np.abs(x)
    total = size.sum()
    return size / total if total > 0 else np.full(x.shape, 1 / x.size)


def _starts(n_members: int) -> Iterator[Floats]:
    mean = np.full(n_members, 1 / n_members)
    yield mean
    for corner in np.eye(n_members):
        yield 0.25 * mean + 0.75 * corner


def _first_simplex(start: Floats) -> Floats:
    steps = np.vstack([np.zeros(start.size), FIRST_STEP * np.eye(start.size)])
    simplex: Floats = start + steps  # (n_members + 1, n_members)
    return simplex


# ---------------------------------------------------------------- on patients never seen


def cross_fit(
    method: str,
    y_true: npt.NDArray[np.uint8],
    y_scores: npt.NDArray[np.float32],
    patients: npt.ArrayLike,
    n_groups: int,
    generator: np.random.Generator,
    rule: Rule,
) -> CrossFitted:
    """Fits weights and thresholds on all groups of patients but one, and scores that one.

    Args:
        method: as in `fit_weights`.
        y_true: (n_records, n_classes).
        y_scores: (n_members, n_records, n_classes).
        patients: (n_records,); a patient is in one group only.
        n_groups: at least 2.
        generator: deals the patients out.
        rule: of the thresholds; where others don't reach a precision, nobody is positive.

    Raises:
        DataError: too few patients, or no class that can be judged outside of a group.
    """
    groups = patient_groups(np.asarray(patients), n_groups, generator)
    y_score = np.empty(y_true.shape, np.float32)
    y_pred = np.empty(y_true.shape, np.bool_)
    weights = []
    for group in range(n_groups):
        held = groups == group
        fitted = fit_weights(method, y_true[~held], y_scores[:, ~held])
        mixed = mix_scores(y_scores[:, ~held], fitted)
        thresholds = choose_reachable(rule, y_true[~held], mixed)
        y_score[held] = mix_scores(y_scores[:, held], fitted)
        y_pred[held] = y_score[held] >= thresholds
        weights.append(fitted)
    return CrossFitted(y_score, y_pred, np.stack(weights))


def patient_groups(
    patients: npt.NDArray[np.generic], n_groups: int, generator: np.random.Generator
) -> npt.NDArray[np.int64]:
    """The group of each record, (n_records,); groups differ by one patient at most."""
    unique, which = np.unique(patients, return_inverse=True)
    if not 2 <= n_groups <= len(unique):
        raise DataError(
            f"n_groups must lie from 2 to {len(unique)} (the patients), but is {n_groups}"
        )
    dealt = generator.permutation(np.arange(len(unique)) % n_groups)
    return np.asarray(dealt[which], np.int64)


def mix_scores(y_scores: npt.NDArray[np.floating], weights: Floats) -> npt.NDArray[np.float32]:
    """Weighted probabilities (n_records, n_classes) of (n_members, n_records, n_classes)."""
    mixed = np.einsum("mnc,mc->nc", y_scores.astype(np.float64), weights)
    # A sum of weights may pass 1 by a rounding.
    return np.asarray(np.clip(mixed, 0, 1), np.float32)


def simplex_grid(auc: MixtureAuc, steps: int) -> tuple[Floats, Floats]:
    """Weights (n_points, n_members) all over the simplex, and the macro AUC at each."""
    points = np.array(list(_compositions(steps, auc.n_members)), np.float64) / steps
    return points, np.array([auc.macro(point) for point in points])


def _compositions(total: int, parts: int) -> Iterator[Sequence[int]]:
    if parts == 1:
        yield (total,)
        return
    for first in range(total + 1):
        for rest in _compositions(total - first, parts - 1):
            yield (first, *rest)
