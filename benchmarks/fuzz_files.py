"""Damaged files of every family: each is read or refused in one line, soon, in little memory.

python -m benchmarks.fuzz_files [--files 200] [--seed 0] [--kind WFDB]

Bytes are flipped, cut, repeated, and numbers made huge. A family's files are read in a process of
its own, so that its peak memory is its own.
"""

import argparse
import tempfile
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.damage.attempts import Outcome, attempt, mutated, print_outcome, print_table
from benchmarks.ecg_files.truth import truth_of
from benchmarks.ecg_files.writers import WRITERS
from heart_reader.data.formats import read_recording
from heart_reader.data.recordings.model_input import seconds_wanted, to_model_input
from heart_reader.data.spec import PTBXL_SIGNAL


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
        attempt(partial(_read, str(path)), outcome, partial(_unclear, str(path)))
        file.write_bytes(originals[file])
    return outcome


def _read(path: str) -> None:
    found = read_recording(path, 250, seconds=seconds_wanted(PTBXL_SIGNAL))
    to_model_input(found, PTBXL_SIGNAL)


def _unclear(path: str, text: str) -> bool:
    return "\n" in text or path.partition("#")[0].rpartition(".")[0] not in text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=200, help="damaged files of each family")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", help="one family, in this process")
    options = parser.parse_args()
    if options.kind:
        with tempfile.TemporaryDirectory() as folder:
            print_outcome(fuzz(options.kind, options.files, options.seed, Path(folder)))
    else:
        words = ["--files", str(options.files), "--seed", str(options.seed)]
        print_table("benchmarks.fuzz_files", WRITERS, words)


if __name__ == "__main__":
    main()
