"""Soft targets from a teacher that hasn't seen the record: cross-fitted distillation.

Boosted trees read a table of features better than a small MLP does. Trained on what the trees say
of records that they haven't seen, beside the labels, the network learns the difference.

Distillation: Hinton et al., 2015. https://arxiv.org/abs/1503.02531
Cross-fitting keeps the teacher from repeating the labels that it was fitted on.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from multiprocessing import cpu_count, get_context
from pathlib import Path
from typing import TypeVar

import numpy as np
import sklearn
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from heart_reader.data.cached import cached_array
from heart_reader.errors import DataError
from heart_reader.progress import progress
from heart_reader.tasks.task import UNKNOWN

T = TypeVar("T")
MANY = 5000  # records from which on classes share the cores: processes take seconds to start
N_PARTS = 4  # of the folds; each part is scored by trees that were fitted on the others
TREES = {
    "learning_rate": 0.05,
    "max_iter": 300,
    "max_leaf_nodes": 15,
    "min_samples_leaf": 40,
    "l2_regularization": 1.0,
    "random_state": 0,
}


def boosted_scores(
    features: NDArray[np.float32],
    y_true: NDArray[np.uint8],
    fold: NDArray[np.integer],
    cache: Path,
) -> NDArray[np.float32]:
    """Probabilities (n_records, n_classes) of trees that haven't seen the record.

    The same on every call: one thread a fit, a fixed seed; the fits share the cores. Kept in the
    cache, under a digest of all that they follow from.

    Args:
        features: raw, NaN where missing, (n_records, n_features).
        y_true: (n_records, n_classes), 0 or 1.
        fold: of each record, (n_records,); a patient's records lie in one fold.
        cache: the folder that outlives a run.

    Raises:
        DataError: records of one fold only.
    """
    key = (N_PARTS, TREES, sklearn.__version__, _sha(features), _sha(y_true), _sha(fold))
    return cached_scores(key, cache, lambda: _boost(features, y_true, fold))


def _boost(
    features: NDArray[np.float32], y_true: NDArray[np.uint8], fold: NDArray[np.integer]
) -> NDArray[np.float32]:
    parts = [np.isin(fold, part) for part in parts_of(fold, N_PARTS)]
    columns = list(y_true.T)
    if len(fold) < MANY:
        found = [_class_scores(features, labels, parts) for labels in _shown(columns)]
    else:
        spawned = get_context("spawn")  # a fork of a process that has used OpenMP hangs
        with ProcessPoolExecutor(n_cores(), spawned) as pool:
            scores = pool.map(_class_scores, repeat(features), columns, repeat(parts))
            found = [next(scores) for _ in _shown(columns)]
    return np.stack(found, axis=1)


def _shown(columns: Sequence[T]) -> Iterable[T]:
    return progress(columns, "boosting on the features", "class")


def n_cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else cpu_count()


def _class_scores(
    features: NDArray[np.float32], labels: NDArray[np.uint8], parts: Sequence[NDArray[np.bool_]]
) -> NDArray[np.float32]:
    """Of one class, (n_records,): each part by trees that were fitted on the others."""
    scores = np.empty(len(labels), np.float32)
    for held_out in parts:
        scores[held_out] = _score(features, labels, held_out)
    return scores


def fold_scores(
    features: NDArray[np.float32], y_true: NDArray[np.uint8], held_out: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Probabilities (n_held_out, n_classes) of trees that were fitted on all other records."""
    columns = [_score(features, labels, held_out) for labels in y_true.T]
    return np.stack(columns, axis=1).astype(np.float32)


def cached_scores(
    key: tuple[object, ...], cache: Path, make: Callable[[], NDArray[np.float32]]
) -> NDArray[np.float32]:
    """What ``make`` gives, made once for a key whose text says all that it follows from."""
    digest = hashlib.sha256(repr(key).encode()).hexdigest()[:16]
    return cached_array(cache / "teachers" / f"{digest}.npz", make)


def parts_of(fold: NDArray[np.integer], n_parts: int) -> list[tuple[int, ...]]:
    """The folds in at most so many parts.

    Raises:
        DataError: records of one fold only.
    """
    folds = np.unique(fold)
    if len(folds) < 2:
        raise DataError(f"a teacher is fitted across folds, but all records are of fold {folds}")
    return [tuple(part.tolist()) for part in np.array_split(folds, min(n_parts, len(folds)))]


def _score(
    features: NDArray[np.float32], labels: NDArray[np.uint8], held_out: NDArray[np.bool_]
) -> NDArray[np.float64]:
    fitted = ~held_out & (labels != UNKNOWN)
    known = labels[fitted]
    n_held_out = int(held_out.sum())
    if not len(known):
        return np.full(n_held_out, 0.5)
    if known.min() == known.max():  # too few records: what was seen is all that can be said
        return np.full(n_held_out, float(known.mean()))
    # scikit-learn 1.9 can't bin a column of which the fitted records know nothing.
    features = features[:, np.isfinite(features[fitted]).any(axis=0)]
    with threadpool_limits(1):  # sums in several threads would differ from call to call
        trees = HistGradientBoostingClassifier(**TREES).fit(features[fitted], known)
        return np.asarray(trees.predict_proba(features[held_out])[:, 1])  # (n_held_out,)


def _sha(array: NDArray[np.generic]) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def soften(
    y_true: NDArray[np.uint8], scores: NDArray[np.float32], weight: float
) -> NDArray[np.float32]:
    """Targets (n_records, n_classes): the labels, with the teacher's scores at ``weight``.

    NaN where the label isn't known.
    """
    targets = ((1 - weight) * y_true + weight * scores).astype(np.float32)
    return np.where(y_true == UNKNOWN, np.float32(np.nan), targets)
