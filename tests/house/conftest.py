"""An environment that the checkout is installed in, and what each command says to --help there."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.house.documents import DOCUMENTS, ENTRIES, commands

BENCHMARKS = sorted((REPOSITORY / "benchmarks").glob("*.py"))
# Nothing of the caller's own search path: what is found, is found because it was installed.
BARE = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}

# As `python SCRIPT --help` or `python -m MODULE --help` for each: a fork each, so that what all
# import is loaded once.
HELP = """
import os, runpy, sys, traceback
from pathlib import Path
import matplotlib.axes, matplotlib.figure, mlflow.pyfunc, mlflow.store.tracking.sqlalchemy_store
import onnxruntime, optuna, pandas, pydantic, requests, rich.table
import scipy.signal, scipy.stats, sklearn.metrics, torch
import heart_reader.evaluation.report, heart_reader.fitting, heart_reader.tracking.models

def helped(target):
    code = 1
    with open(target.replace("/", ":"), "w") as out:
        sys.argv = [target, "--help"]
        sys.stdout = sys.stderr = out
        try:
            if target.endswith(".py"):
                folder = Path(target).parent
                sys.path[:1] = [str(folder), str(folder.parent)]  # as `python -m` has the latter
                runpy.run_path(target, run_name="__main__")
            else:
                runpy.run_module(target, run_name="__main__", alter_sys=True)
        except SystemExit as stop:
            code = stop.code or 0
        except BaseException:
            traceback.print_exc()
        out.write(f"\\nexit {code}")

for target in sys.argv[1:]:
    pid = os.fork()
    if pid == 0:
        helped(target)
        os._exit(0)
    os.waitpid(pid, 0)
"""


def pip(python: Path, *words: str) -> None:
    """Installs into another environment, from this one's packages alone."""
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-deps"]
    command += ["--no-build-isolation", *words]
    done = subprocess.run(command, capture_output=True, text=True, env=BARE)
    assert done.returncode == 0, done.stderr


def environment(folder: Path) -> Path:
    """The interpreter of an environment with the packages of this one, and not the project."""
    venv.create(folder, with_pip=False)
    shared = [path for path in sys.path if path.endswith("site-packages")]
    (home,) = folder.glob("lib/python*/site-packages")
    (home / "shared.pth").write_text("\n".join(shared) + "\n")
    return folder / "bin" / "python"


def run(python: Path, *words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A command of that environment, started in a folder."""
    return subprocess.run(
        [str(python), *words], capture_output=True, text=True, env=BARE, cwd=folder
    )


@pytest.fixture(scope="session")
def editable(tmp_path_factory) -> Path:
    """The interpreter of an environment that the checkout is installed in, editable."""
    python = environment(tmp_path_factory.mktemp("editable"))
    pip(python, "-e", str(REPOSITORY))
    return python


@pytest.fixture(scope="session")
def said(editable, tmp_path_factory) -> dict[str, str]:
    """What each script, by its path, and each module that documents name says to --help."""
    folder = tmp_path_factory.mktemp("help")
    named = {command.target for path in DOCUMENTS for command in commands(path)}
    named |= {entry["command"].split()[2] for entry in ENTRIES.values()}
    modules = sorted(
        target
        for target in named
        if not target.startswith(("make ", "benchmarks")) and " " not in target
    )
    done = run(editable, "-c", HELP, *map(str, BENCHMARKS), *modules, folder=folder)
    assert done.returncode == 0, done.stderr
    texts = {path.name.replace(":", "/"): path.read_text() for path in folder.iterdir()}
    return {
        Path(name).relative_to(REPOSITORY).as_posix() if name.endswith(".py") else name: text
        for name, text in texts.items()
    }
