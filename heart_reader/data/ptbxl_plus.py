"""The feature tables of PTB-XL+, under their harmonised names and in our units.

Strodthoff et al., "PTB-XL+, a comprehensive electrocardiographic feature dataset", Scientific
Data 2023. https://doi.org/10.1038/s41597-023-02153-8
"""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from heart_reader.data import delineation
from heart_reader.errors import DataError

LARGEST_MEDIAN_R = 20.0  # mV; a table beyond it is in microvolts


def read_ptbxl_plus(path: Path, ecg_ids: NDArray[np.int64]) -> NDArray[np.float32]:
    """``FEATURE_NAMES`` of a PTB-XL+ table, NaN for records and columns that it doesn't have.

    Args:
        path: ``12sl_features.csv`` or ``ecgdeli_features.csv``, or a folder with one of them
            (the first is taken).
        ecg_ids: the records wanted, in this order.

    Raises:
        DataError: no such table, no ``ecg_id``, or no column of a harmonised name.
    """
    try:
        table = pd.read_csv(_table_path(path))
    except (OSError, ValueError) as error:  # pandas' parser errors are ValueErrors
        raise DataError(f"feature table {path} can't be read as CSV: {error}") from error
    if "ecg_id" not in table:
        raise DataError(f"feature table {path} has no column 'ecg_id'; is it a PTB-XL+ table?")
    # Lead names are written AVR or aVR; the names are otherwise unique without case.
    lower = {str(column).lower(): column for column in table.columns}
    present = {
        name: lower[name.lower()] for name in delineation.FEATURE_NAMES if name.lower() in lower
    }
    if not present:
        wanted = ", ".join(delineation.FEATURE_NAMES[:3])
        raise DataError(f"feature table {path} has no harmonised PTB-XL+ column such as {wanted}")
    table = table.drop_duplicates("ecg_id").set_index("ecg_id").reindex(ecg_ids)
    values = np.full((len(ecg_ids), len(delineation.FEATURE_NAMES)), np.nan, np.float32)
    for column, name in enumerate(delineation.FEATURE_NAMES):
        if name in present:
            values[:, column] = pd.to_numeric(table[present[name]], errors="coerce")
    return _in_our_units(values)


def _in_our_units(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """mV and signed depths, as ``feature_description.csv`` of PTB-XL+ makes the tools agree.

    12SL counts in microvolts and gives the depth of Q and S as positive numbers.
    """
    names = delineation.FEATURE_NAMES
    voltages = [k for k, name in enumerate(names) if "_Amp" in name or "_Area_" in name]
    depths = [k for k, name in enumerate(names) if name.startswith(("Q_Amp", "S_Amp"))]
    heights = np.abs(values[:, [k for k, name in enumerate(names) if name.startswith("R_Amp")]])
    if np.isfinite(heights).any() and np.nanmedian(heights) > LARGEST_MEDIAN_R:
        values[:, voltages] /= 1000
    values[:, depths] = -np.abs(values[:, depths])
    return values


def _table_path(path: Path) -> Path:
    candidates = [path] if path.is_file() else []
    for folder in (path, path / "features"):
        candidates += [folder / "12sl_features.csv", folder / "ecgdeli_features.csv"]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise DataError(
        f"features={path}: no 12sl_features.csv or ecgdeli_features.csv there; "
        "give a PTB-XL+ table, its folder, 'compute' or 'none'"
    )
