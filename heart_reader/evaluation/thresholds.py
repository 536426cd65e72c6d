"""One decision threshold a class, chosen by a rule on the validation fold.

    youden            the most of sensitivity + specificity - 1
    f1                the most of F1
    precision:0.8     the most sensitivity that a precision of 0.8 leaves
    sensitivity:0.9   the most specificity that a sensitivity of 0.9 leaves

Youden, "Index for rating diagnostic tests", Cancer 1950.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from heart_reader.errors import ConfigError, DataError, did_you_mean
from heart_reader.evaluation.checks import (
    Bools,
    Floats,
    check_per_class,
    check_scores,
    judged,
    known_labels,
    name_class,
)
from heart_reader.evaluation.metrics import Labels, last_of_ties

YOUDEN, F1, PRECISION, SENSITIVITY = KINDS = ("youden", "f1", "precision", "sensitivity")
REMEMBERED = "threshold_rule"  # in the provenance of a bundle
WITH_TARGET = (PRECISION, SENSITIVITY)
NEVER = 1.0  # the threshold of a class that nobody had whom it could be chosen on
FORM = "youden, f1, precision:P or sensitivity:S, P and S above 0 and up to 1"


@dataclass(frozen=True)
class Rule:
    """How thresholds are chosen: one of ``KINDS``, and for some what is to be reached."""

    kind: str
    target: float

    def __str__(self) -> str:
        return f"{self.kind}:{self.target:g}" if self.kind in WITH_TARGET else self.kind


def parse_rule(text: str) -> Rule:
    """The rule that a user names.

    >>> parse_rule("precision:0.8")
    Rule(kind='precision', target=0.8)

    Raises:
        ConfigError: another form, or a target outside of 0 to 1.
    """
    kind, colon, number = text.strip().partition(":")
    if kind not in KINDS:
        raise ConfigError(f"thresholds must be {FORM}, not {text!r}{did_you_mean(kind, KINDS)}")
    if kind not in WITH_TARGET:
        if colon:
            raise ConfigError(f"thresholds {kind!r} takes no number, but is {text!r}")
        return Rule(kind, 0.0)
    legal = re.fullmatch(r"\d*\.?\d+", number)
    if legal is None or not 0 < float(number) <= 1:
        raise ConfigError(f"thresholds must be {FORM}, not {text!r}")
    return Rule(kind, float(number))


def rule_of(provenance: Mapping[str, Any]) -> Rule:
    """The rule that a bundle's thresholds were chosen by; before it was written down, Youden's."""
    return parse_rule(str(provenance.get(REMEMBERED, YOUDEN)))


def choose(
    rule: Rule, y_true: npt.ArrayLike, y_score: npt.ArrayLike, class_names: Sequence[str] = ()
) -> Floats:
    """The threshold of each class by a rule, ``(n_classes,)``.

    The prediction is ``score >= threshold``. A threshold is a score that occurs; where several are
    as good, it is the highest, which predicts the fewest positives. A class without a positive
    can't be told from these records: its threshold is 1, the highest that a bundle can hold; one
    without a negative is told of all of them: its threshold is its lowest score.

    Raises:
        DataError: bad input, or a precision that a class doesn't reach at any threshold.
    """
    labels, scores = check_scores(y_true, y_score)
    chosen = _choose(rule, np.asarray(y_true), scores)
    chosen[~labels.any(axis=0)] = NEVER
    for column in np.flatnonzero(~np.isfinite(chosen)):
        steps = _steps(np.asarray(y_true)[:, column], scores[:, column])
        reached = float(steps.precision.max())
        raise DataError(
            f"{name_class(int(column), class_names)} reaches a precision of {reached:.3f} at most "
            f"({steps.n_positive + steps.n_negative} records, {steps.n_positive} positives), so "
            f"that thresholds={rule} can't be had: ask for less"
        )
    return chosen


def youden(
    y_true: npt.ArrayLike, y_score: npt.ArrayLike, class_names: Sequence[str] = ()
) -> Floats:
    """`choose` by Youden's J."""
    return choose(Rule(YOUDEN, 0.0), y_true, y_score, class_names)


