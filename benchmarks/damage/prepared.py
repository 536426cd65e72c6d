"""Commands that begin at once: forked from a process that has imported all that they import.

The imports take longer than most commands here work, and a kill within them leaves nothing behind.
"""

import importlib
import json
import os
import runpy
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

IMPORTED = (
    *("heart_reader.train", "tuning.train", "registry.gate.promote", "registry.export"),
    *("registry.pretrained.import_bundle", "registry.ensemble.make", "registry.sync.syncer"),
    *("registry.sync.step", "registry.doctor.examine", "mlflow.pyfunc", "matplotlib.pyplot"),
    *("mlflow.store.tracking.sqlalchemy_store", "mlflow.store.model_registry.sqlalchemy_store"),
    "sklearn.metrics",  # onnxruntime has a thread, which a fork lacks
)


class Prepared:
    """The process that has imported everything; one command at a time.

    Args:
        environment: of it, and so of every command.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.damage.prepared"],
            env=dict(environment), stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
        )  # fmt: skip
        self._said()  # it is ready
        self._pid = 0

    def start(self, words: Sequence[str], folder: Path) -> None:
        """``python -m WORDS`` in a folder, as a process group; what it prints goes to ``log``."""
        self._say({"words": list(words), "folder": str(folder)})
        self._pid = self._said()

    def wait(self, seconds: float | None = None) -> int:
        """The exit code.

        Raises:
            TimeoutError: it goes on for longer.
        """
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], seconds)
        if not ready:
            raise TimeoutError
        return self._said()

    def kill(self) -> None:
        """-9, with all that it started."""
        os.killpg(self._pid, signal.SIGKILL)
        self.wait()
        with suppress(ProcessLookupError):  # one that was born meanwhile
            os.killpg(self._pid, signal.SIGKILL)

    def close(self) -> None:
        """Ends the process."""
        self._process.communicate()

    def _say(self, what: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(what).encode() + b"\n")

    def _said(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())


# ---------------------------------------------------------------- in that process


def main() -> None:
    """Imports, then forks a child for each line; says its process, and how it ended."""
    for module in IMPORTED:
        importlib.import_module(module)
    print(0, flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        if not (pid := os.fork()):
            become(asked["words"], Path(asked["folder"]))
            return
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


def become(words: Sequence[str], folder: Path) -> None:
    """In the child: all that ``python -m`` does."""
    os.setsid()
    os.chdir(folder)
    log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    sys.argv = list(words)
    runpy.run_module(words[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
