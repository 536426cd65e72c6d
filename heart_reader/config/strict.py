"""Frozen dataclasses from plain mappings, by annotation: nothing unknown, nothing missing."""

import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import yaml

from heart_reader.config.yaml_files import plain_yaml
from heart_reader.errors import ConfigError, DataError, did_you_mean

T = TypeVar("T")


def parse(tree: Mapping[str, Any], kind: type[T]) -> T:
    """A dataclass from nested mappings, values coerced by annotation, nothing unknown allowed."""
    problems: list[str] = []
    value = _build(tree, kind, "", problems)
    if problems:
        raise ConfigError("\n".join(problems))
    return typing.cast(T, value)


def at_least(section: object, least: Mapping[str, float]) -> list[str]:
    """A problem for each number of a section below its bound; ``None`` is no number."""
    return [
        f"{name} must be at least {bound}, but is {value}"
        for name, bound in least.items()
        if (value := getattr(section, name)) is not None and value < bound
    ]


def to_dict(config: Any) -> dict[str, Any]:
    """Nested plain mappings and lists, such as YAML and JSON take."""
    return typing.cast(dict[str, Any], _plain(dataclasses.asdict(config)))


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted keys: ``{"training": {"epochs": 4}}`` gives ``{"training.epochs": 4}``."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


# ---------------------------------------------------------------- coercion by annotation


def _build(value: Any, kind: Any, path: str, problems: list[str]) -> Any:
    if dataclasses.is_dataclass(kind):
        return _build_section(value, typing.cast(type, kind), path, problems)
    try:
        return _coerce(value, kind)
    except (TypeError, ValueError, yaml.YAMLError):
        problems.append(f"config key {path!r} must be {_describe(kind)}, but is {value!r}")
        return None


def _build_section(value: Any, kind: type, path: str, problems: list[str]) -> Any:
    if not isinstance(value, Mapping):
        problems.append(f"config key {path!r} is a section, but is {value!r}")
        return None
    hints = typing.get_type_hints(kind)
    before = len(problems)
    for key in value:
        if key not in hints:
            full = f"{path}{'.' if path else ''}{key}"
            problems.append(f"unknown config key {full!r}{_suggest(full, path, hints)}")
    built = {}
    for key, hint in hints.items():
        full = f"{path}{'.' if path else ''}{key}"
        if key not in value:
            problems.append(f"config key {full!r} is missing")
            continue
        built[key] = _build(value[key], hint, full, problems)
    if len(problems) > before:
        return None
    try:
        section = kind(**built)
    # A section that refuses to be made doesn't hide the others.
    except (ConfigError, DataError) as error:
        problems += str(error).split("; ")
        return None
    # Rules that a type can't say live beside the type, in `problems()`.
    rules = section.problems() if hasattr(section, "problems") else []
    problems += [f"config key {path}{'.' if path else ''}{rule}" for rule in rules]
    return section


def _suggest(full: str, path: str, hints: Mapping[str, Any]) -> str:
    legal = [f"{path}{'.' if path else ''}{name}" for name in hints]
    near = did_you_mean(full, legal)
    return near or f" (there are {', '.join(sorted(legal))})"


def _coerce(value: Any, kind: Any) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return _coerce_one_of(value, arguments)
    if origin is typing.Literal:
        if value not in arguments:
            raise ValueError(value)
        return value
    if origin is tuple:
        return _coerce_tuple(value, arguments)
    return _SCALARS[kind](value)


def _coerce_one_of(value: Any, kinds: Sequence[Any]) -> Any:
    if types.NoneType in kinds and (value is None or value in ("none", "null")):
        return None
    for kind in kinds:
        if kind is not types.NoneType:
            try:
                return _coerce(value, kind)
            except (TypeError, ValueError):
                pass  # another kind may take it
    raise ValueError(value)


def _coerce_tuple(value: Any, arguments: Sequence[Any]) -> tuple[Any, ...]:
    items = plain_yaml(value) if isinstance(value, str) else value
    if not isinstance(items, list | tuple):
        raise TypeError(value)
    if arguments[-1] is not Ellipsis and len(items) != len(arguments):
        raise ValueError(value)
    kinds = [arguments[0]] * len(items) if arguments[-1] is Ellipsis else arguments
    return tuple(_coerce(item, kind) for item, kind in zip(items, kinds, strict=True))


def _int(value: Any) -> int:
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise TypeError(value)
    return int(value)


def _float(value: Any) -> float:
    # PyYAML reads 1e-3 as a string; float() takes both forms.
    if isinstance(value, bool):
        raise TypeError(value)
    number = float(value)
    if number != number:
        raise ValueError(value)
    return number


def _bool(value: Any) -> bool:
    words = {"true": True, "false": False}
    if isinstance(value, bool):
        return value
    return words[str(value).lower()] if str(value).lower() in words else _refuse(value)


def _str(value: Any) -> str:
    return value if isinstance(value, str) else _refuse(value)


def _refuse(value: Any) -> Any:
    raise TypeError(value)


_SCALARS = {int: _int, float: _float, bool: _bool, str: _str}


def _describe(kind: Any) -> str:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        some = "one of " if len(arguments) > 1 else ""
        return some + ", ".join(repr(argument) for argument in arguments)
    if origin is tuple:
        count = "" if arguments[-1] is Ellipsis else f"{len(arguments)} "
        return f"a list of {count}{arguments[0].__name__}"
    if origin in (typing.Union, types.UnionType):
        return " or ".join("null" if a is types.NoneType else _describe(a) for a in arguments)
    return {int: "a whole number", float: "a number", bool: "true or false", str: "text"}[kind]
