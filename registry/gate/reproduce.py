"""Does a registered bundle load in a clean process, and say again what was logged of it?"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import heart_reader
from heart_reader.bundle.evidence import Evidence
from heart_reader.errors import ModelError
from heart_reader.tracking import ModelVersion, download_bundle
from registry.gate import clean_load
from registry.ground.again import Arrays

SECONDS = 900  # that loading and predicting may take on a busy machine
# All that the clean process inherits: nothing that logs in anywhere.
INHERITED = ("PATH", "LD_LIBRARY_PATH", "OMP_NUM_THREADS", "OMP_WAIT_POLICY", "TMPDIR")


def arrays_of_probes(evidence: Evidence) -> Arrays:
    """Synthetic ECGs likewise; nobody knows their age and sex."""
    unknown = np.full(len(evidence.probes), np.nan)
    return {"signals": evidence.probe_signals(), "age": unknown, "sex": unknown}


def predict_in_clean_process(version: ModelVersion, arrays: Arrays) -> NDArray[np.float32]:
    """Probabilities (n_records, n_classes) by a process that has the bundle, and no secrets.

    Raises:
        ModelError: the version holds something else than a bundle and MLflow's own files, or the
            bundle can't be loaded there, or can't predict; with its last line.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bundle = download_bundle(version, folder / "version")
        given, target = folder / "given.npz", folder / "said.npy"
        np.savez(given, allow_pickle=False, **arrays)
        # -P keeps the current folder off the path.
        command = [sys.executable, "-P", "-m", clean_load.__name__]
        try:
            done = subprocess.run(
                [*command, str(bundle), str(given), str(target)],
                env=_environment(folder),
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=SECONDS,
            )
        except subprocess.TimeoutExpired as error:
            raise ModelError(f"{version.uri} didn't predict within {SECONDS} s") from error
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise ModelError(f"{version.uri} doesn't load in a clean process: {last}")
        return np.asarray(np.load(target), np.float32)


def _environment(home: Path) -> dict[str, str]:
    kept = {key: os.environ[key] for key in INHERITED if key in os.environ}
    ours = Path(heart_reader.__file__).parents[1]
    return kept | {"PYTHONPATH": str(ours), "HOME": str(home), "LC_ALL": "C.UTF-8"}
