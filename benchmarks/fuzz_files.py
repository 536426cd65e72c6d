"""Damaged files of every family: each is read or refused in one line, soon, in little memory.

python -m benchmarks.fuzz_files [--files 200] [--seed 0] [--kind WFDB]

Bytes are flipped, cut, repeated, and numbers made huge. A family's files are read in a process of
its own, so that its peak memory is its own.
"""

import argparse
import json
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType

import numpy as np

from benchmarks.ecg_files.truth import truth_of
from benchmarks.ecg_files.writers import WRITERS
from heart_reader.data.formats import read_recording
from heart_reader.data.recordings.model_input import seconds_wanted, to_model_input
from heart_reader.data.spec import PTBXL_SIGNAL
from heart_reader.errors import DataError

LONGEST = 5.0  # s that a file may take
EXTREMES = (b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\0", b"\xff\xff", b"\0\x80", b"\0\0")


class TooLongError(BaseException):  # an Exception would be taken for damage
    """A file took more than `LONGEST`."""


@dataclass
class Outcome:
    """What became of a family's damaged files; ``wrong`` says each that broke a rule."""

    kind: str
    read: int = 0
    refused: int = 0
    slowest: float = 0.0  # s
    wrong: list[str] = field(default_factory=list)


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """A copy with one kind of damage; the beginning, where headers are, is hit more often."""
    damaged = bytearray(content)
    span = len(content) if rng.random() < 0.5 else min(len(content), 2000)
    where = int(rng.integers(span))
    match int(rng.integers(5)):
        case 0:
            for place in rng.integers(span, size=rng.integers(1, 17)):
                damaged[place] = int(rng.integers(256))
        case 1:
            del damaged[where:]
        case 2:
            extreme = EXTREMES[int(rng.integers(len(EXTREMES)))]
            damaged[where : where + len(extreme)] = extreme
        case 3:
            damaged[where:where] = damaged[where : where + int(rng.integers(1, 500))]
        case _:
            numbers = list(re.finditer(rb"\d+", content[:span]))
            if numbers:
                found = numbers[int(rng.integers(len(numbers)))]
                damaged[found.start() : found.end()] = b"9" * int(rng.integers(1, 12))
    return bytes(damaged)


def fuzz(kind: str, n_files: int, seed: int, folder: Path) -> Outcome:
    """Damages a family's sample so many times and reads each."""
    rng = np.random.default_rng([seed, sorted(WRITERS).index(kind)])
    t = np.arange(2500) / 250
    waves = 0.1 * np.arange(1, 13)[:, None] * np.sin(2 * np.pi * 3 * t)
    path = WRITERS[kind](folder, truth_of(waves, 250))
    files = [Path(str(path).partition("#")[0])]
    if kind == "WFDB":
        files.append(files[0].with_suffix(".dat"))
    originals = {file: file.read_bytes() for file in files}
    outcome = Outcome(kind)
    for _ in range(n_files):
        file = files[int(rng.integers(len(files)))]
        file.write_bytes(mutated(originals[file], rng))
        _read(str(path), outcome)
        file.write_bytes(originals[file])
    return outcome


def _read(path: str, outcome: Outcome) -> None:
    began = time.perf_counter()
    previous = signal.signal(signal.SIGALRM, _too_long)
    signal.setitimer(signal.ITIMER_REAL, LONGEST)
    try:
        found = read_recording(path, 250, seconds=seconds_wanted(PTBXL_SIGNAL))
        to_model_input(found, PTBXL_SIGNAL)
        outcome.read += 1
    except DataError as error:
        outcome.refused += 1
        text = str(error)
        if "\n" in text or path.partition("#")[0].rpartition(".")[0] not in text:
            outcome.wrong.append(f"unclear line: {text!r}")
    except TooLongError:
        outcome.wrong.append(f"more than {LONGEST} s")
    except Exception as error:  # what must not happen is counted
        outcome.wrong.append(f"{type(error).__name__}: {error}"[:300])
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    outcome.slowest = max(outcome.slowest, time.perf_counter() - began)


def _too_long(signum: int, frame: FrameType | None) -> None:
    raise TooLongError


# ---------------------------------------------------------------- command line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=200, help="damaged files of each family")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", help="one family, in this process")
    options = parser.parse_args()
    if options.kind:
        with tempfile.TemporaryDirectory() as folder:
            outcome = fuzz(options.kind, options.files, options.seed, Path(folder))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(asdict(outcome) | {"peak": peak}))
        return
    print("| family | files | read | refused | rule broken | slowest s | peak MB |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for kind in WRITERS:
        words = ["--kind", kind, "--files", str(options.files), "--seed", str(options.seed)]
        command = [sys.executable, "-m", "benchmarks.fuzz_files", *words]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode:
            print(f"| {kind} | died with {run.returncode}: {run.stderr[-200:]!r} |")
            continue
        found = json.loads(run.stdout.splitlines()[-1])
        cells = [found["read"], found["refused"], len(found["wrong"])]
        print(f"| {kind} | {options.files} | {' | '.join(map(str, cells))} | "
              f"{found['slowest']:.2f} | {found['peak']:.0f} |", flush=True)  # fmt: skip
        for line in found["wrong"]:
            print(f"  {kind}: {line}", file=sys.stderr)


if __name__ == "__main__":
    main()
