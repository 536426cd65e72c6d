"""Macro AUC of weighted probabilities, thousands of times on the same records and members.

The order of the scores is all that an AUC asks for. A positive float64 orders as its bits do as an
integer, so the label takes the place of the lowest bit, and one vectorised sort of integers gives
the labels in the order of the scores: no argsort, no gather.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from heart_reader.errors import DataError
from heart_reader.evaluation.checks import (
    Bools,
    Floats,
    check_labels,
    check_scores,
    judged,
    known_labels,
)

# Both objectives, ours and scikit-learn's, are compared at this: half a pair of 20,000 records
# weighs 5e-9, and what sums in another order differ by is 1e-15.
DECIMALS = 10
ABOVE_ALL = 2.0  # where a record stands in whom the class is unknown: above all, and uncounted


@dataclass(frozen=True)
class MixtureAuc:
    """AUC of any mixture of some members' scores.

    Attributes:
        scores: (n_members, n_classes, n_records), float64; of the classes that can be judged.
        labels: (n_classes, n_records), int64 of 0 and 1.
        known: (n_classes, n_records); what isn't counts nowhere.
        n_positive: (n_classes,).
        columns: where these classes stand among all, (n_classes,).
    """

    scores: Floats
    labels: npt.NDArray[np.int64]
    known: Bools
    n_positive: npt.NDArray[np.int64]
    columns: npt.NDArray[np.intp]

    @property
    def n_members(self) -> int:
        """How many weights a mixture has."""
        return len(self.scores)

    def per_class(self, weights: Floats) -> Floats:
        """AUC of each class, ``(n_classes,)``, for weights (n_members,), one for every class."""
        n_classes, n_records = self.labels.shape
        mixed = weights @ self.scores.reshape(self.n_members, -1)
        mixed = mixed.reshape(n_classes, n_records)
        if not self.known.all():
            mixed[~self.known] = ABOVE_ALL
        return self._auc(mixed)

    def macro(self, weights: Floats) -> float:
        """Plain mean of the class AUCs for weights (n_members,)."""
        return round(float(self.per_class(weights).mean()), DECIMALS)

    def one_class(self, column: int) -> "MixtureAuc":
        """The same records with one class alone."""
        chosen = slice(column, column + 1)
        return MixtureAuc(
            np.ascontiguousarray(self.scores[:, chosen]),
            self.labels[chosen],
            self.known[chosen],
            self.n_positive[chosen],
            self.columns[chosen],
        )

    def _auc(self, mixed: Floats) -> Floats:
        bits = mixed.view(np.int64) & ~1  # (n_classes, n_records)
        keys = np.sort(bits | self.labels, axis=1)
        last = self._rank_sum(keys & 1)
        values = keys & ~1
        if (values[:, 1:] == values[:, :-1]).any():
            # Of equal scores the positives came last; a tie counts one half, so the mean of last
            # and first.
            first = self._rank_sum(1 - (np.sort(bits | (1 - self.labels), axis=1) & 1))
            last = (last + first) / 2
        n_negative = self.known.sum(axis=1) - self.n_positive
        least = self.n_positive * (self.n_positive - 1) / 2
        auc: Floats = (last - least) / (self.n_positive * n_negative)
        return auc

    def _rank_sum(self, ordered: npt.NDArray[np.int64]) -> Floats:
        # float64 holds these whole numbers exactly, and has a fast product.
        total: Floats = ordered.astype(np.float64) @ np.arange(ordered.shape[1], dtype=np.float64)
        return total


def mixture_auc(y_true: npt.ArrayLike, y_scores: npt.ArrayLike) -> MixtureAuc:
    """Prepares what every mixture shares.

    Args:
        y_true: (n_records, n_classes), 0 or 1.
        y_scores: (n_members, n_records, n_classes), probabilities.

    Raises:
        DataError: bad input, no member, or no class with both a positive and a negative.
    """
    labels = check_labels(y_true)
    columns = np.flatnonzero(judged(y_true))
    if columns.size == 0:
        raise DataError(f"no class has both a positive and a negative among {len(labels)} records")
    known = np.ascontiguousarray(known_labels(y_true).T[columns])
    members = [check_scores(labels, each)[1].T[columns] for each in np.asarray(y_scores)]
    if not members:
        raise DataError("a mixture needs at least one member, but has none")
    flags = np.ascontiguousarray(labels.T[columns]).astype(np.int64)  # (n_classes, n_records)
    return MixtureAuc(np.stack(members), flags, known, flags.sum(axis=1), columns)
