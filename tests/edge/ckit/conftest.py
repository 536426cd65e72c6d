"""One kit of the tiny model, made once, and what a compiler makes of it."""

import ctypes
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from heart_reader.edge.device.folder import DeviceFile, write_device_folder
from heart_reader.evaluation.trust.calibrator import Calibrator, Curve
from tests.edge.test_run import CONTRACT, SOURCE, THRESHOLDS

CALIBRATOR = Calibrator(
    (
        Curve("none", 1.0, 0.0, (), ()),
        Curve("temperature", 1.4, 0.0, (), ()),
        Curve("platt", 0.8, -0.3, (), ()),
        Curve("isotonic", 1.0, 0.0, (0.0, 0.3, 0.6, 1.0), (0.1, 0.2, 0.7, 0.9)),
        Curve("platt", 1.0, 0.5, (), ()),
    )
)
STRICT = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-ffp-contract=off"]


def made(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """What make says."""
    command = ["make", "-C", str(folder), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def library(folder: Path, out: Path) -> ctypes.CDLL:
    """The kit's code without its tests, to be called from here."""
    names = ("heart_reader.c", "hr_kernels.c", "hr_model.c")
    sources = [str(folder / name) for name in names]
    command = ["cc", *STRICT, "-O2", "-shared", "-fPIC", *sources, "-lm", "-o", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return ctypes.CDLL(str(out))


def at(values: np.ndarray) -> ctypes.c_void_p:
    """An array's address."""
    return values.ctypes.data_as(ctypes.c_void_p)


@pytest.fixture(scope="session")
def device(bundle, tflite, tmp_path_factory) -> Path:
    """A device folder with its kit, fused form, calibrated."""
    if shutil.which("cc") is None or shutil.which("make") is None:
        pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("ckit") / "device"
    files = [DeviceFile(tflite["int8"], THRESHOLDS, CALIBRATOR)]
    write_device_folder(folder, files, bundle.encoder, SOURCE, *CONTRACT, c_kit=True)
    assert "left_out" not in json.loads((folder / "labels.json").read_text())
    return folder


@pytest.fixture(scope="session")
def kit(device: Path) -> Path:
    return device / "c"


@pytest.fixture(scope="session")
def lib(kit: Path, tmp_path_factory) -> ctypes.CDLL:
    loaded = library(kit, tmp_path_factory.mktemp("lib") / "kit.so")
    loaded.hr_calibrated.restype = ctypes.c_float
    return loaded
