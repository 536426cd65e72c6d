"""docker-compose.yml, read as the containers' engine reads it, for a machine that has none."""

import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from deploy.stores.external import External
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
    elsewhere = External.of(variables).replaced
    services = interpolate(tree["services"], host_variables(variables, file))
    return {
        name: _service(name, each, elsewhere)
        for name, each in services.items()
        if name not in elsewhere
    }


def host_variables(variables: Mapping[str, str], file: Path = FILE) -> dict[str, str]:
    """The variables with those on top that differ where there are no containers."""
    return {**variables, **places(variables, file)}


def places(variables: Mapping[str, str], file: Path = FILE) -> dict[str, str]:
    """Where things are without containers."""
    tree = yaml.safe_load(file.read_text(encoding="utf-8"))
    found: dict[str, str] = interpolate(tree["x-host"], variables)
    return {**found, **External.of(variables).variables()}


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


def _service(name: str, tree: Mapping[str, Any], elsewhere: Collection[str]) -> Service:
    conditions = {
        other: "done" if "completed" in each["condition"] else "healthy"
        for other, each in tree.get("depends_on", {}).items()
        if other not in elsewhere
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

EVERYWHERE = "0.0.0.0"
# Seen from several folders: where they lie must not depend on which.
ABSOLUTE = ("PTBXL", "BACKUPS")


def read_variables(state: Path) -> dict[str, str]:
    """What stands in the env file, this process's own environment on top, as Compose does it.

    Raises:
        ConfigError: there is no such file, or a value that can't work.
    """
    file = state / "env"
    if not file.exists():
        raise ConfigError(f"there is no {file}: make secrets")
    lines = file.read_text(encoding="utf-8").splitlines()
    pairs = (line.split("=", 1) for line in lines if line and not line.startswith("#"))
    given = {**os.environ, **{key: os.environ.get(key, value) for key, value in pairs}}
    check_variables(given)
    own = {"STATE": str(state), "REPOSITORY": str(REPOSITORY), "REACH": reach(given)}
    return {**given, "BACKUPS": given.get("BACKUPS") or str(state / "backups"), **own}


def check_variables(given: Mapping[str, str]) -> None:
    """What is wrong with the values of an env file, all together.

    Raises:
        ConfigError: a relative folder, an address that nothing can listen on, one that isn't one.
    """
    wrong = [
        f"{name} must be an absolute folder, but is {given[name]!r}"
        for name in ABSOLUTE
        if given.get(name) and not Path(given[name]).is_absolute()
    ]
    published, url = given.get("PUBLISH", ""), urlsplit(given.get("URL", ""))
    if not re.fullmatch(r"[\w.-]*", published):
        wrong.append(f"PUBLISH must be an IPv4 address or a name, but is {published!r}")
    if any(url) and (url.scheme not in ("http", "https") or not url.netloc or url.path):
        wrong.append(f"URL must be like https://ecg.example.org, but is {given['URL']!r}")
    if wrong:
        raise ConfigError("\n".join(wrong))


def reach(given: Mapping[str, str]) -> str:
    """Where this machine finds a server that listens on ``PUBLISH``."""
    published = given.get("PUBLISH", "")
    return "127.0.0.1" if published in ("", EVERYWHERE) else published


def server_address(variables: Mapping[str, str]) -> str:
    """The server as this machine reaches it, whatever stands before it."""
    return f"http://{reach(variables)}:{variables.get('MLFLOW_PORT') or 5000}"


def members_address(variables: Mapping[str, str]) -> str:
    """The server as members reach it: ``URL``, else as this machine does."""
    return variables.get("URL") or server_address(variables)
