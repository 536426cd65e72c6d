"""What registered versions said about fold 9: as logged, or said again where that doesn't fit."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from heart_reader.bundle.evidence import FILE as EVIDENCE
from heart_reader.bundle.evidence import Evidence, load_evidence, patients_of
from heart_reader.bundle.kinds import AnyBundle
from heart_reader.bundle.scoring import score
from heart_reader.config.load import Config
from heart_reader.data.dataset import FeaturesConfig, Records, load_development
from heart_reader.data.manifest import is_manifest
from heart_reader.data.ptbxl import METADATA_FILE, VALIDATION_FOLD
from heart_reader.errors import DataError, ModelError
from heart_reader.evaluation.trust.made import LOGGED as CALIBRATED
from heart_reader.files import cache_folder
from heart_reader.tasks.task import Task
from heart_reader.tracking import ModelVersion, Run
from registry.client import pinned

LOGGED = f"predictions_fold{VALIDATION_FOLD}.parquet"
# Where weights were fitted on fold 9, the scores that a version may be judged by.
CROSS_FITTED = f"predictions_fold{VALIDATION_FOLD}_crossfitted.parquet"


@dataclass(frozen=True)
class Fold9:
    """Fold 9 of some records.

    Attributes:
        rows: of the records, (n_records,).
        ecg_id, patients: (n_records,).
        y_true: (n_records, n_classes).
        digest: of the records.
        classes: of the columns.
    """

    rows: NDArray[np.intp]
    ecg_id: NDArray[np.int64]
    patients: NDArray[np.int64]
    y_true: NDArray[np.uint8]
    digest: str
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Ground:
    """What versions are judged on.

    Attributes:
        fold: labels and patients of fold 9.
        records: with the signals; ``None`` where the data aren't on this machine.
    """

    fold: Fold9
    records: Records | None


def data_present(root: str) -> bool:
    """Whether the records of a configuration's ``data.root`` are on this machine."""
    if is_manifest(root):
        return Path(root).exists()
    return root == "demo" or (Path(root) / METADATA_FILE).exists()


def find_ground(
    versions: Sequence[ModelVersion],
    bundles: Sequence[AnyBundle],
    config: Config,
    data_named: bool,
) -> Ground:
    """Fold 9 from the data where they are, else as it came along with imported versions.

    Args:
        versions: to be judged.
        bundles: whose features are needed.
        config: names the data.
        data_named: by the user, who then means them.

    Raises:
        DataError: no data, and none of the versions brought fold 9 along, or not the same.
    """
    root = config.data.root
    if data_present(root) or data_named:
        records = load_records(bundles, config)
        return Ground(fold9(records), records)
    found = {pinned(version): evidence_of(version) for version in versions}
    brought = {name: each for name, each in found.items() if each is not None}
    if not brought:
        raise DataError(
            f"there is no PTB-XL at {root!r}, and {', '.join(found)} brought no fold-9 "
            "predictions along: give data=PATH"
        )
    digests = {each.digest for each in brought.values()}
    if len(digests) > 1:
        raise DataError(f"{', '.join(brought)} were judged on different data: give data=PATH")
    return Ground(_travelled(next(iter(brought.values()))), None)


def data_root_of(version: ModelVersion) -> str:
    """The ``data.root`` that a version was made with, as its run's params say."""
    if not version.run_id:
        return "unknown"
    params = Run(version.run_id).params()
    return params.get("data.root", params.get("made.data.root", "unknown"))


def evidence_of(version: ModelVersion) -> Evidence | None:
    """What a version's run holds of it, or ``None`` where the version wasn't made to travel."""
    if not version.run_id:
        return None
    with tempfile.TemporaryDirectory() as name:
        path = Run(version.run_id).download(EVIDENCE, Path(name))
        return None if path is None else load_evidence(path.parent)


def _travelled(evidence: Evidence) -> Fold9:
    rows = np.arange(len(evidence.ecg_id))
    ecg_id, patients = (each.astype(np.int64) for each in (evidence.ecg_id, evidence.patient_id))
    return Fold9(rows, ecg_id, patients, evidence.y_true, evidence.digest, evidence.classes)


