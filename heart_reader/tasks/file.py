"""A task of the user's own, from a YAML file.

```yaml
name: rhythms
unlabelled: keep            # the default; or drop records without any of the classes
classes:
  AF: {title: atrial fibrillation, group: rhythm, codes: [164889003, AFIB]}
  SB: {title: sinus bradycardia}
  NSR:                      # a class alone: its name is its title and its code
```
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

from heart_reader.config.yaml_files import read_yaml
from heart_reader.errors import ConfigError, DataError, did_you_mean
from heart_reader.tasks.ptbxl import CLASS_OF
from heart_reader.tasks.task import Task, Unlabelled

KEYS = ("name", "unlabelled", "classes")
CLASS_KEYS = ("title", "group", "codes")


@dataclass(frozen=True)
class OwnTask:
    """A task, and which codes stand for its classes.

    Attributes:
        task: the classes in order.
        class_of: code -> class; several codes may stand for one class.
    """

    task: Task
    class_of: Mapping[str, str]


def read_task(path: Path) -> OwnTask:
    """The task of a file.

    Raises:
        ConfigError: the file can't be read; every problem in it, together.
    """
    tree = read_yaml(path)
    problems = [*_unknown("key", tree, KEYS), *_missing(tree)]
    classes = tree.get("classes")
    described = _classes(classes, problems) if isinstance(classes, Mapping) else {}
    class_of = _codes(described, problems)
    problems += name_problems(str(tree.get("name", path.stem)))
    if not problems:
        try:
            return OwnTask(_task(tree, described, path), class_of)
        except DataError as error:
            problems += str(error).splitlines()
    raise ConfigError("\n".join(f"task file {path}: {problem}" for problem in problems))


def _task(tree: Mapping[str, Any], described: Mapping[str, Mapping[str, Any]], path: Path) -> Task:
    return Task(
        str(tree.get("name", path.stem)),
        tuple(described),
        tuple(str(each.get("title", name)) for name, each in described.items()),
        tuple(str(each.get("group", name)) for name, each in described.items()),
        cast(Unlabelled, tree.get("unlabelled", "keep")),
    )


def name_problems(name: str) -> list[str]:
    """What is wrong with the name of a task of one's own: the registry has models under it."""
    if not re.fullmatch(r"[A-Za-z0-9_][\w.-]{0,60}", name, re.ASCII):
        return [f"name must be 1 to 61 letters, digits, _, - and ., but is {name!r}"]
    if name in (*CLASS_OF, "ensemble", "edge"):
        return [f"name {name!r} means something else already: take another"]
    return []


def _missing(tree: Mapping[str, Any]) -> list[str]:
    problems = []
    if not isinstance(tree.get("classes"), Mapping) or not tree["classes"]:
        shown = tree.get("classes")
        problems.append(f"'classes' must map at least one class to what it is, but is {shown!r}")
    if tree.get("unlabelled", "keep") not in get_args(Unlabelled):
        problems.append(f"'unlabelled' must be drop or keep, but is {tree['unlabelled']!r}")
    return problems


def _unknown(what: str, tree: Mapping[Any, Any], known: tuple[str, ...]) -> list[str]:
    return [
        f"unknown {what} {key!r}{did_you_mean(str(key), known)}"
        for key in tree
        if key not in known
    ]


def _classes(classes: Mapping[Any, Any], problems: list[str]) -> dict[str, Mapping[str, Any]]:
    described: dict[str, Mapping[str, Any]] = {}
    for name, about in classes.items():
        if not isinstance(name, str):
            # YAML reads NO, ON and numbers as something else than a name.
            problems.append(f"class {name!r} must be a name; put it into quotes")
        elif about is not None and not isinstance(about, Mapping):
            problems.append(f"class {name!r} must map to title, group, codes, but is {about!r}")
        else:
            described[name] = about or {}
            problems += _unknown(f"key of class {name!r}:", described[name], CLASS_KEYS)
    return described


def _codes(described: Mapping[str, Mapping[str, Any]], problems: list[str]) -> dict[str, str]:
    class_of: dict[str, str] = {}
    for name, about in described.items():
        codes = about.get("codes", [name])
        if not isinstance(codes, list) or not codes:
            problems.append(f"codes of class {name!r} must be a list, but is {codes!r}")
            continue
        for code in map(str, codes):
            if class_of.setdefault(code, name) != name:
                problems.append(f"code {code!r} stands for {class_of[code]!r} and {name!r}")
    return class_of
