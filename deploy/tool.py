"""Runs one of the platform's tools, whichever way the platform runs.

python -m deploy.tool --state .platform --name backup       # or restore, empty
python -m deploy.tool --state .platform --name restore --way processes

Without containers, what a tool needs is started for as long as it takes where nothing runs.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from deploy.compose import Service
from deploy.containers import Containers
from deploy.running.process import Process
from deploy.running.supervisor import PlatformError, Supervisor
from deploy.state import locked, only_one, state_folder
from deploy.up import prepare
from heart_reader.cli.entry import dotted_options, run_entry
from heart_reader.errors import ConfigError

TOOLS = ("backup", "restore", "empty")
AUTO, CONTAINERS, PROCESSES = "auto", "containers", "processes"
DATA = ("postgres", "objects")  # folders of the state


def main(words: Sequence[str]) -> None:
    """Runs the tool with the variables that the Compose file gives it."""
    options = dotted_options(words)
    name, way = options.pop("name", ""), options.pop("way", AUTO)
    state = state_folder(options)
    if name not in TOOLS:
        raise ConfigError(f"there is no tool {name!r}: there are {', '.join(TOOLS)}")
    if name == "empty" and os.environ.get("SURE") != "yes":
        raise ConfigError("this removes all runs, models and studies: make empty SURE=yes")
    services, variables = prepare(state)
    containers = Containers(state, variables)
    if find_way(way, state, containers) == CONTAINERS:
        run_contained(name, containers)
    elif name == "empty":
        remove_data(state)
    else:
        run_here(name, services, state)


def find_way(way: str, state: Path, containers: Containers) -> str:
    """How the platform runs, or ran last.

    Raises:
        ConfigError: an unknown word, or it can't be told.
    """
    legal = (AUTO, CONTAINERS, PROCESSES)
    if way not in legal:
        raise ConfigError(f"WAY must be one of {', '.join(legal)}, but is {way!r}")
    if way != AUTO:
        return way
    for contained, here in (
        (bool(containers.running()), locked(state)),
        (containers.exist(), (state / "postgres" / "PG_VERSION").exists()),
    ):
        if contained and here:
            raise ConfigError("the platform is there both ways: WAY=containers or WAY=processes")
        if contained or here:
            return CONTAINERS if contained else PROCESSES
    return PROCESSES


def run_contained(name: str, containers: Containers) -> None:
    """A tool in a container, with folders of this machine."""
    if name == "backup":
        containers.backup(os.environ.get("TO", ""))
    elif name == "restore":
        containers.restore(os.environ.get("FROM", ""))
    else:
        containers.empty()


def run_here(name: str, services: Mapping[str, Service], state: Path) -> None:
    """A tool as a process of this machine.

    Raises:
        PlatformError: it failed.
    """
    with needed(services[name], services, state):
        tool = Process(services[name], state)
        done = subprocess.run(tool.service.command, env=tool.environment())
    if done.returncode:
        raise PlatformError(f"{name} ended with {done.returncode}")


@contextmanager
def needed(service: Service, services: Mapping[str, Service], state: Path) -> Iterator[None]:
    """What a tool needs, running."""
    with ExitStack() as stack:
        if not locked(state):
            stack.enter_context(only_one(state))
            stack.enter_context(Supervisor(services, state, service.after).running())
        yield


def remove_data(state: Path) -> None:
    """What lies in databases and objects; secrets, logins and backups stay.

    Raises:
        ConfigError: the platform is running.
    """
    with only_one(state):
        for name in DATA:
            shutil.rmtree(state / name, ignore_errors=True)
    print(f"{state}: empty, but for its secrets, logins and backups")


if __name__ == "__main__":
    raise SystemExit(run_entry(main))
