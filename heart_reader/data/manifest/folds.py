"""Folds that were assigned to a manifest: kept beside it, so that they never change."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from heart_reader.data.manifest.stratified import stratified_folds
from heart_reader.errors import DataError


def folds_file(path: Path) -> Path:
    """Where the folds of a manifest are kept: ``records.folds.csv`` beside ``records.csv``."""
    return path.with_name(f"{path.stem}.folds.csv")


def kept_folds(
    path: Path, records: pd.DataFrame, y_true: NDArray[np.uint8], seed: int
) -> tuple[NDArray[np.int64], str]:
    """Folds by patient, assigned once: records that had one before keep it.

    Returns:
        (n_records,), and what was done, in words.

    Raises:
        DataError: the file of folds can't be read or written.
    """
    file = folds_file(path)
    before = _read_folds(file)
    fold = records["record_id"].map(before).to_numpy(np.float64)
    by_patient = pd.Series(fold).groupby(records["patient_id"].to_numpy()).transform("first")
    fold = np.where(np.isnan(fold), by_patient.to_numpy(), fold)
    new = np.isnan(fold)
    if new.any():
        patients = records["patient_id"].to_numpy()[new]
        fold[new] = stratified_folds(patients, y_true[new], seed)
    if not records["record_id"].isin(before.keys()).all():
        _write_folds(file, records["record_id"], fold.astype(np.int64), before)
    if not new.any():
        return fold.astype(np.int64), f"{file} says the folds"
    return fold.astype(np.int64), f"{int(new.sum())} records got their fold now; {file} keeps it"


def _read_folds(file: Path) -> dict[str, int]:
    if not file.exists():
        return {}
    try:
        table = pd.read_csv(file, dtype={"record_id": str, "fold": np.int64})
        return dict(zip(table["record_id"], table["fold"].tolist(), strict=True))
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{file}, which keeps the folds, can't be read: {error}") from error


def _write_folds(
    file: Path, record_id: "pd.Series[str]", fold: NDArray[np.int64], before: Mapping[str, int]
) -> None:
    kept = {**before, **dict(zip(record_id, fold.tolist(), strict=True))}
    temporary = file.with_name(f"{file.name}.tmp")
    try:
        pd.DataFrame({"record_id": list(kept), "fold": list(kept.values())}).to_csv(
            temporary, index=False
        )
        temporary.replace(file)
    except OSError as error:
        raise DataError(
            f"the folds of {len(record_id)} records can't be kept in {file} ({error.strerror}); "
            "make the folder writable, or give the manifest a column 'fold'"
        ) from error
