"""A real PostgreSQL server of the test session's own."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.stores.postgres import as_owner, initialise, programs
from heart_reader.errors import ConfigError


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Postgres:
    """A data folder, and the server that runs on it or not."""

    folder: Path
    port: int

    def url(self, database: str) -> str:
        return f"postgresql+psycopg2://postgres@127.0.0.1:{self.port}/{database}"

    def tool(self, name: str, *words: str) -> None:
        """Runs one of PostgreSQL's programs; none of them runs as root."""
        command = as_owner([str(programs() / name), *words])
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/tmp")

    def make(self) -> None:
        initialise(self.folder, ["-A", "trust", "--no-sync"], password="")

    def start(self, more_options: str = "") -> None:
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        options += more_options
        log = str(self.folder / "log")
        # The backends of a postmaster that was killed take a moment to notice.
        for last in (False, False, False, True):
            try:
                self.tool(
                    "pg_ctl", "-D", str(self.folder), "-w", "-l", log, "-o", options, "start"
                )
                return
            except subprocess.CalledProcessError:
                if last:
                    raise
                time.sleep(1)

    def create(self, database: str) -> str:
        where = ("-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres")
        self.tool("createdb", *where, database)
        return self.url(database)

    def kill(self) -> None:
        """As a crash: no client is told goodbye."""
        pid = int((self.folder / "postmaster.pid").read_text().splitlines()[0])
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and _listens(self.port):
            time.sleep(0.1)

    def start_unready(self) -> None:
        """It runs, and refuses connections as a server in recovery does, until `become_ready`."""
        signal_file = self.folder / "standby.signal"
        signal_file.touch()
        shutil.chown(signal_file, self.folder.owner(), self.folder.group())
        self.start(" -c hot_standby=off")

    def become_ready(self) -> None:
        self.tool("pg_ctl", "-D", str(self.folder), "-w", "promote")

    def stop(self) -> None:
        self.tool("pg_ctl", "-D", str(self.folder), "-m", "immediate", "stop")


@contextmanager
def running() -> Iterator[Postgres]:
    """A server of its own while inside, in a folder that its own user may enter."""
    try:
        programs()
    except ConfigError as error:
        pytest.skip(str(error))
    with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        server = Postgres(Path(name) / "data", free_port())
        server.make()
        server.start()
        yield server
        server.stop()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
