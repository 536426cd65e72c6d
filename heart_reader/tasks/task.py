"""A task: the classes that a model tells apart, in order, and what they mean."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

from heart_reader.config.strict import parse
from heart_reader.errors import DataError

DEFAULTS = Path(__file__).with_name("defaults.yaml")

UNKNOWN = 255  # a label that nobody gave: in no loss and no figure
MANY = 10  # classes; of more, curves and tables by class are in files, not in every epoch and line

Unlabelled = Literal["drop", "keep"]


@dataclass(frozen=True)
class Task:
    """What is asked of an ECG; several classes may be present at once.

    Attributes:
        name: by which a user and the registry know it.
        classes: n_classes short names, in the order of every column.
        titles: what each means, in words.
        groups: what each belongs to, such as its superclass; for tables and plots.
        unlabelled: records without any class are dropped, or kept as all-negative.
    """

    name: str
    classes: tuple[str, ...]
    titles: tuple[str, ...]
    groups: tuple[str, ...]
    unlabelled: Unlabelled

    def __post_init__(self) -> None:
        problems = [*_length_problems(self), *_name_problems(self.classes)]
        if problems:
            raise DataError("\n".join(f"task {self.name!r}: {problem}" for problem in problems))

    @property
    def n_classes(self) -> int:
        """How many."""
        return len(self.classes)

    @property
    def keys(self) -> tuple[str, ...]:
        """The classes as they stand in names of metrics and files: ``PRC_S_`` for ``PRC(S)``."""
        return tuple(map(class_key, self.classes))


def default_task() -> Task:
    """The one of ``defaults.yaml``: the superclasses of the PTB-XL benchmark."""
    return parse(default_section("task"), Task)


@cache
def default_section(name: str) -> Any:
    """A section of ``defaults.yaml``, as it stands there."""
    return yaml.safe_load(DEFAULTS.read_text(encoding="utf-8"))[name]


def class_key(name: str) -> str:
    """A class's name in characters that MLflow and every file system take."""
    return re.sub(r"[^\w.-]", "_", name)


def by_key(what: str, classes: Sequence[str], values: Sequence[float]) -> dict[str, float]:
    """``auc_NORM`` and its like, by the classes' keys; without the values that are NaN."""
    named = zip(classes, values, strict=True)
    return {f"{what}_{class_key(name)}": value for name, value in named if value == value}


def _length_problems(task: Task) -> list[str]:
    n_classes = len(task.classes)
    if n_classes == 0:
        return ["it needs at least one class"]
    return [
        f"it has {n_classes} classes, but {len(values)} {what}"
        for what, values in (("titles", task.titles), ("groups", task.groups))
        if len(values) != n_classes
    ]


def _name_problems(classes: Sequence[str]) -> list[str]:
    keys = [class_key(name) for name in classes]
    empty = ["a class has an empty name"] if "" in classes else []
    twice = sorted({name for name, key in zip(classes, keys, strict=True) if keys.count(key) > 1})
    return [*empty, *([f"classes {', '.join(twice)} can't be told apart"] if twice else [])]
