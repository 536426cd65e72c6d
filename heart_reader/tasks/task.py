"""What a model answers: its classes in order, what they mean, and who counts as unlabelled."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

from heart_reader.config.strict import parse

DEFAULTS = Path(__file__).with_name("defaults.yaml")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
# What file names, columns and MLflow's metrics all take: 1AVB, _AVB, LAFB/LPFB.
_CLASS = re.compile(r"[\w./-]+", re.ASCII)


@dataclass(frozen=True)
class Task:
    """A set of classes, of which a record may have several.

    Attributes:
        name: lower case; stands in registered names.
        classes: in the order of every column of labels and scores.
        titles: what each class means, in words.
        groups: the heading that each class stands under.
        unlabelled: what becomes of records without any class: dropped, or kept as negative.
    """

    name: str
    classes: tuple[str, ...]
    titles: tuple[str, ...]
    groups: tuple[str, ...]
    unlabelled: Literal["drop", "keep"]

    @property
    def n_classes(self) -> int:
        """How many."""
        return len(self.classes)

    def problems(self) -> list[str]:
        """The rules that types can't say."""
        found = []
        if not _NAME.fullmatch(self.name):
            found.append(f"name must be lower-case letters, digits and _, but is {self.name!r}")
        if not self.classes:
            found.append("classes must name at least one class, but is empty")
        odd = [each for each in self.classes if not _CLASS.fullmatch(each)]
        if odd:
            found.append(f"classes must be letters, digits and _ . / -, but has {odd[0]!r}")
        twice = [each for each in self.classes if self.classes.count(each) > 1]
        if twice:
            found.append(f"classes must differ, but {twice[0]!r} is there twice")
        found += [
            f"{name} must have one entry for each of {len(self.classes)} classes, but has {n}"
            for name, n in (("titles", len(self.titles)), ("groups", len(self.groups)))
            if n != len(self.classes)
        ]
        return found


def default_task() -> Task:
    """The one of ``defaults.yaml``."""
    return parse(default_section("task"), Task)


@cache
def default_section(name: str) -> Any:
    """A section of ``defaults.yaml``, as it stands there."""
    return yaml.safe_load(DEFAULTS.read_text(encoding="utf-8"))[name]
