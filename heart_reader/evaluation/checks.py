"""What labels, scores and predictions must be before a metric is computed from them."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from heart_reader.errors import DataError
from heart_reader.tasks.task import UNKNOWN

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


def check_labels(y_true: npt.ArrayLike) -> Bools:
    """Labels as booleans ``(n, n_classes)``, false where unknown: `known_labels` tells.

    Raises:
        DataError: not two-dimensional, empty, or a value other than 0, 1 and `UNKNOWN`.
    """
    labels = np.asarray(y_true)
    if labels.ndim != 2 or labels.size == 0:
        raise DataError(
            f"y_true must be (n, n_classes) and not empty, but has shape {labels.shape}"
        )
    wrong = labels[(labels != 0) & (labels != 1) & (labels != UNKNOWN)]
    if wrong.size:
        raise DataError(f"y_true must hold 0 and 1 only, but holds {wrong[0]} ({wrong.size} such)")
    return np.asarray(labels == 1)


def known_labels(y_true: npt.ArrayLike) -> Bools:
    """Which labels somebody gave, ``(n, n_classes)``; the others are in no figure."""
    return np.asarray(np.asarray(y_true) != UNKNOWN)


def check_scores(y_true: npt.ArrayLike, y_score: npt.ArrayLike) -> tuple[Bools, Floats]:
    """Labels as booleans and scores as float64, both ``(n, n_classes)``.

    Raises:
        DataError: the shapes disagree, or a score is NaN or outside [0, 1].
    """
    labels = check_labels(y_true)
    scores = np.asarray(y_score, dtype=np.float64)
    _check_same_shape("y_score", scores.shape, labels.shape)
    if np.isnan(scores).any():
        record, column = np.argwhere(np.isnan(scores))[0]
        raise DataError(
            f"y_score holds {np.isnan(scores).sum()} NaN,"
            f" the first in row {record}, class {column}"
        )
    if scores.min() < 0 or scores.max() > 1:
        raise DataError(
            f"y_score must lie in [0, 1], but spans {scores.min():.4g} to {scores.max():.4g}"
        )
    return labels, scores


def check_predictions(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> tuple[Bools, Bools]:
    """Labels and yes-or-no predictions as booleans, both ``(n, n_classes)``.

    Raises:
        DataError: the shapes disagree, or a prediction is neither yes nor no.
    """
    labels = check_labels(y_true)
    predictions = np.asarray(y_pred)
    _check_same_shape("y_pred", predictions.shape, labels.shape)
    if not np.isin(predictions, (0, 1)).all():
        raise DataError("y_pred must hold True and False only: apply the thresholds first")
    return labels, predictions.astype(bool)


def require_positives(labels: Bools, class_names: Sequence[str] = ()) -> None:
    """Refuse labels in which a class never occurs.

    Raises:
        DataError: naming the class and the number of records.
    """
    for column, count in enumerate(labels.sum(axis=0)):
        if count == 0:
            name = name_class(column, class_names)
            raise DataError(f"{name} has 0 positives among {len(labels)} records, needs 1")


def require_both(y_true: npt.ArrayLike, class_names: Sequence[str] = ()) -> None:
    """Refuse labels in which a class occurs never or always: its AUC is not defined.

    Unknown ones aside.

    Raises:
        DataError: naming the class and the number of records.
    """
    labels = np.asarray(y_true)
    require_positives(labels == 1, class_names)
    for column, count in enumerate((labels == 0).sum(axis=0)):
        if count == 0:
            name = name_class(column, class_names)
            raise DataError(f"{name} has 0 negatives among {len(labels)} records, needs 1")


def judged(y_true: npt.ArrayLike) -> Bools:
    """Which classes can be judged: those with a positive and a negative, (n_classes,)."""
    labels = np.asarray(y_true)
    return np.asarray((labels == 1).any(axis=0) & (labels == 0).any(axis=0))


def require_labelled(labels: Bools) -> None:
    """Refuse records without a label: record-centric metrics divide by the label count.

    Raises:
        DataError: naming the first such row and their number.
    """
    empty = np.flatnonzero(~labels.any(axis=1))
    if empty.size:
        raise DataError(
            f"{empty.size} records have no label, the first in row {empty[0]}:"
            " drop them before record-centric metrics"
        )


def check_per_class(what: str, values: npt.ArrayLike, n_classes: int) -> Floats:
    """One number a class as float64 ``(n_classes,)``.

    Raises:
        DataError: another number of values than there are classes.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.shape != (n_classes,):
        raise DataError(
            f"{what} must hold one value for each of {n_classes} classes, "
            f"but has shape {array.shape}"
        )
    return array


def check_names(class_names: Sequence[str], n_classes: int) -> None:
    """Refuse a list of names that is not one a class.

    Raises:
        DataError: another number of names than there are classes.
    """
    if len(class_names) != n_classes:
        raise DataError(
            f"{len(class_names)} class names {tuple(class_names)} for {n_classes} classes"
        )


def name_class(column: int, class_names: Sequence[str]) -> str:
    """``"class MI"`` where names are given, else ``"class 1"``."""
    return f"class {class_names[column] if class_names else column}"


def _check_same_shape(what: str, shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    if shape != expected:
        raise DataError(f"{what} has shape {shape}, but y_true has {expected}")
