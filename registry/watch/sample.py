"""Logged answers as columns: numbers that have a distribution, and things that are so or not."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heart_reader.data.quality import DOUBTFUL, UNUSABLE
from heart_reader.predictions.journal import Row
from heart_reader.reading.logged import FLAGS

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
PROBABILITY, LABEL, AGE, NOVELTY = "probability", "label", "age decade", "novelty"


@dataclass(frozen=True, eq=False)
class Sample:
    """Some answers.

    Attributes:
        n: of them.
        numbers: (n,) each, NaN where there is none.
        shares: (n,) each.
    """

    n: int
    numbers: Mapping[str, Floats]
    shares: Mapping[str, Bools]


def sample_of(rows: Sequence[Row], classes: Sequence[str]) -> Sample:
    """The columns of rows of the log."""
    measured = list(rows[0]["measured"]) if rows else []
    numbers = {f"{PROBABILITY} {c}": _column(rows, "probabilities", c) for c in classes}
    numbers |= {name: _column(rows, "measured", name) for name in measured}
    numbers[NOVELTY] = np.array([_number(row["novelty"]) for row in rows])
    numbers[AGE] = np.array([_number(row["decade"]) for row in rows])
    rules: dict[str, Callable[[Row], bool]] = {
        "uncertain": lambda row: bool(row["uncertain"]),
        "quality doubtful": lambda row: row["quality"] == DOUBTFUL,
        "quality unusable": lambda row: row["quality"] == UNUSABLE,
        "no P wave": lambda row: row["measured"].get("pr_ms") is None,
    }
    shares = {name: np.array([rule(row) for row in rows], bool) for name, rule in rules.items()}
    shares["novel"] = numbers[NOVELTY] > 1
    for c in classes:
        shares[f"{LABEL} {c}"] = np.array([c in row["labels"] for row in rows], bool)
    for flag in FLAGS:
        shares[flag.replace("_", " ")] = np.array([flag in row["flags"] for row in rows], bool)
    there = {name: values for name, values in numbers.items() if np.isfinite(values).any()}
    return Sample(len(rows), there, shares)


def _column(rows: Sequence[Row], part: str, name: str) -> Floats:
    return np.array([_number(row[part].get(name)) for row in rows])


def _number(value: float | None) -> float:
    return np.nan if value is None else float(value)


def bare_sample(
    scores: NDArray[np.floating], labels: Bools, unsure: Bools, classes: Sequence[str]
) -> Sample:
    """The columns of probabilities alone, (n, n_classes), with what is made of them."""
    said = scores.astype(np.float64)
    numbers = {f"{PROBABILITY} {c}": said[:, k] for k, c in enumerate(classes)}
    shares = {f"{LABEL} {c}": labels[:, k] for k, c in enumerate(classes)}
    shares["uncertain"] = np.asarray(unsure.any(axis=1))
    return Sample(len(scores), numbers, shares)
