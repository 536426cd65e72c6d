"""Fold-9 records that a version is asked about again, so that nobody makes up what it said."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heart_reader.bundle.kinds import AnyBundle
from heart_reader.data.dataset import Records
from heart_reader.data.ptbxl import age_years
from heart_reader.errors import ModelError
from registry.ground.fold9 import Ground

Arrays = Mapping[str, NDArray[Any]]
N_RECORDS = 32  # of a member; one false answer in ten is found in 29 of 30 cases
TOLERANCE = 1e-3  # of a probability: another processor's sums


def drawn(n_records: int, n_drawn: int) -> NDArray[np.intp]:
    """Rows that nobody knows beforehand, in order."""
    some = min(n_records, n_drawn)
    return np.sort(np.random.default_rng().choice(n_records, some, replace=False))


def arrays_of(bundle: AnyBundle, records: Records, rows: NDArray[np.intp]) -> Arrays:
    """Some records as a bundle is asked about them; it measures the features itself."""
    arrays = {
        "signals": records.millivolts(rows),
        "age": age_years(records.metadata)[rows],
        "sex": records.metadata["sex"].to_numpy()[rows],
    }
    lengths = records.lengths(rows)
    if lengths is not None:
        arrays["lengths"] = lengths
    if reads_table(bundle) and records.features is not None:
        arrays["features"] = records.features.values[rows]
    return arrays


def reads_table(bundle: AnyBundle) -> bool:
    """Whether its features come from a PTB-XL+ table, so that they can't be measured."""
    return bundle.encoder is not None and bundle.encoder.source != "compute"


def require_own_words(
    name: str, bundle: AnyBundle, ground: Ground, logged: NDArray[np.float32]
) -> None:
    """Refuses logged fold-9 predictions that the model doesn't make.

    Args:
        name: of the version.
        bundle: its model.
        ground: with the records; without them nothing can be asked.
        logged: (n_records, n_classes) of fold 9.

    Raises:
        ModelError: the model says something else about one of some records drawn by chance.
    """
    records = ground.records
    if records is None or (reads_table(bundle) and records.features is None):
        return
    some = drawn(len(logged), N_RECORDS)
    arrays = arrays_of(bundle, records, ground.fold.rows[some])
    said = bundle.predict(
        arrays["signals"],
        arrays.get("features", "compute"),
        arrays["age"].tolist(),
        arrays["sex"].tolist(),
        arrays.get("lengths"),
    )
    apart = np.abs(said - logged[some]).max(axis=1)  # (n_drawn,)
    worst = int(apart.argmax())
    if not apart[worst] <= TOLERANCE:
        raise ModelError(
            f"{name} doesn't say what is logged as its fold-9 predictions: of record "
            f"{ground.fold.ecg_id[some][worst]} it differs by {apart[worst]:.3f} "
            f"(may be {TOLERANCE})"
        )