def apply_thresholds(y_score: npt.ArrayLike, thresholds: npt.ArrayLike) -> Bools:
    """``score >= threshold`` for each class, ``(n, n_classes)``.

    Raises:
        DataError: another number of thresholds than there are classes.
    """
    scores = np.asarray(y_score)
    predictions: Bools = scores >= check_per_class("thresholds", thresholds, scores.shape[-1])
    return predictions


def choose_reachable(rule: Rule, y_true: npt.ArrayLike, y_score: npt.ArrayLike) -> Floats:
    """As `choose`, but infinite, which nothing reaches, where a precision can't be had or a class
    has no positive."""
    _, scores = check_scores(y_true, y_score)
    return _choose(rule, np.asarray(y_true), scores)


def cross_fitted(
    rule: Rule, y_true: npt.ArrayLike, y_score: npt.ArrayLike, groups: npt.ArrayLike
) -> Bools:
    """Predictions ``(n, n_classes)``, each with thresholds that other groups chose.

    What they reach is what the rule promises for patients who weren't there when it chose. Where
    the others don't reach a precision, or none of them has a class, nobody of the group is
    positive.

    Args:
        rule: that chooses.
        y_true: ``(n, n_classes)``.
        y_score: of the same shape.
        groups: ``(n,)``; all records of a patient are in one.

    Raises:
        DataError: bad input.
    """
    _, scores = check_scores(y_true, y_score)
    labels, which = np.asarray(y_true), np.asarray(groups)
    predictions = np.empty(labels.shape, bool)
    for group in np.unique(which):
        held = which == group
        thresholds = choose_reachable(rule, labels[~held], scores[~held])
        predictions[held] = scores[held] >= thresholds
    return predictions


# ---------------------------------------------------------------- one class


@dataclass(frozen=True)
class _Steps:
    """What a class's thresholds give, the highest first.

    Attributes:
        scores: that occur, each once.
        true, false: positives at or above each, right and wrong.
        n_positive, n_negative: there are.
    """

    scores: Floats
    true: npt.NDArray[np.int64]
    false: npt.NDArray[np.int64]
    n_positive: int
    n_negative: int

    @property
    def precision(self) -> Floats:
        return np.asarray(self.true / (self.true + self.false))


def _steps(y_true: Labels, y_score: Floats) -> _Steps:
    """Of the records in which the class is known."""
    known = known_labels(y_true)
    labels, scores = y_true[known] == 1, y_score[known]
    order = np.argsort(-scores, kind="stable")
    ends = last_of_ties(scores[order])
    true = np.cumsum(labels[order], dtype=np.int64)[ends]
    n_positive = int(true[-1])
    return _Steps(scores[order][ends], true, ends + 1 - true, n_positive, len(labels) - n_positive)


def _choose(rule: Rule, labels: Labels, scores: Floats) -> Floats:
    """Infinite where the rule can't be kept."""
    chosen = np.where((labels == 1).any(axis=0), scores.min(axis=0), np.inf)
    pick = _PICK[rule.kind]
    for c in np.flatnonzero(judged(labels)):
        chosen[c] = pick(_steps(labels[:, c], scores[:, c]), rule.target)
    return chosen


def _most_j(steps: _Steps, _: float) -> float:
    # J times both counts is a whole number: equal J compare equal, whatever the rounding.
    j = steps.true * steps.n_negative - steps.false * steps.n_positive
    return float(steps.scores[j.argmax()])


def _most_f1(steps: _Steps, _: float) -> float:
    f1 = 2 * steps.true / (steps.true + steps.false + steps.n_positive)
    return float(steps.scores[f1.argmax()])


def _at_precision(steps: _Steps, target: float) -> float:
    kept = steps.precision >= target
    if not (kept & (steps.true > 0)).any():
        return float("inf")
    return float(steps.scores[np.where(kept, steps.true, -1).argmax()])


def _at_sensitivity(steps: _Steps, target: float) -> float:
    return float(steps.scores[(steps.true / steps.n_positive >= target).argmax()])


_PICK: dict[str, Callable[[_Steps, float], float]] = {
    YOUDEN: _most_j,
    F1: _most_f1,
    PRECISION: _at_precision,
    SENSITIVITY: _at_sensitivity,
}