def fold9(records: Records) -> Fold9:
    """Fold 9 of development records."""
    rows = records.rows((VALIDATION_FOLD,))
    patients = patients_of(records, rows)
    ecg_id, y_true = records.ecg_id[rows], records.y_true[rows]
    return Fold9(rows, ecg_id, patients, y_true, records.digest, records.task.classes)


def require_same_task(bundles: Mapping[str, AnyBundle]) -> None:
    """Refuses to compare or to join models that answer different questions.

    Args:
        bundles: by the names of their versions.

    Raises:
        ModelError: two differ in their task; names both.
    """
    tasks = {name: bundle.task for name, bundle in bundles.items()}
    if len({task.classes for task in tasks.values()}) > 1:
        said = ", ".join(
            f"{name} answers {task.name} ({task.n_classes} classes)"
            for name, task in tasks.items()
        )
        raise ModelError(f"models of different tasks can't be compared: {said}{_apart(tasks)}")


def _apart(tasks: Mapping[str, Task]) -> str:
    """Of tasks that share a name, such as a manifest's that got another class: what to do."""
    if len({task.name for task in tasks.values()}) > 1:
        return ""
    every = [task.classes for task in tasks.values()]
    names = dict.fromkeys(name for classes in every for name in classes)
    apart = [name for name in names if not all(name in classes for classes in every)]
    what = f"not all have {', '.join(apart)}" if apart else "in another order"
    return f": {what}; give one of them a name of its own in its task file"


def load_records(bundles: Sequence[AnyBundle], config: Config) -> Records:
    """Folds 1 to 9 with the features that the bundles read; without bundles, none.

    Raises:
        ModelError: they read features of different sources.
    """
    sources = {bundle.feature_source for bundle in bundles} - {"none"}
    if len(sources) > 1:
        raise ModelError(f"models must read the same features, but read {sorted(sources)}")
    source = FeaturesConfig(sources.pop() if sources else "none")
    return load_development(config.data, config.task, source, cache_folder(), config.signal)


def logged_scores(version: ModelVersion, fold: Fold9, file: str) -> NDArray[np.float32] | None:
    """Logged probabilities (n_records, n_classes), or ``None`` where they aren't of this version
    and these records."""
    if not version.run_id:
        return None
    run = Run(version.run_id)
    tags = run.tags()
    if tags.get("model") != version.uri or tags.get("data_digest") != fold.digest[:16]:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = run.download(file, Path(folder))
        if path is None:
            return None
        frame = pd.read_parquet(path)
    truth = [f"true_{name}" for name in fold.classes]
    if not set(truth) <= set(frame):
        return None
    same = np.array_equal(frame["ecg_id"], fold.ecg_id)
    if not same or not np.array_equal(frame[truth].to_numpy(), fold.y_true):
        return None
    return frame[[f"score_{name}" for name in fold.classes]].to_numpy(np.float32)


def calibrated_by_others(version: ModelVersion, fold: Fold9) -> NDArray[np.float32] | None:
    """Logged probabilities that a calibrator of other patients made, by which calibration may be
    judged; ``None`` of a version that has no calibrator."""
    return logged_scores(version, fold, CALIBRATED)


def scores_to_judge(
    version: ModelVersion, bundle: AnyBundle, fold: Fold9, config: Config
) -> NDArray[np.float32]:
    """Fold-9 probabilities that the version may be judged by."""
    for file in (CROSS_FITTED, LOGGED):
        found = logged_scores(version, fold, file)
        if found is not None:
            return found
    return predict_fold9(bundle, config)


def predict_fold9(bundle: AnyBundle, config: Config) -> NDArray[np.float32]:
    """Fold-9 probabilities said again, with the features that the bundle reads.

    Raises:
        DataError: the data aren't on this machine.
    """
    if not data_present(config.data.root):
        raise DataError(
            "a version has no logged predictions of these fold-9 records, and to predict them "
            f"PTB-XL is needed, which isn't at {config.data.root!r}: give data=PATH"
        )
    return score(bundle, load_records([bundle], config), (VALIDATION_FOLD,)).y_score
