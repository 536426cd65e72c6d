"""What a model costs on a device: size, parameters, arithmetic, time, memory.

python -m heart_reader.edge.measure FILE    # peak memory of a process of its own, in MB
"""

import importlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from heart_reader.cli.entry import run_entry
from heart_reader.edge.formats.table import FORMATS, load_runtime
from heart_reader.edge.sample import Array, Sample
from heart_reader.errors import ModelError
from heart_reader.project import REPOSITORY

BATCH = 64  # records a call
TURN = 10  # predictions of one model before the next one's
WARM_UP = 2  # of a turn, not counted
MEMORY_RUNS = 20


class Predictor(Protocol):
    """Anything that says probabilities of records: an exported file, or a bundle in PyTorch."""

    n_features: int
    shape: tuple[int, int]  # of a signal
    n_classes: int

    def probabilities(self, signal: Array, features: Array | None, mask: Array | None, /) -> Array:
        """(n, n_classes)"""


# ---------------------------------------------------------------- time


def latencies(
    predictors: Mapping[str, Predictor], sample: Sample, n_runs: int
) -> dict[str, NDArray[np.float64]]:
    """Seconds of each prediction of one record, (n_runs,) for each predictor.

    They take turns, so that whatever else the machine does falls on all alike. A turn is several
    predictions, the first of them not counted: a device runs one model, and finds its weights in
    the processor's cache.
    """
    seconds: dict[str, list[float]] = {name: [] for name in predictors}
    for start in range(0, n_runs, TURN):
        for name, predictor in predictors.items():
            for run in range(start - WARM_UP, min(start + TURN, n_runs)):
                row = run % len(sample)
                one = inputs_of(predictor, sample, slice(row, row + 1))
                started = time.perf_counter()
                predictor.probabilities(*one)
                if run >= start:
                    seconds[name].append(time.perf_counter() - started)
    return {name: np.array(values) for name, values in seconds.items()}


# ---------------------------------------------------------------- size and memory


def file_bytes(path: Path) -> int:
    """Of a file, or of all files of a bundle's folder."""
    if path.is_file():
        return path.stat().st_size
    return sum(each.stat().st_size for each in path.rglob("*") if each.is_file())


def peak_memory(path: Path) -> float:
    """Megabytes that a process grows by when it loads a model and predicts, one thread.

    Measured in a process of its own, behind the import of the model's library.

    Raises:
        ModelError: the process fails.
    """
    paths = [str(REPOSITORY), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-m", "heart_reader.edge.measure", str(path)]
    found = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if found.returncode:
        why = (found.stderr.strip().splitlines() or ["no word"])[-1]
        raise ModelError(f"the memory of {path.name} can't be measured: {why}")
    return float(found.stdout.split()[-1])


def main(words: Sequence[str]) -> None:
    """Prints the megabytes."""
    if len(words) != 1:
        raise ModelError("usage: python -m heart_reader.edge.measure FILE")
    path = Path(words[0])
    if path.is_dir():
        from heart_reader.edge.eager import load_eager as load
    else:
        load = load_runtime  # type: ignore[assignment]
        if path.suffix in FORMATS:  # the interpreter is part of the device's system
            importlib.import_module(FORMATS[path.suffix].library)
    before = _restart_peak()
    predictor = load(path)
    for _ in range(MEMORY_RUNS):
        predictor.probabilities(*_blank(predictor))
    print(f"{(_status_kib('VmHWM') - before) / 1024:.2f}")


def _blank(predictor: Predictor) -> tuple[Array, Array | None, Array | None]:
    """Inputs for one record of noise, as weak as an ECG."""
    generator = np.random.default_rng(0)
    signal = generator.normal(0, 0.1, (1, *predictor.shape)).astype(np.float32)
    nothing = np.zeros((1, predictor.n_features), np.float32)
    return (signal, nothing, nothing) if predictor.n_features else (signal, None, None)


def _restart_peak() -> float:
    # Linux forgets the peak when 5 is written here; what is there now is where it starts.
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _status_kib("VmRSS")


def _status_kib(key: str) -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(rf"^{key}:\s+(\d+) kB$", status, re.MULTILINE)
    if found is None:
        raise ModelError(f"this system doesn't tell {key}")
    return float(found.group(1))


# ---------------------------------------------------------------- all records


def predict_all(predictor: Predictor, sample: Sample) -> Array:
    """Probabilities of many records, (n, n_classes)."""
    parts = [np.empty((0, predictor.n_classes), np.float32)]
    for start in range(0, len(sample), BATCH):
        parts.append(
            predictor.probabilities(*inputs_of(predictor, sample, slice(start, start + BATCH)))
        )
    return np.concatenate(parts)


def inputs_of(
    predictor: Predictor, sample: Sample, rows: slice
) -> tuple[Array, Array | None, Array | None]:
    """Some records as a predictor takes them."""
    if not predictor.n_features or not sample.features.shape[1]:
        return sample.signal[rows], None, None
    return sample.signal[rows], sample.features[rows], sample.mask[rows]


if __name__ == "__main__":
    raise SystemExit(run_entry(main))
