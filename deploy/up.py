"""Runs the platform without containers, until Ctrl-C or SIGTERM.

python -m deploy.up --state .platform
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.compose import (
    Service,
    host_variables,
    members_address,
    places,
    read_services,
    read_variables,
)
from deploy.make_secrets import write_secrets
from deploy.running.supervisor import Supervisor
from deploy.state import only_one, state_folder
from heart_reader.cli.entry import dotted_options, run_entry
from heart_reader.files import cache_folder


def main(words: Sequence[str]) -> None:
    """Starts the services in order, and keeps them running."""
    state = state_folder(dotted_options(words))
    services, variables = prepare(state)
    wanted = [name for name, service in services.items() if not service.tool]
    supervisor = Supervisor(services, state, wanted)
    with only_one(state), supervisor.running():
        uri = members_address(variables)
        print(f"{uri} is ready: user admin, its password is in {state / 'env'}")
        print("Others: make user NAME=ada ROLE=member. Ctrl-C stops all.", flush=True)
        supervisor.watch()


def prepare(state: Path) -> tuple[dict[str, Service], dict[str, str]]:
    """The services with their variables and folders; secrets are made where there are none."""
    write_secrets(state)
    given = {"CACHE": str(cache_folder()), **read_variables(state)}
    make_folders(state, places(given))
    variables = host_variables(given)
    return read_services(variables), variables


def make_folders(state: Path, where: Mapping[str, str]) -> None:
    """What the containers' volumes are: the places below the state's folder."""
    for value in where.values():
        if value.startswith(f"{state}{os.sep}"):
            Path(value).mkdir(parents=True, exist_ok=True)


if __name__ == "__main__":
    raise SystemExit(run_entry(main))
