"""Labels that came later, joined to what was answered: is it still as good?"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from heart_reader.errors import DataError, did_you_mean
from heart_reader.evaluation import bootstrap, metrics, report
from heart_reader.predictions.journal import Row
from heart_reader.predictions.place import KEY_VARIABLE, Place
from registry.ground.logged import Logged

RECORD, LABELS, SEPARATOR = "record", "label", ";"
LEVEL = 0.98  # of the interval of a loss: above 0 with a chance of 1% where there is none


@dataclass(frozen=True)
class Performance:
    """What the answers were worth.

    Attributes:
        n: records with an answer and labels.
        n_unknown: labels of records that aren't in the log.
        auc: macro AUC, its 95% interval.
        then: of fold 9; NaN where it isn't known.
        change: with its `LEVEL` interval.
        by_class: AUCs; NaN where it can't be judged.
        worse: the interval of the change lies below 0.
    """

    n: int
    n_unknown: int
    auc: tuple[float, float, float]
    then: float
    change: tuple[float, float, float]
    by_class: Mapping[str, float]
    worse: bool


def read_labels(path: Path, place: Place, classes: Sequence[str]) -> dict[str, NDArray[np.uint8]]:
    """Labels (n_classes,) by the hash of their record.

    Raises:
        DataError: no key, no such columns, or a class that the model doesn't have.
    """
    if not place.key:
        raise DataError(f"feedback finds its records by hashes: set {KEY_VARIABLE} as the log had")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"feedback {path} can't be read: {error}") from error
    if not rows or not {RECORD, LABELS} <= rows[0].keys():
        raise DataError(f"feedback {path} must have the columns {RECORD} and {LABELS}, and a row")
    found = {}
    for row in rows:
        words = [w.strip() for w in (row[LABELS] or "").split(SEPARATOR) if w.strip()]
        for word in words:
            if word not in classes:
                near = did_you_mean(word, classes)
                raise DataError(f"feedback {path}: the model has no class {word!r}{near}")
        hashed = place.hashed(row[RECORD] or "")
        if hashed is not None:
            found[hashed] = np.array([name in words for name in classes], np.uint8)
    return found


def performance(
    rows: Sequence[Row],
    labels: Mapping[str, NDArray[np.uint8]],
    classes: Sequence[str],
    fold9: Logged | None,
    n_resamples: int,
) -> Performance:
    """AUC of the answers to records whose labels are known; a record's newest answer counts.

    Args:
        rows: of the log, the newest first.
        labels: of `read_labels`.
        classes: of the model.
        fold9: what it said of fold 9, to be held against.
        n_resamples: of the bootstrap.

    Raises:
        DataError: no record has both, or no class can be judged.
    """
    newest: dict[str, Row] = {}
    for row in rows:
        if row["record"] in labels and row["probabilities"].get(classes[0]) is not None:
            newest.setdefault(row["record"], row)
    if not newest:
        raise DataError(f"none of {len(labels)} records of the feedback has an answer in the log")
    y_true = np.stack([labels[name] for name in newest])
    y_score = np.array([[row["probabilities"][c] for c in classes] for row in newest.values()])
    auc = metrics.defined_auc(y_true, y_score)
    known = ~np.isnan(auc)
    drawn = _macro(y_true, y_score, known, n_resamples)
    value = float(auc[known].mean())
    low, high = bootstrap.interval(drawn, 0.95).tolist()
    then, change = float("nan"), (float("nan"),) * 3
    if fold9 is not None:
        before = metrics.defined_auc(fold9.y_true, fold9.judged)
        then = float(before[known].mean())
        other = _macro(fold9.y_true, fold9.judged, known, n_resamples)
        ends = bootstrap.interval(drawn - other, LEVEL).tolist()
        change = (value - then, ends[0], ends[1])
    by_class = dict(zip(classes, auc.tolist(), strict=True))
    return Performance(
        len(newest), len(labels) - len(newest), (value, low, high), then, change, by_class,
        change[2] < 0,
    )  # fmt: skip


def _macro(
    y_true: NDArray[np.uint8],
    y_score: NDArray[np.floating],
    known: NDArray[np.bool_],
    n_resamples: int,
) -> NDArray[np.float64]:
    resamples = report.resamples_for(y_true[:, known], n_resamples)
    drawn = bootstrap.auc_bootstrap(y_true[:, known], y_score[:, known], resamples)
    return np.asarray(metrics.mean_defined(drawn))
