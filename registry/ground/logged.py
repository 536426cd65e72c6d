"""A version's own fold-9 predictions, with its run's files that other versions of it need too."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from heart_reader.bundle.evidence import FILE as EVIDENCE
from heart_reader.bundle.evidence import load_evidence
from heart_reader.errors import ModelError
from heart_reader.evaluation.trust.made import LOGGED as CALIBRATED
from heart_reader.evaluation.trust.made import TABLE as CALIBRATION_TABLE
from heart_reader.tracking import ModelVersion, Run
from registry.client import pinned
from registry.ground.fold9 import CROSS_FITTED, LOGGED

COPIED = (EVIDENCE, "config.yaml", "weights.json", CALIBRATED, CALIBRATION_TABLE)


@dataclass(frozen=True)
class Logged:
    """What a version said about fold 9.

    Attributes:
        classes: in order.
        own: its scores, (n_records, n_classes), which thresholds stand on.
        judged: those that it may be judged by: an ensemble's are cross-fitted.
        patients: (n_records,); ``None`` where nobody wrote them down.
    """

    classes: tuple[str, ...]
    ecg_id: NDArray[np.int64]
    y_true: NDArray[np.uint8]
    own: NDArray[np.float32]
    judged: NDArray[np.float32]
    patients: NDArray[np.int64] | None


def read_logged(version: ModelVersion, folder: Path, copied: Sequence[str] = COPIED) -> Logged:
    """The fold-9 predictions of a version; its run's files stay in the folder.

    Args:
        version: of the registry.
        folder: for the files.
        copied: those that are wanted beside the predictions.

    Raises:
        ModelError: there are none, or they are those of another version.
    """
    run = Run(version.run_id) if version.run_id else None
    if run is None or run.tags().get("model") != version.uri:
        raise ModelError(
            f"{pinned(version)} has no fold-9 predictions logged with it: those of its own run "
            "alone are its own"
        )
    return logged_of_run(run, folder, copied)


def logged_of_run(run: Run, folder: Path, copied: Sequence[str] = COPIED) -> Logged:
    """The same of what a run made.

    Raises:
        ModelError: it has no fold-9 predictions.
    """
    own = run.download(LOGGED, folder)
    if own is None:
        raise ModelError(f"run {run.run_id} has no {LOGGED}")
    for file in copied:
        run.download(file, folder)
    crossed = run.download(CROSS_FITTED, folder)
    frame = pd.read_parquet(own)
    classes = tuple(str(c).removeprefix("true_") for c in frame if str(c).startswith("true_"))
    judged = frame if crossed is None else pd.read_parquet(crossed)
    return Logged(
        classes,
        frame["ecg_id"].to_numpy(np.int64),
        frame[[f"true_{name}" for name in classes]].to_numpy(np.uint8),
        _scores(frame, classes),
        _scores(judged, classes),
        _patients(frame, folder),
    )


def _scores(frame: pd.DataFrame, classes: Sequence[str]) -> NDArray[np.float32]:
    return frame[[f"score_{name}" for name in classes]].to_numpy(np.float32)


def _patients(frame: pd.DataFrame, folder: Path) -> NDArray[np.int64] | None:
    if "patient_id" in frame:
        return frame["patient_id"].to_numpy(np.int64)
    evidence = load_evidence(folder)
    if evidence is None or not np.array_equal(evidence.ecg_id, frame["ecg_id"]):
        return None
    return evidence.patient_id.astype(np.int64)
