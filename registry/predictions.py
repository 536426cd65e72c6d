"""What registered versions said about fold 9: as logged, or said again where that doesn't fit."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from heart_reader.bundles import AnyBundle
from heart_reader.cache import cache_folder
from heart_reader.config import Config
from heart_reader.data.dataset import FeaturesConfig, Records, load_development
from heart_reader.data.ptbxl import SUPERCLASSES, VALIDATION_FOLD
from heart_reader.errors import ModelError
from heart_reader.scoring import score
from heart_reader.tracking import ModelVersion, Run

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
    """

    rows: NDArray[np.intp]
    ecg_id: NDArray[np.int64]
    patients: NDArray[np.int64]
    y_true: NDArray[np.uint8]
    digest: str


def fold9(records: Records) -> Fold9:
    """Fold 9 of development records."""
    rows = records.rows((VALIDATION_FOLD,))
    patients = records.metadata["patient_id"].to_numpy()[rows]
    return Fold9(rows, records.ecg_id[rows], patients, records.y_true[rows], records.digest)


def load_records(bundles: Sequence[AnyBundle], config: Config) -> Records:
    """Folds 1 to 9 with the features that the bundles read; without bundles, none.

    Raises:
        ModelError: they read features of different sources.
    """
    sources = {bundle.encoder.source for bundle in bundles if bundle.encoder is not None}
    if len(sources) > 1:
        raise ModelError(f"models must read the same features, but read {sorted(sources)}")
    source = FeaturesConfig(sources.pop() if sources else "none")
    return load_development(config.data, source, cache_folder())


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
    truth = [f"true_{name}" for name in SUPERCLASSES]
    same = np.array_equal(frame["ecg_id"], fold.ecg_id)
    if not same or not np.array_equal(frame[truth].to_numpy(), fold.y_true):
        return None
    return frame[[f"score_{name}" for name in SUPERCLASSES]].to_numpy(np.float32)


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
    """Fold-9 probabilities said again, with the features that the bundle reads."""
    return score(bundle, load_records([bundle], config), (VALIDATION_FOLD,)).y_score
