"""Runs one of the platform's tools (``backup``, ``restore``) where there are no containers.

python -m deploy.tool --state .platform --name backup

Where the platform isn't running, what the tool needs is started for as long as it takes.
"""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from deploy.compose import Service
from deploy.process import Process
from deploy.state import locked, only_one, state_folder
from deploy.supervisor import PlatformError, Supervisor
from deploy.up import prepare
from heart_reader.cli.entry import dotted_options, run_entry
from heart_reader.errors import ConfigError


def main(words: Sequence[str]) -> None:
    """Runs the tool with the variables that the Compose file gives it."""
    options = dotted_options(words)
    name = options.pop("name", "")
    state = state_folder(options)
    services, _ = prepare(state)
    tools = [service.name for service in services.values() if service.tool]
    if name not in tools:
        raise ConfigError(f"there is no tool {name!r}: there are {', '.join(tools)}")
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


if __name__ == "__main__":
    raise SystemExit(run_entry(main))
