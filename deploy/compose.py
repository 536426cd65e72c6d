"""docker-compose.yml, read as the containers' engine reads it, for a machine that has none."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from heart_reader.errors import ConfigError
from heart_reader.project import REPOSITORY

FILE = REPOSITORY / "docker-compose.yml"
VARIABLE = re.compile(r"\$(?:\$|\{(\w+)(?::([-?])([^{}]*))?\})")


@dataclass(frozen=True)
class Health:
    """A command that succeeds when a service is ready; seconds between two tries."""

    command: tuple[str, ...]
    interval: float
    timeout: float
    retries: int


@dataclass(frozen=True)
class Service:
    """One process of the platform.

    Attributes:
        after: services that come before it, and whether they must be "healthy" or "done".
        once: it ends by itself, and must end well.
        tool: it is run when asked for, and not with the others.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    after: Mapping[str, str]
    health: Health | None
    once: bool
    tool: bool
    stop_signal: str


def read_services(variables: Mapping[str, str], file: Path = FILE) -> dict[str, Service]:
    """The services as processes of this machine, in the order of the file.

    Args:
        variables: what the file's ``${...}`` stand for; those below ``x-host`` come on top.
        file: a Compose file.

    Raises:
        ConfigError: a variable that must be given isn't.
    """
    tree = yaml.safe_load(file.read_text(encoding="utf-8"))
    variables = host_variables(variables, file)
    services = interpolate(tree["services"], variables)
    return {name: _service(name, each) for name, each in services.items()}


def host_variables(variables: Mapping[str, str], file: Path = FILE) -> dict[str, str]:
    """The variables with those on top that differ where there are no containers."""
    tree = yaml.safe_load(file.read_text(encoding="utf-8"))
    return {**variables, **interpolate(tree["x-host"], variables)}


def interpolate(tree: Any, variables: Mapping[str, str]) -> Any:
    """A tree with ``${NAME}``, ``${NAME:-default}`` and ``${NAME:?message}`` replaced.

    >>> interpolate(["${A:-1}$$", {"b": "${B}"}], {"B": "2"})
    ['1$', {'b': '2'}]
    """
    if isinstance(tree, Mapping):
        return {key: interpolate(value, variables) for key, value in tree.items()}
    if isinstance(tree, list):
        return [interpolate(value, variables) for value in tree]
    if not isinstance(tree, str):
        return tree
    return VARIABLE.sub(lambda match: _value(match, variables), tree)


def _value(match: re.Match[str], variables: Mapping[str, str]) -> str:
    name, kind, text = match.groups()
    if name is None:
        return "$"
    if variables.get(name):
        return variables[name]
    if kind == "?":
        raise ConfigError(f"the platform's variable {name} is not set: {text}")
    return text or ""


def _service(name: str, tree: Mapping[str, Any]) -> Service:
    conditions = {
        other: "done" if "completed" in each["condition"] else "healthy"
        for other, each in tree.get("depends_on", {}).items()
    }
    return Service(
        name=name,
        command=tuple(str(word) for word in tree["command"]),
        environment={key: str(value) for key, value in tree.get("environment", {}).items()},
        after=conditions,
        health=_health(tree.get("healthcheck")),
        once=tree["restart"] == "no",
        tool="profiles" in tree,
        stop_signal=tree.get("stop_signal", "SIGTERM"),
    )


def _health(tree: Mapping[str, Any] | None) -> Health | None:
    if tree is None:
        return None
    kind, *command = tree["test"]
    if kind != "CMD":
        raise ConfigError(f"a health check must be a CMD, but is {kind!r}")
    interval, timeout = (float(tree[key].removesuffix("s")) for key in ("interval", "timeout"))
    return Health(tuple(command), interval, timeout, int(tree["retries"]))


# ---------------------------------------------------------------- variables


def read_variables(state: Path) -> dict[str, str]:
    """What stands in the env file, this process's own environment on top, as Compose does it."""
    file = state / "env"
    if not file.exists():
        raise ConfigError(f"there is no {file}: make secrets")
    lines = file.read_text(encoding="utf-8").splitlines()
    pairs = (line.split("=", 1) for line in lines if line and not line.startswith("#"))
    given = {key: os.environ.get(key, value) for key, value in pairs}
    return {**os.environ, **given, "STATE": str(state), "REPOSITORY": str(REPOSITORY)}
