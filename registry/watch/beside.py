"""What a shadow said of the same records as the model that answered, class by class."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from heart_reader.data.quality import UNUSABLE
from heart_reader.predictions.columns import SHADOW
from heart_reader.predictions.journal import Row
from heart_reader.predictions.log import Table

Pair = tuple[Row, Row]  # what was answered, and what the shadow said


@dataclass(frozen=True)
class Agreed:
    """How often both say the same of a class.

    Attributes:
        name: of the class.
        n: records.
        answer_alone, shadow_alone: of them, those of which one says that it is there, the other
            that it isn't.
    """

    name: str
    n: int
    answer_alone: int
    shadow_alone: int

    @property
    def same(self) -> int:
        """Records of which both say that it is there, or both that it isn't."""
        return self.n - self.answer_alone - self.shadow_alone

    @property
    def share(self) -> float:
        """Of the records."""
        return self.same / self.n

    @property
    def interval(self) -> tuple[float, float]:
        """Of the share, 95%, exact (Clopper and Pearson 1934)."""
        found = binomtest(self.same, self.n).proportion_ci(0.95, "exact")
        return float(found.low), float(found.high)


@dataclass(frozen=True)
class Beside:
    """What a shadow said of the same records.

    Attributes:
        model: the shadow.
        n: records that both answered.
        agreement: share of labels that are the same.
        apart: mean absolute difference of a probability.
        classes: each by itself.
    """

    model: str
    n: int
    agreement: float
    apart: float
    classes: tuple[Agreed, ...]


def paired(answers: Sequence[Row], shadows: Sequence[Row]) -> list[Pair]:
    """Records that both answered and that could be read; of a named one its newest answer.

    Args:
        answers, shadows: the newest first.
    """
    own = {(r["request"], r["position"]): r for r in answers if r["quality"] != UNUSABLE}
    pairs, seen = [], set()
    for row in shadows:
        mine = own.get((row["request"], row["position"]))
        if mine is None or (mine["record"] is not None and mine["record"] in seen):
            continue
        seen.add(mine["record"])
        pairs.append((mine, row))
    return pairs


def agreed(pairs: Sequence[Pair], classes: Sequence[str]) -> tuple[Agreed, ...]:
    """Of each class; there must be a pair."""
    own, other = (
        np.array([[c in pair[k]["labels"] for c in classes] for pair in pairs]) for k in (0, 1)
    )  # (n, n_classes)
    alone = (own & ~other).sum(axis=0).tolist(), (other & ~own).sum(axis=0).tolist()
    return tuple(Agreed(c, len(pairs), a, s) for c, a, s in zip(classes, *alone, strict=True))


def beside(table: Table, now: Sequence[Row], shadows: Sequence[str]) -> list[Beside]:
    """What each shadow said of a window's records; those that said nothing are left out."""
    found = []
    for model in shadows:
        pairs = paired(now, table.newest(model, SHADOW, 2 * len(now)))
        if pairs:
            found.append(_beside(model, pairs))
    return found


def _beside(model: str, pairs: Sequence[Pair]) -> Beside:
    classes = list(pairs[0][0]["probabilities"])
    own, other = (
        np.array([[pair[k]["probabilities"][c] for c in classes] for pair in pairs], float)
        for k in (0, 1)
    )
    each = agreed(pairs, classes)
    same = float(np.mean([found.share for found in each]))
    return Beside(model, len(pairs), same, float(np.abs(own - other).mean()), each)
