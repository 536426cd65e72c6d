"""Does a registered model load where nothing of ours is, and say again what was logged of it?"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from numpy.typing import NDArray

from heart_reader.bundle.evidence import Evidence
from heart_reader.bundle.kinds import AnyBundle
from heart_reader.data.dataset import Records
from heart_reader.data.ptbxl import age_years
from heart_reader.errors import ModelError
from heart_reader.tracking import ModelVersion

SECONDS = 900  # that loading and predicting may take on a busy machine
SCRIPT = Path(__file__).with_name("clean_load.py")


Arrays = Mapping[str, NDArray[Any]]


def arrays_of(bundle: AnyBundle, records: Records, rows: NDArray[np.intp]) -> Arrays:
    """Some records as the clean process reads them.

    It measures the features itself: the delineation of today may differ from the model's.
    """
    arrays = {
        "signals": records.millivolts(rows),
        "age": age_years(records.metadata)[rows],
        "sex": records.metadata["sex"].to_numpy()[rows],
    }
    if reads_table(bundle) and records.features is not None:
        arrays["features"] = records.features.values[rows]
    return arrays


def arrays_of_probes(evidence: Evidence) -> Arrays:
    """Synthetic ECGs likewise; nobody knows their age and sex."""
    unknown = np.full(len(evidence.probes), np.nan)
    return {"signals": evidence.probe_signals(), "age": unknown, "sex": unknown}


def predict_in_clean_process(version: ModelVersion, arrays: Arrays) -> NDArray[np.float32]:
    """Probabilities (n_records, n_classes) by a process that finds no code but the model's own.

    Raises:
        ModelError: the model can't be loaded there, or can't predict; with its last line.
    """
    with tempfile.TemporaryDirectory() as name:
        given, target = Path(name) / "given.npz", Path(name) / "said.npy"
        np.savez(given, allow_pickle=False, **arrays)
        # -P keeps the folder of the script and the current one off the path.
        command = [sys.executable, "-P", str(SCRIPT), version.uri, str(given), str(target)]
        try:
            done = subprocess.run(
                command, env=_environment(), capture_output=True, text=True, timeout=SECONDS
            )
        except subprocess.TimeoutExpired as error:
            raise ModelError(f"{version.uri} didn't predict within {SECONDS} s") from error
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise ModelError(f"{version.uri} doesn't load in a clean process: {last}")
        return np.asarray(np.load(target), np.float32)


def reads_table(bundle: AnyBundle) -> bool:
    """Whether its features come from a PTB-XL+ table, so that they can't be measured."""
    return bundle.encoder is not None and bundle.encoder.source != "compute"


def _environment() -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return kept | {"MLFLOW_TRACKING_URI": mlflow.get_tracking_uri()}
