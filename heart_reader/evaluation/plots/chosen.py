"""Which classes of many are drawn: the worst and the most frequent; a table holds them all."""

from collections.abc import Sequence

import numpy as np

from heart_reader.evaluation.checks import Bools, Floats

MOST = 8  # more colours than that aren't told apart


def drawn_classes(labels: Bools, quality: Floats, most: int = MOST) -> list[int]:
    """Columns to draw, in their own order: all, or of too many the worst and the most frequent.

    Args:
        labels: (n, n_classes).
        quality: (n_classes,), low is bad.
        most: that are drawn.
    """
    n_classes = labels.shape[1]
    if n_classes <= most:
        return list(range(n_classes))
    worst = np.argsort(quality, kind="stable")[: most // 2].tolist()
    frequent = np.argsort(-labels.sum(axis=0), kind="stable").tolist()
    rest = [column for column in frequent if column not in worst]
    return sorted(worst + rest[: most - len(worst)])


def drawn_note(n_drawn: int, class_names: Sequence[str]) -> str:
    """What a plot says of the classes that it leaves out; "" where it draws all."""
    if n_drawn == len(class_names):
        return ""
    return (
        f"{n_drawn} of {len(class_names)} classes: the {n_drawn // 2} worst and the most frequent"
        " of the rest; all are in classes.csv"
    )
