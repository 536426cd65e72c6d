"""A device model as TFLite, in four precisions, by onnx2tf or litert-torch.

The converter runs in a process of its own: it ends the process that it fails in, prints as it
likes, takes more than a gigabyte, and would fetch calibration pictures from the network.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psutil

from heart_reader.edge.formats.litert.environment import litert_packages
from heart_reader.edge.formats.litert.program import save_program
from heart_reader.edge.network.device_model import DeviceModel
from heart_reader.edge.sample import Sample
from heart_reader.errors import DataError, ModelError
from heart_reader.files import cache_folder
from heart_reader.project import REPOSITORY

ONNX2TF = "heart_reader.edge.formats.tflite_converter"
LITERT = "heart_reader.edge.formats.litert.converter"
FORMATS = ("fp32", "fp16", "dynamic", "int8")
INPUTS_FILE = "tflite_inputs.json"
SECONDS = 1800.0
MEGABYTES = 6000.0  # resident; a model of the largest backbone takes about 1500


def export_tflite(
    source: Path,
    folder: Path,
    calibration: Sample,
    seconds: float = SECONDS,
    megabytes: float = MEGABYTES,
    model: DeviceModel | None = None,
) -> dict[str, Path]:
    """Writes ``NAME.FORMAT.tflite`` for each of ``FORMATS``, and ``INPUTS_FILE`` beside them.

    All take and give float32, one record at a time; "int8" computes in 8 bits inside, but for
    the encoder of the features and the last layer.

    Args:
        source: float32 ONNX file of `export_onnx`.
        folder: is there.
        calibration: records of the training folds, for "int8".
        seconds, megabytes: what the converter may take.
        model: of the file: litert-torch converts it; ``None``: onnx2tf converts the file.

    Returns:
        The paths by format.

    Raises:
        DataError: no calibration records.
        ModelError: an operator that the converter can't take, a converter that wants the
            network, or more time or memory.
    """
    if len(calibration) == 0:
        raise DataError("there are no records to calibrate on: INT8 needs some of folds 1 to 8")
    with tempfile.TemporaryDirectory(prefix=".tflite-", dir=folder) as name:
        work = Path(name)
        np.savez(work / "calibration.npz", **vars(calibration))
        if model is None:
            _convert(ONNX2TF, source, work, [], seconds, megabytes)
        else:
            packages = litert_packages(cache_folder())
            program = work / f"{source.stem}.pt2"
            save_program(model, program)
            _convert(LITERT, program, work, [packages], seconds, megabytes)
        paths = {key: folder / f"{source.stem}.{key}.tflite" for key in FORMATS}
        for key, path in paths.items():
            os.replace(work / f"{key}.tflite", path)
        inputs = json.loads((work / "inputs.json").read_text(encoding="utf-8"))
    by_file = {path.name: inputs for path in paths.values()}
    (folder / INPUTS_FILE).write_text(json.dumps(by_file, indent=1), encoding="utf-8")
    return paths


def _convert(
    module: str,
    source: Path,
    work: Path,
    packages: Sequence[Path],
    seconds: float,
    megabytes: float,
) -> None:
    command = [sys.executable, "-m", module, str(source.resolve()), str(work.resolve())]
    paths = [*map(str, packages), str(REPOSITORY), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(paths),
        "CUDA_VISIBLE_DEVICES": "",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_USE_LEGACY_KERAS": "1",
    }
    with (
        open(work / "log", "wb") as log,
        subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=work) as process,
    ):
        try:
            stopped = _watch(process, seconds, megabytes)
        finally:
            _kill(process)
    if stopped:
        raise ModelError(f"the TFLite converter was stopped: {stopped}")
    if process.returncode != 0:
        raise ModelError(f"the TFLite converter can't take {source.name}: {_why(work)}")


def _watch(process: subprocess.Popen[bytes], seconds: float, megabytes: float) -> str:
    """Waits for the end; says why it was not waited for, or ""."""
    end = time.monotonic() + seconds
    while process.poll() is None:
        if time.monotonic() > end:
            return f"it took more than {seconds:.0f} s"
        if _resident(process.pid) > megabytes * 1e6:
            return f"it took more than {megabytes:.0f} MB of memory"
        time.sleep(0.2)
    return ""


def _family(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _resident(pid: int) -> int:
    total = 0
    for process in _family(pid):
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def _kill(process: subprocess.Popen[bytes]) -> None:
    for each in _family(process.pid) if process.poll() is None else ():
        try:
            each.kill()
        except psutil.NoSuchProcess:
            continue
    process.wait()


def _why(work: Path) -> str:
    """What the child says, or else its last line."""
    reason = work / "error"
    if reason.exists():
        return reason.read_text(encoding="utf-8")
    lines = (work / "log").read_text(encoding="utf-8", errors="replace").split("\n")
    said = [line.strip() for line in lines if line.strip()]
    return said[-1][:300] if said else "it ended without a word"
