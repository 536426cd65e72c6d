"""Structured features of a record: where they come from, and how a model sees them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from heart_reader.data import delineation
from heart_reader.data.cached import cached_array
from heart_reader.data.ptbxl import LEADS, SAMPLING_RATE, TRAIN_FOLDS, age_years
from heart_reader.data.ptbxl_plus import read_ptbxl_plus
from heart_reader.data.signals.store import SignalPack
from heart_reader.errors import DataError
from heart_reader.progress import progress

FloatArray = NDArray[np.float32]

DEMOGRAPHICS = ("age", "sex")  # years; 0 male, 1 female
BATCH = 256  # records delineated at a time: 12 MB of signals


@dataclass(frozen=True)
class FeatureTable:
    """Raw features, NaN where one is missing.

    Attributes:
        source: "compute", or the PTB-XL+ table that the values were read from.
        names: harmonised names of PTB-XL+, then ``DEMOGRAPHICS``.
        values: (n_records, n_features).
    """

    source: str
    names: tuple[str, ...]
    values: FloatArray


def feature_table(
    source: str,
    pack: SignalPack,
    metadata: pd.DataFrame,
    cache: Path,
    leads: Sequence[str] = LEADS,
) -> FeatureTable | None:
    """The features of the pack's records, from the waveform or from a table.

    Args:
        source: "compute" measures them, "none" gives ``None``, anything else is the path of a
            PTB-XL+ table or of the folder that holds it.
        pack: signals, row by row the records of ``metadata``.
        metadata: with ``age`` and ``sex``.
        cache: folder in which measured features are kept.
        leads: of the pack; what the others of the twelve would measure is missing.

    Raises:
        DataError: a table that isn't there or isn't PTB-XL+.
    """
    if source == "none":
        return None
    if source == "compute":
        measured = _computed(pack, cache, leads)
    else:
        measured = read_ptbxl_plus(Path(source), pack.ecg_id)
    return with_demographics(source, measured, age_years(metadata), metadata["sex"].to_numpy())


def with_demographics(source: str, measured: FloatArray, age: Any, sex: Any) -> FeatureTable:
    """Measured features (n_records, 198) with age (years) and sex beside them, NaN if unknown."""
    columns = [np.asarray(column, np.float32)[:, None] for column in (age, sex)]
    values = np.concatenate([measured, *columns], axis=1)  # (n_records, n_features)
    return FeatureTable(source, delineation.FEATURE_NAMES + DEMOGRAPHICS, values)


def as_twelve(signals: NDArray[np.floating[Any]], leads: Sequence[str]) -> NDArray[Any]:
    """Signals (n_records, 12, n_times) of some leads, NaN where there is none.

    >>> as_twelve(np.ones((1, 1, 2)), ["II"])[0, :3, 0].tolist()
    [nan, 1.0, nan]
    """
    if tuple(leads) == LEADS:
        return signals
    twelve = np.full((len(signals), len(LEADS), signals.shape[2]), np.nan, signals.dtype)
    twelve[:, [LEADS.index(lead) for lead in leads]] = signals
    return twelve


def _computed(pack: SignalPack, cache: Path, leads: Sequence[str]) -> FloatArray:
    """Measured features, kept beside the digest of the signals and the code's own version."""
    said = f"{pack.digest} {delineation.VERSION}"
    if tuple(leads) != LEADS or pack.fs != SAMPLING_RATE:
        said += f" {pack.fs} {' '.join(leads)}"
    key = hashlib.sha256(said.encode()).hexdigest()[:16]
    return cached_array(cache / "features" / f"{key}.npz", lambda: _measured(pack, leads))


def _measured(pack: SignalPack, leads: Sequence[str]) -> FloatArray:
    n_records = len(pack.ecg_id)
    values = np.empty((n_records, len(delineation.FEATURE_NAMES)), np.float32)
    for start in progress(range(0, n_records, BATCH), "measuring ECGs", f"x {BATCH} records"):
        rows = np.arange(start, min(start + BATCH, n_records))
        values[rows] = delineation.extract(as_twelve(pack.millivolts(rows), leads), pack.fs)
    return values


# ---------------------------------------------------------------- what a model sees


@dataclass(frozen=True)
class FeatureEncoder:
    """Winsorise, impute, scale; every statistic comes from folds 1 to 8 alone.

    Attributes:
        source: of the table that it was fitted on.
        names: of the raw features, in order.
        low, high: winsorising bounds, (n_features,).
        median: what a missing value becomes, (n_features,).
        scale: standard deviation after winsorising, (n_features,).
        folds: that it was fitted on.
    """

    source: str
    names: tuple[str, ...]
    low: FloatArray
    high: FloatArray
    median: FloatArray
    scale: FloatArray
    folds: tuple[int, ...]

    @property
    def n_encoded(self) -> int:
        """Width of what the model sees: a value and a missing flag for each raw feature."""
        return 2 * len(self.names)

    def encode(self, values: FloatArray) -> tuple[FloatArray, NDArray[np.bool_]]:
        """Encoded features and which records have any.

        Args:
            values: raw features (n_records, n_features), NaN where missing.

        Returns:
            ``(n_records, 2 * n_features)``: scaled values with medians where they are missing,
            then the missing flags; and ``(n_records,)``: whether anything was measured.

        Raises:
            DataError: another number of features than the encoder was fitted on.
        """
        if values.ndim != 2 or values.shape[1] != len(self.names):
            raise DataError(
                f"features must have the shape (n_records, {len(self.names)}), "
                f"but have {values.shape}"
            )
        missing = np.asarray(~np.isfinite(values))
        filled = np.where(missing, self.median, values)
        scaled = (np.clip(filled, self.low, self.high) - self.median) / self.scale
        encoded = np.concatenate([scaled, missing], axis=1, dtype=np.float32)
        n_measured = len(self.names) - len(DEMOGRAPHICS)
        present = np.asarray((~missing[:, :n_measured]).any(axis=1))
        return encoded, present


def fit_encoder(
    table: FeatureTable, rows: NDArray[np.intp], folds: Sequence[int]
) -> FeatureEncoder:
    """An encoder fitted on some rows of a table.

    Raises:
        DataError: ``folds`` has one that isn't for training.
    """
    require_training_folds(folds, "feature encoder")
    values = table.values[rows]
    # An all-NaN column (say, a table without that feature) has no statistics: 0 and 1 stand in.
    known = np.isfinite(values).any(axis=0)
    safe = np.where(known, values, np.float32(0))
    low, median, high = np.nanquantile(safe, [0.005, 0.5, 0.995], axis=0).astype(np.float32)
    scale = np.nanstd(np.clip(safe, low, high), axis=0).astype(np.float32)
    scale = np.where(scale > 1e-6 * np.maximum(1, np.abs(median)), scale, np.float32(1))
    return FeatureEncoder(table.source, table.names, low, high, median, scale, tuple(folds))


def require_training_folds(folds: Sequence[int], what: str) -> None:
    """Refuses to fit anything on folds that validate or test."""
    foreign = sorted(set(folds) - set(TRAIN_FOLDS))
    if foreign:
        raise DataError(f"a {what} is fitted on folds 1 to 8 alone, but was given fold {foreign}")
