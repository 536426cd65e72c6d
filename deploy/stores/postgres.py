"""PostgreSQL's programs, as the system's packages bring them; none of them runs as root."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from heart_reader.errors import ConfigError

OWNER = "postgres"


def programs() -> Path:
    """The folder of the newest PostgreSQL's programs.

    Raises:
        ConfigError: there is none.
    """
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        raise ConfigError("there is no PostgreSQL on this machine: apt-get install postgresql")
    return found[-1].parent


def as_owner(command: Sequence[str]) -> list[str]:
    """A command that doesn't run as root, whoever starts it."""
    if os.getuid() != 0:
        return [*command]
    return ["setpriv", f"--reuid={OWNER}", f"--regid={OWNER}", "--clear-groups", *command]


def initialise(folder: Path, words: Sequence[str], password: str) -> None:
    """A new database cluster, as the container's image makes it; one that is there is left alone.

    Raises:
        ConfigError: ``initdb`` can't, for example since a folder on the way is closed to it.
    """
    if (folder / "PG_VERSION").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    if os.getuid() == 0:
        shutil.chown(folder, OWNER, OWNER)
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(f"{password}\n")
        file.flush()
        if os.getuid() == 0:
            shutil.chown(file.name, OWNER, OWNER)
        command = [str(programs() / "initdb"), "-D", str(folder), f"--username={OWNER}", *words]
        command += [f"--pwfile={file.name}"] if password else []
        done = subprocess.run(as_owner(command), text=True, capture_output=True, cwd="/")
    if done.returncode:
        raise ConfigError(f"PostgreSQL can't be set up in {folder}: {done.stderr.strip()}")


def initialise_from(environment: Mapping[str, str]) -> None:
    """The same, from the variables that the container's image takes."""
    words = environment["POSTGRES_INITDB_ARGS"].split()
    initialise(Path(environment["PGDATA"]), words, environment["POSTGRES_PASSWORD"])
