"""The search space: declared in YAML, checked against the configuration, pure to draw from."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import BaseTrial

from heart_reader.config.load import Config, changed
from heart_reader.config.strict import flatten, to_dict
from heart_reader.config.yaml_files import named_yaml, read_yaml
from heart_reader.errors import ConfigError, did_you_mean
from heart_reader.models import BACKBONES, family

SPACE_FOLDER = Path(__file__).parent / "spaces"
# What a search must not touch: its trials would not be comparable, or not what was asked for.
FIXED = (
    *("data.", "features.", "evaluation.", "seed"),
    *("model.backbone", "training.device", "training.epochs"),
)
RANGE_KEYS, CHOICE_KEYS = {"low", "high", "log", "step", "when"}, {"choices", "when"}


@dataclass(frozen=True)
class Parameter:
    """One searched key.

    Attributes:
        key: dotted, of the configuration.
        distribution: lists among the choices are written as JSON, which Optuna can store.
        when: the values that other searched keys must have.
    """

    key: str
    distribution: BaseDistribution
    when: Mapping[str, Any]


@dataclass(frozen=True)
class SearchSpace:
    """The searched keys of one backbone, those that others depend on first."""

    parameters: tuple[Parameter, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values that say everything about the space."""
        return {
            p.key: {
                "kind": type(p.distribution).__name__,
                **{k: v for k, v in vars(p.distribution).items() if not k.startswith("_")},
                "when": dict(p.when),
            }
            for p in self.parameters
        }

    @property
    def keys(self) -> frozenset[str]:
        """All that is searched."""
        return frozenset(parameter.key for parameter in self.parameters)


def suggest(trial: BaseTrial, config: Config, space: SearchSpace) -> Config:
    """The configuration with every searched key as the trial says."""
    return changed(config, draw(trial, space))


def draw(trial: BaseTrial, space: SearchSpace) -> dict[str, Any]:
    """A value for each key of the space whose conditions hold."""
    values: dict[str, Any] = {}
    for parameter in space.parameters:
        if all(values.get(key) == value for key, value in parameter.when.items()):
            values[parameter.key] = _suggest_one(trial, parameter)
    return values


def _suggest_one(trial: BaseTrial, parameter: Parameter) -> Any:
    match parameter.distribution:
        case CategoricalDistribution(choices=choices):
            return trial.suggest_categorical(parameter.key, choices)
        case IntDistribution(low=low, high=high, log=log, step=step):
            return trial.suggest_int(parameter.key, low, high, log=log, step=step)
        case FloatDistribution(low=low, high=high, log=log, step=step):
            return trial.suggest_float(parameter.key, low, high, log=log, step=step)
    raise ConfigError(f"search space: {parameter.key!r} has no known kind")


def starting_point(config: Config, space: SearchSpace) -> dict[str, Any] | None:
    """The configuration itself as the values of a trial, or ``None`` where it lies outside."""
    flat = {key: _storable(value) for key, value in flatten(to_dict(config)).items()}
    values: dict[str, Any] = {}
    for parameter in space.parameters:
        if any(values.get(key) != value for key, value in parameter.when.items()):
            continue
        value = flat[parameter.key]
        if not _inside(value, parameter.distribution):
            return None
        values[parameter.key] = value
    return values


def _inside(value: Any, distribution: BaseDistribution) -> bool:
    if isinstance(distribution, CategoricalDistribution):
        return value in distribution.choices
    return distribution._contains(value)


# ---------------------------------------------------------------- reading


def load_space(name: str, config: Config) -> SearchSpace:
    """The space of a configuration's backbone.

    Args:
        name: of a file in ``tuning/spaces``, or the path of a YAML file.
        config: what is searched around; every bound must be legal in it.

    Raises:
        ConfigError: no such space; every unknown key and illegal bound, together.
    """
    path = named_yaml(SPACE_FOLDER, name, "search space")
    tree = read_yaml(path)
    problems = [
        f"unknown section {key!r}{did_you_mean(key, ('common', 'backbones'))}"
        for key in tree
        if key not in ("common", "backbones")
    ]
    declared = _declared(tree, config.model.backbone, problems)
    parameters = []
    legal = flatten(to_dict(config))
    for key, words in declared.items():
        problems += _key_problems(key, words, legal, declared)
    if not problems:
        parameters = [
            _parameter(key, words, legal[key], problems) for key, words in declared.items()
        ]
    found = [p for p in parameters if p is not None]
    if not problems:
        problems = _bound_problems(found, config)
    if problems:
        raise ConfigError("\n".join(f"search space {path}: {problem}" for problem in problems))
    return SearchSpace(tuple(sorted(found, key=lambda p: len(p.when) > 0)))


