"""What it is worth that a model may say that it doesn't know, on patients who set no limits of it.

Everything here is cross-fitted: each group of patients is judged by limits and thresholds of the
others. Errors are of labels, a class each; the mean of the classes is plain.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logit

from heart_reader.evaluation.checks import judged, known_labels
from heart_reader.evaluation.metrics import mean_defined
from heart_reader.evaluation.thresholds import Rule, choose_reachable
from heart_reader.evaluation.trust.calibrator import EDGE
from heart_reader.evaluation.trust.sets import fit_limits

FILE = "uncertainty.csv"
COVERAGES = (0.7, 0.8, 0.9)  # shares of the answers that are kept, the surest first
ALL = "all"


@dataclass(frozen=True)
class Held:
    """Answers by limits and thresholds of other patients, each (n_records, n_classes).

    Attributes:
        truth, known: labels, and whether there is one.
        wrong: the label of the threshold isn't the truth.
        uncertain: the set isn't that label alone.
        covered: the set has the truth in it.
        doubt: how near the probability is to the threshold: minus the distance in log-odds.
    """

    truth: NDArray[np.bool_]
    known: NDArray[np.bool_]
    wrong: NDArray[np.bool_]
    uncertain: NDArray[np.bool_]
    covered: NDArray[np.bool_]
    doubt: NDArray[np.float64]


def hold_out(
    y_true: NDArray[np.uint8],
    y_score: NDArray[np.float32],
    groups: NDArray[np.int64],
    rule: Rule,
    error: float,
) -> Held:
    """Each group of patients, answered as the others would.

    Args:
        y_true: (n_records, n_classes).
        y_score: of the same shape.
        groups: (n_records,).
        rule: of the thresholds.
        error: of the sets.
    """
    truth, known = y_true == 1, known_labels(y_true)
    labels, uncertain, covered = (np.zeros(truth.shape, bool) for _ in range(3))
    doubt = np.zeros(truth.shape)
    for group in np.unique(groups):
        held = groups == group
        limits = fit_limits(y_true[~held], y_score[~held], error)
        thresholds = choose_reachable(rule, y_true[~held], y_score[~held])
        p = y_score[held]
        labels[held] = p >= thresholds
        uncertain[held] = limits.uncertain(p, labels[held])
        has, lacks = limits.sets(p)
        covered[held] = np.where(truth[held], has, lacks) | np.isnan(limits.present)
        near = logit(np.clip(thresholds, EDGE, 1 - EDGE))
        doubt[held] = -np.abs(logit(np.clip(p.astype(np.float64), EDGE, 1 - EDGE)) - near)
    return Held(truth, known, labels != truth, uncertain, covered, doubt)


def uncertainty_table(
    held: Held, classes: tuple[str, ...], parts: Iterable[tuple[str, NDArray[np.bool_]]]
) -> pd.DataFrame:
    """A row a group of records, and of all of them a row a class besides.

    Columns: ``n_records``; ``set_coverage`` (sets with the truth in them); ``uncertain`` (share of
    answers); ``risk`` (wrong labels of all), ``risk_sure`` (of the answers that aren't uncertain),
    and ``risk_70`` to ``risk_90``, of the surest 70 to 90% of the answers.

    Args:
        held: the answers.
        classes: their names.
        parts: further groups of records, by name.
    """
    there = judged(np.where(held.known, held.truth, 255).astype(np.uint8))
    everybody = np.ones(len(held.truth), bool)
    rows: list[Mapping[str, object]] = [
        {"group": ALL, "class": "mean", **_mean(held, everybody, there)}
    ]
    rows += [
        {"group": ALL, "class": classes[k], **_figures(held, everybody, int(k))}
        for k in np.flatnonzero(there)
    ]
    rows += [
        {"group": name, "class": "mean", **_mean(held, part, there)}
        for name, part in parts
        if part.any()
    ]
    return pd.DataFrame(rows)


def _mean(held: Held, part: NDArray[np.bool_], there: NDArray[np.bool_]) -> dict[str, float]:
    found = pd.DataFrame([_figures(held, part, int(k)) for k in np.flatnonzero(there)])
    means = {str(name): float(mean_defined(found[name].to_numpy(np.float64))) for name in found}
    return {**means, "n_records": int(part.sum())}


def _figures(held: Held, part: NDArray[np.bool_], k: int) -> dict[str, float]:
    rows = part & held.known[:, k]
    wrong, unsure = held.wrong[rows, k], held.uncertain[rows, k]
    surest_first = wrong[np.argsort(held.doubt[rows, k], kind="stable")]
    risks = {
        f"risk_{share:.0%}".rstrip("%"): _share(surest_first[: round(share * len(wrong))])
        for share in COVERAGES
    }
    return {
        "n_records": int(rows.sum()),
        "set_coverage": _share(held.covered[rows, k]),
        "uncertain": _share(unsure),
        "risk": _share(wrong),
        "risk_sure": _share(wrong[~unsure]),
        **risks,
    }


def _share(values: NDArray[np.bool_]) -> float:
    return float(values.mean()) if len(values) else float("nan")
