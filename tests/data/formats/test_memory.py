"""A day of 12 leads is read as far as it is used: in a process of its own, by its peak memory.

Covers: heart_reader.data.formats.families.wfdb_record, heart_reader.data.formats.families.ishne.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.ecg_files.recorders import write_ishne
from benchmarks.ecg_files.truth import truth_of
from heart_reader.data.ptbxl import LEADS
from tests.conftest import REPOSITORY
from tests.data.recordings.test_model_input import sines

DAY = 24 * 3600  # s
FS = 1000
LIMIT = 100  # MB beyond the 180 that the libraries take by themselves

SCRIPT = """
import resource, sys
import wfdb
from heart_reader.data.formats import read_recording
from heart_reader.data.recordings.model_input import seconds_wanted, to_model_input
from heart_reader.data.spec import PTBXL_SIGNAL
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = read_recording(sys.argv[1], 1000, "mV", seconds=seconds_wanted(PTBXL_SIGNAL))
made = to_model_input(found, PTBXL_SIGNAL)
peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) / 1024
print(found.seconds, made.signal.std(), peak)
"""


def stretched(path: Path, n_bytes: int) -> None:
    """A sparse file of some length: zeros that take no room on the disk."""
    with path.open("r+b") as file:
        file.truncate(n_bytes)


def wfdb_day(folder: Path) -> Path:
    lines = [f"day {12} {FS} {DAY * FS}"]
    lines += [f"day.dat 16 1000(0)/mV 16 0 0 0 0 {lead}" for lead in LEADS]
    (folder / "day.hea").write_text("\n".join(lines))
    steps = np.rint(sines(FS) * 1000).astype("<i2")
    (folder / "day.dat").write_bytes(steps.tobytes())
    stretched(folder / "day.dat", 24 * DAY * FS)
    return folder / "day.hea"


def ishne_day(folder: Path) -> Path:
    path = write_ishne(folder, truth_of(sines(FS).T, FS))
    stretched(path, 522 + 24 * DAY * FS)
    return path


def npy_day(folder: Path) -> Path:
    array = np.lib.format.open_memmap(folder / "day.npy", "w+", np.float32, (DAY * FS, 12))
    array[: 10 * FS] = sines(FS)
    array.flush()
    return folder / "day.npy"


def csv_hour(folder: Path) -> Path:
    rows = "\n".join(",".join(f"{v:.3f}" for v in row) for row in sines(FS)) + "\n"
    with (folder / "hour.csv").open("w") as file:
        file.write(",".join(LEADS) + "\n")
        for _ in range(60):
            file.write(rows)
    return folder / "hour.csv"


@pytest.mark.parametrize("make", [wfdb_day, ishne_day, npy_day, csv_hour])
def test_only_what_is_used_is_read(tmp_path, make):
    command = [sys.executable, "-c", SCRIPT, str(make(tmp_path))]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    run = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    seconds, spread, peak = map(float, run.stdout.split())
    assert seconds == pytest.approx(600 if make is csv_hour else DAY)
    assert spread == pytest.approx(sines(100).std(), rel=0.01)
    assert peak < LIMIT
