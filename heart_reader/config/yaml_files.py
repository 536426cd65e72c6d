"""YAML files: read, named, laid over each other."""

import re
from collections.abc import Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any

import yaml

from heart_reader.errors import ConfigError, did_you_mean
from heart_reader.files import user_path

LONGEST = 256 * 1024  # bytes; a task of a thousand classes has a third of it
DEEPEST = 100  # brackets within each other; PyYAML takes seconds to give up at thousands


def named_yaml(folder: Path, name: str, what: str) -> Path:
    """The YAML file that a user names: by its path, or by its stem in one of our folders.

    Raises:
        ConfigError: no file of that name; ``what`` is what it would have been.
    """
    if Path(name).suffix in {".yaml", ".yml"}:
        return user_path(name)
    named = {path.stem: path for path in folder.glob("*.yaml")}
    if name not in named:
        raise ConfigError(
            f"unknown {what} {name!r}{did_you_mean(name, named)} "
            f"(there are {', '.join(sorted(named))}, or give the path of a .yaml file)"
        )
    return named[name]


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        ConfigError: no such file, no regular one, a longer one than such files are; not YAML, or
            not a mapping.
    """
    if path.exists() and not path.is_file():
        raise ConfigError(f"config file {path} is no regular file")
    try:
        if (size := path.stat().st_size) > LONGEST:
            raise ConfigError(
                f"config file {path} must have at most {LONGEST:,} bytes, but has {size:,}"
            )
        tree = plain_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"config file {path} can't be read: {error.strerror}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(
            f"config file {path} is not YAML: {' '.join(str(error).split())}"
        ) from error
    if not isinstance(tree, dict):
        raise ConfigError(f"config file {path} must hold a mapping, but holds {tree!r}")
    return tree


def plain_yaml(content: str) -> Any:
    """What a YAML text holds, where that is little.

    Raises:
        yaml.YAMLError: it isn't YAML.
        ValueError: dates or numbers that are none; it is nested too deep; values that repeat
            others, which repeat others, so that there are more than fit into a file.
    """
    if _depth(content) > DEEPEST:
        raise ValueError("it is nested too deep")
    try:
        tree = yaml.safe_load(content)
        if _size(tree, {}) > LONGEST:
            raise ValueError("it has too many values, by aliases of aliases")
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    return tree


def _size(tree: Any, known: dict[int, float]) -> float:
    """Values, however often one is meant; what holds itself has no end."""
    if not isinstance(tree, dict | list):
        return 1
    if id(tree) not in known:
        known[id(tree)] = float("inf")
        inner = tree.values() if isinstance(tree, dict) else tree
        known[id(tree)] = 1 + sum(_size(each, known) for each in inner)
    return known[id(tree)]


def _depth(content: str) -> int:
    """How many brackets stand open at most, wherever they stand."""
    steps = (1 if bracket in "[{" else -1 for bracket in re.findall(r"[\[{}\]]", content))
    return max(accumulate(steps), default=0)


def merge(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with the keys of ``overlay`` in place of its own, section by section."""
    merged = dict(base)
    for key, value in overlay.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = merge(merged[key], value) if both else value
    return merged