def _declared(tree: Mapping[str, Any], backbone: str, problems: list[str]) -> dict[str, Any]:
    """The keys of ``common``, then those of the backbone's family, then its own."""
    sections = tree.get("backbones") or {}
    known = {*BACKBONES, *map(family, BACKBONES)}
    if not isinstance(sections, Mapping):
        problems.append(f"'backbones' must be a mapping, but is {sections!r}")
        sections = {}
    for name in sections:
        if name not in known:
            problems.append(f"unknown backbone {name!r}{did_you_mean(name, known)}")
    declared: dict[str, Any] = {}
    names = dict.fromkeys((family(backbone), backbone))
    for part in (tree.get("common"), *(sections.get(name) for name in names)):
        if isinstance(part, Mapping):
            declared |= part
        elif part is not None:
            problems.append(f"a section must be a mapping of keys, but is {part!r}")
    if not declared:
        problems.append(f"nothing to search for {backbone}")
    return declared


def _key_problems(
    key: str, words: Any, legal: Mapping[str, Any], declared: Mapping[str, Any]
) -> list[str]:
    if key not in legal:
        return [f"unknown parameter {key!r}{did_you_mean(key, legal)}"]
    if any(key == name or (name.endswith(".") and key.startswith(name)) for name in FIXED):
        return [f"parameter {key!r} can't be searched: trials would not be comparable"]
    if not isinstance(words, Mapping):
        return [f"parameter {key!r} must be like {{low: 1, high: 2}}, but is {words!r}"]
    allowed = CHOICE_KEYS if "choices" in words else RANGE_KEYS
    found = [
        f"parameter {key!r}: unknown word {word!r}{did_you_mean(word, allowed)}"
        for word in words
        if word not in allowed
    ]
    when = words.get("when", {})
    if not isinstance(when, Mapping):
        return [*found, f"parameter {key!r}: 'when' must be a mapping, but is {when!r}"]
    for other in when:
        if other not in declared or "when" in (declared[other] or {}):
            found.append(
                f"parameter {key!r} depends on {other!r}, which isn't searched unconditionally"
            )
    return found


def _parameter(key: str, words: Mapping[str, Any], now: Any, problems: list[str]) -> Any:
    """A `Parameter`, or ``None`` and a problem."""
    when = {other: _storable(value) for other, value in words.get("when", {}).items()}
    try:
        return Parameter(key, _distribution(words, now), when)
    except (TypeError, ValueError, KeyError) as error:
        problems.append(f"parameter {key!r}: {dict(words)!r} is no range or choice ({error})")
        return None


def _distribution(words: Mapping[str, Any], now: Any) -> BaseDistribution:
    if "choices" in words:
        if not isinstance(words["choices"], list) or not words["choices"]:
            raise ValueError("choices must be a list")
        return CategoricalDistribution([_storable(value) for value in words["choices"]])
    if isinstance(now, bool) or not isinstance(now, int | float):
        raise ValueError("only numbers have a low and a high, give choices")
    log, step = bool(words.get("log", False)), words.get("step")
    if isinstance(now, int):
        return IntDistribution(int(words["low"]), int(words["high"]), log, int(step or 1))
    return FloatDistribution(float(words["low"]), float(words["high"]), log, step)


def _storable(value: Any) -> Any:
    """Optuna stores numbers and text: a list becomes JSON, which the strict loader reads."""
    return json.dumps(list(value)) if isinstance(value, list | tuple) else value


def _bound_problems(parameters: list[Parameter], config: Config) -> list[str]:
    """What the configuration says to each bound and choice on its own."""
    problems: dict[str, None] = {}
    for parameter in parameters:
        d = parameter.distribution
        edges = d.choices if isinstance(d, CategoricalDistribution) else (d.low, d.high)  # type: ignore[attr-defined]
        for edge in edges:
            try:
                changed(config, {parameter.key: edge})
            except ConfigError as error:
                problems |= dict.fromkeys(str(error).splitlines())
    return list(problems)
