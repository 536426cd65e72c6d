"""The columns of the table of answers."""

from dataclasses import dataclass, fields
from typing import Any

ANSWER, SHADOW = "answer", "shadow"  # who answered, and who was only asked besides
SERVE, PREDICT = "serve", "predict"  # by which way
NESTED = ("probabilities", "labels", "uncertain", "measured", "reasons", "flags")


@dataclass(frozen=True)
class Answered:
    """What is kept of one record's answer: no signal, no name, no sex.

    Attributes:
        id: random, so that a row that comes twice is kept once.
        time: whole seconds since 1970, UTC.
        model: name and version in the registry, or the name of a folder.
        digest: of the bundle.
        role: ``ANSWER`` or ``SHADOW``.
        source: ``SERVE`` or ``PREDICT``.
        request: of which call; the same of an answer and of its shadow.
        position: of the record in it.
        record: its name under a key, or ``None``.
        probabilities: by class; ``None`` where the record is unusable.
        labels, uncertain: classes.
        measured: some of what was measured, in millivolts, ms and degrees.
        quality: the verdict.
        reasons: for it.
        flags: of what is odd about the leads.
        novelty: above 1 unlike the training records; ``None`` where the model can't tell.
        decade: of the age; all from 80 on are one; ``None`` where it is unknown.
    """

    id: str
    time: int
    model: str
    digest: str
    role: str
    source: str
    request: str
    position: int
    record: str | None
    probabilities: dict[str, float | None]
    labels: list[str]
    uncertain: list[str]
    measured: dict[str, float | None]
    quality: str
    reasons: list[str]
    flags: list[str]
    novelty: float | None
    decade: int | None


NAMES = tuple(each.name for each in fields(Answered))


def complete(row: dict[str, Any]) -> bool:
    """Whether a row that was read from a journal has every column and no other."""
    return row.keys() == set(NAMES)
