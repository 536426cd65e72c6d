"""The platform in containers, as Docker's own Compose runs it.

python -m deploy.containers --state .platform      # builds, starts, waits
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.compose import FILE, members_address, read_variables
from deploy.make_secrets import write_secrets
from deploy.running.supervisor import PlatformError
from deploy.state import locked, state_folder
from heart_reader.cli.entry import dotted_options, run_entry
from heart_reader.errors import ConfigError
from heart_reader.project import REPOSITORY

SECONDS = 60.0  # that an engine may take to say what runs
SERVERS = ("sync", "mlflow")  # what uses the data, in the order in which it is stopped


def main(words: Sequence[str]) -> None:
    """Builds the images, brings everything up, and says where it is."""
    state = state_folder(dotted_options(words))
    write_secrets(state)
    if locked(state):
        raise ConfigError(f"the platform in {state} runs without containers: stop it first")
    containers = Containers(state, read_variables(state))
    containers.folder.mkdir(0o700, parents=True, exist_ok=True)
    containers.call("up", "--detach", "--build")
    print(f"{members_address(containers.variables)} comes up: user admin, its password is in "
          f"{state / 'env'}")  # fmt: skip


@dataclass(frozen=True)
class Containers:
    """The project that Compose makes of this repository's file and a state's variables."""

    state: Path
    variables: Mapping[str, str]

    @property
    def folder(self) -> Path:
        """Where backups lie on this machine."""
        return Path(self.variables["BACKUPS"])

    def command(self, *words: str) -> list[str]:
        """A command of Compose.

        Raises:
            ConfigError: there is none on this machine.
        """
        files = ["--env-file", str(self.state / "env"), "--project-directory", str(REPOSITORY)]
        return [*compose(), *files, "-f", str(FILE), *words]

    def environment(self) -> dict[str, str]:
        """What stands in no env file: the code's commit, whose files backups are, and where."""
        user = f"{os.getuid()}:{os.getgid()}"
        return {"COMMIT": commit(), "HOST_USER": user, **os.environ, "BACKUPS": str(self.folder)}

    def call(self, *words: str) -> None:
        """Runs a command of Compose.

        Raises:
            PlatformError: it failed.
        """
        done = subprocess.run(self.command(*words), env=self.environment())
        if done.returncode:
            raise PlatformError(f"{' '.join([*compose(), *words])} ended with {done.returncode}")

    def ask(self, *words: str) -> list[str]:
        """The lines that a command of Compose prints; none where there is no engine to ask."""
        try:
            command, environment = self.command(*words), self.environment()
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, timeout=SECONDS
            )
        except (ConfigError, subprocess.TimeoutExpired):
            return []
        return done.stdout.split() if done.returncode == 0 else []

    def running(self) -> set[str]:
        """The services that run now."""
        return set(self.ask("ps", "--services", "--filter", "status=running"))

    def exist(self) -> bool:
        """Whether there are containers, running or stopped."""
        return bool(self.ask("ps", "--all", "--quiet"))

    # ------------------------------------------------------------ what is run when asked for

    def tool(self, name: str, words: list[str], mount: str) -> None:
        """Runs one of the tools with these words, or with those of the file, and a mount."""
        self.folder.mkdir(0o700, parents=True, exist_ok=True)
        quiet = [] if sys.stdin.isatty() else ["-T"]
        volume = ["-v", mount] if mount else []
        self.call("run", "--rm", *quiet, *volume, name, *words)

    def backup(self, to: str) -> None:
        """A backup, in the folder of backups or in another one that doesn't exist yet."""
        if not to:
            self.tool("backup", [], "")
            print(f"/backups is {self.folder} on this machine")
            return
        target = Path(to).absolute()
        target.parent.mkdir(0o700, parents=True, exist_ok=True)
        words = ["python", "-m", "deploy.backups.backup", "--to", f"/to/{target.name}"]
        self.tool("backup", words, f"{target.parent}:/to")

    def restore(self, source: str) -> None:
        """The newest backup, or another folder, while the servers are stopped."""
        words, mount = [], ""
        if source:
            folder = Path(source).absolute()
            words = ["python", "-m", "deploy.backups.restore", "--from", f"/from/{folder.name}"]
            mount = f"{folder.parent}:/from:ro"
        stopped = [name for name in SERVERS if name in self.running()]
        if stopped:
            self.call("stop", *stopped)
        try:
            self.tool("restore", words, mount)
        finally:
            if stopped:
                self.call("start", *reversed(stopped))

    def empty(self) -> None:
        """Removes containers and data; backups lie on this machine and stay."""
        self.call("down", "--volumes")


def compose() -> list[str]:
    """Compose of either generation.

    Raises:
        ConfigError: there is none.
    """
    docker = shutil.which("docker")
    if (
        docker
        and not subprocess.run([docker, "compose", "version"], capture_output=True).returncode
    ):
        return [docker, "compose"]
    old = shutil.which("docker-compose")
    if old is None:
        raise ConfigError("there is no Compose on this machine: apt-get install docker-compose")
    return [old]


def commit() -> str:
    """The commit of the code, for the image; the user's own variable wins over it."""
    command = ["git", "-C", str(REPOSITORY), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        found = subprocess.run(command, capture_output=True, text=True)
    except OSError:  # a machine without git
        return "unknown"
    return found.stdout.strip() or "unknown"


if __name__ == "__main__":
    raise SystemExit(run_entry(main))
