"""Bundles, records, tables, places, configurations that mean harm: a line each, soon, in little.

python -m benchmarks.hostile [--only WFDB]

Each is given to ``predict``, or read as a configuration, in a process that is forked from one that
has imported everything. It must end with one line that begins with ``error:``, within a second of
computing, and in less than 500 MB above what the process held before.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.damage.attempts import LARGEST, TooLongError, forgotten_peak, limits, peak
from benchmarks.damage.harm import CASES, Case
from heart_reader import predict
from heart_reader.cli.entry import run_entry
from heart_reader.config.load import load_config

SECONDS = 1.0


# ---------------------------------------------------------------- trying them


@dataclass(frozen=True)
class Found:
    """What became of one: seconds of computing, MB above what was held, and what was printed."""

    seconds: float
    megabytes: float
    said: str

    @property
    def wrong(self) -> str:
        """The rule that it broke, or ""."""
        if not self.said.startswith("error: ") or self.said.count("\n") != 1:
            return f"no clear line: {self.said[-300:]!r}"
        if self.seconds > SECONDS:
            return f"took {self.seconds:.1f} s"
        return f"took {self.megabytes:.0f} MB" if self.megabytes > LARGEST else ""


def tried(case: Case) -> Found:
    """In a child, whose output and memory are its own."""
    with tempfile.TemporaryDirectory() as name:
        words, said = case(Path(name)), Path(name) / "said"
        if not (pid := os.fork()):
            _become(words, Path(name))
        os.waitpid(pid, 0)
        seconds, megabytes = json.loads((Path(name) / "took").read_text())
        return Found(seconds, megabytes, said.read_text())


def _become(words: Sequence[str], folder: Path) -> None:
    os.chdir(folder)
    file = os.open("said", os.O_WRONLY | os.O_CREAT)
    os.dup2(file, 1)
    os.dup2(file, 2)
    held, began = forgotten_peak(), time.process_time()
    try:
        with limits():
            run_entry(configured if words[0] == "--config" else predict.main, words=words)
    except TooLongError:
        print("hangs", flush=True)
    except BaseException as error:  # what must not happen is said, and counted
        print(f"{type(error).__name__}: {error}", flush=True)
    sys.stdout.flush()
    took = [time.process_time() - began, peak() - held]
    Path("took").write_text(json.dumps(took))
    os._exit(0)


def configured(words: Sequence[str]) -> None:
    """Reads a configuration alone."""
    load_config(words[1], {})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=list(CASES), help="one kind")
    options = parser.parse_args()
    print("| kind | cases | rule broken | slowest s | most MB |\n| --- | --- | --- | --- | --- |")
    for kind in [options.only] if options.only else CASES:
        found = {name: tried(case) for name, case in CASES[kind].items()}
        wrong = {name: each.wrong for name, each in found.items() if each.wrong}
        slowest = max(each.seconds for each in found.values())
        largest = max(each.megabytes for each in found.values())
        row = [kind, len(found), len(wrong), f"{slowest:.2f}", f"{largest:.0f}"]
        print(f"| {' | '.join(map(str, row))} |", flush=True)
        for name, what in wrong.items():
            print(f"  {kind}, {name}: {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
