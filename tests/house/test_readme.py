"""The README's commands, block by block, in a fresh copy and a bare shell, on demo data.

Covers: nothing of ours alone, but the way in that a newcomer takes.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.house.conftest import environment, pip

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
SERVERS = ("make ui", "mlflow models serve")  # they run on in another terminal
LEFT_OUT = ("make test",)  # this is a test
SECONDS = 900  # that a block may take on a busy machine
# The blocks as they stand; the training is shorter than what a newcomer sees.
SHORT = "-P trials=0 -P training.epochs=5 -P evaluation.n_resamples=200 -P evaluation.n_sheets=1"


def blocks(text: str) -> list[list[str]]:
    """Commands of each indented block."""
    found = re.findall(r"(?:^ {4}\S.*\n)+(?:\n(?: {4}\S.*\n)+)*", text, re.MULTILINE)
    return [re.sub(r"\s+#\s.*", "", block).split("\n") for block in found]


def commands(text: str) -> list[str]:
    return [line.strip() for block in blocks(text) for line in block if line.strip()]


@dataclass
class Newcomer:
    """Somebody with a fresh copy and one terminal, who opens another for each server."""

    folder: Path
    environment: dict[str, str]
    ports: dict[str, str]
    activated: str = ""
    servers: list[subprocess.Popen[str]] = field(default_factory=list)

    def types(self, command: str) -> str:
        """Runs a command, or starts a server; what it said."""
        for port, free in self.ports.items():
            command = command.replace(port, free)
        if command.startswith(". "):
            self.activated = f"{command}; "
        if any(server in command for server in SERVERS):
            return self._starts(command)
        done = subprocess.run(
            ["bash", "-c", self.activated + command], cwd=self.folder, env=self.environment,
            capture_output=True, text=True, timeout=SECONDS,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout + done.stderr

    def _starts(self, command: str) -> str:
        port = self.ports["5010"]
        if command.startswith("make ui"):
            port = self.ports["5000"]
            command += f" PORT={port}"
        words = ["bash", "-c", f"{self.activated}exec {command}".replace("exec MLFLOW", "MLFLOW")]
        with (self.folder / f"server-{port}.log").open("w") as log:
            started = subprocess.Popen(
                words, cwd=self.folder, env=self.environment, stdout=log, stderr=log, text=True,
                start_new_session=True,
            )  # fmt: skip
        self.servers.append(started)
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline and started.poll() is None:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                return ""
            except OSError:
                time.sleep(0.5)
        raise AssertionError((self.folder / f"server-{port}.log").read_text())


def free_port() -> str:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        return str(server.getsockname()[1])


def tool(bin_folder: Path, name: str, code: str) -> None:
    path = bin_folder / name
    path.write_text(f"#!{bin_folder / 'python'}\nimport sys\n{code}\n")
    path.chmod(0o755)


@pytest.fixture
def newcomer(tmp_path: Path, cache: Path) -> Iterator[Newcomer]:
    folder = tmp_path / "heart-reader"
    listed = ["git", "-C", str(REPOSITORY), "ls-files", "-co", "--exclude-standard"]
    for name in subprocess.check_output(listed, text=True).splitlines():
        if (REPOSITORY / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, folder / name)
    python = environment(folder / ".venv")
    pip(python, "-e", str(folder))
    tool(python.parent, "mlflow", "from mlflow.cli import cli\nsys.exit(cli())")
    tool(python.parent, "uvicorn", "from uvicorn.main import main\nsys.exit(main())")
    (folder / ".venv" / ".made").touch()  # what `make env` would take minutes for
    (tmp_path / "home").mkdir()
    bare = {
        "HOME": str(tmp_path / "home"), "PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8",
        "HEART_READER_CACHE": str(cache), "OMP_NUM_THREADS": "1", "MORE": SHORT,
    }  # fmt: skip
    one = Newcomer(folder, bare, {"5000": free_port(), "5010": free_port()})
    yield one
    for server in one.servers:
        with suppress(ProcessLookupError):  # it didn't start
            os.killpg(server.pid, 15)
        server.wait()


def test_the_blocks_are_found():
    found = commands("Do:\n\n    make env   # once\n    . x\n\nand\n\n    a \\\n      b\n")
    assert found[:2] == ["make env", ". x"]
    assert len(commands(README)) >= 9 and len(README.splitlines()) <= 120


@pytest.mark.readme
def test_the_readme_from_its_top_to_its_end(newcomer: Newcomer):
    said = {
        command: newcomer.types(command) for command in commands(README) if command not in LEFT_OUT
    }
    assert (newcomer.folder / "sheets" / "lvh_strain.png").stat().st_size > 10_000
    trained = said["make train"]
    assert "registered as heart-reader-BACKBONE@candidate (SYNTHETIC)" in " ".join(trained.split())
    assert "promote --env-manager local -P model=all" in trained  # the next command, as it stands
    (answer,) = [text for command, text in said.items() if command.startswith("curl")]
    told, _ = json.JSONDecoder().raw_decode(answer[answer.index("{") :])  # curl's progress follows
    (row,) = told["predictions"]
    assert row["quality"] == "good" and "SYNTHETIC" in row["warning"]
    link = (newcomer.folder / f"server-{newcomer.ports['5000']}.log").read_text()
    assert "/#/experiments/1/runs?orderByKey=metrics." in link
