"""The records that a model gets most right and most wrong, to be looked at."""

import numpy as np
import numpy.typing as npt

from heart_reader.errors import DataError
from heart_reader.evaluation.checks import Bools, Floats, check_scores, known_labels

Rows = npt.NDArray[np.intp]


def record_loss(y_true: npt.ArrayLike, y_score: npt.ArrayLike) -> Floats:
    """Binary cross-entropy of each record, mean over the classes that are known, ``(n,)``.

    Scores are kept 1e-7 away from 0 and 1, so that a confident error stays finite.

    Raises:
        DataError: bad input.
    """
    labels, scores = check_scores(y_true, y_score)
    scores = np.clip(scores, 1e-7, 1 - 1e-7)
    loss = -np.log(np.where(labels, scores, 1 - scores))
    known = known_labels(y_true)
    return np.asarray(np.where(known, loss, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1))


def best_and_worst(y_true: npt.ArrayLike, y_score: npt.ArrayLike, k: int) -> tuple[Rows, Rows]:
    """Rows of the ``k`` records with the lowest loss, and of the ``k`` with the highest.

    The lowest loss overall would be plain normal ECGs alone, so the best are taken from the
    classes in turn, the rarest first: the best record with that label that is not yet taken.

    Raises:
        DataError: bad input, or fewer than ``k`` records (for the best: with a label).
    """
    labels, scores = check_scores(y_true, y_score)
    n_labelled = int(labels.any(axis=1).sum())
    if not 0 <= k <= n_labelled:
        raise DataError(f"k must lie in 0 to {n_labelled} (the records with a label), but is {k}")
    ascending = np.argsort(record_loss(y_true, scores), kind="stable")
    return _best_by_class(labels, ascending, k), ascending[::-1][:k]


def _best_by_class(labels: Bools, ascending: Rows, k: int) -> Rows:
    rarest_first = np.argsort(labels.sum(axis=0), kind="stable")
    queues = [iter(ascending[labels[ascending, c]].tolist()) for c in rarest_first]
    taken: list[int] = []
    while len(taken) < k:
        for queue in queues:
            row = next((row for row in queue if row not in taken), None)
            if row is not None and len(taken) < k:
                taken.append(row)
    return np.array(taken, dtype=np.intp)
