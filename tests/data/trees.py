"""Small PTB-XL trees with one thing changed, for the tests of this folder."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import wfdb

from heart_reader.data.demo.tree import write_demo
from heart_reader.data.ptbxl import LEADS, METADATA_FILE


def small_demo(folder: Path, n_records: int = 40) -> Path:
    root = folder / "tree"
    write_demo(root, n_records, seed=1)
    return root


def copy_tree(root: Path, to: Path) -> Path:
    shutil.copytree(root, to)
    return to


def edit_metadata(root: Path, ecg_id: int, column: str, value: str) -> None:
    path = root / METADATA_FILE
    frame = pd.read_csv(path, dtype=object)
    frame.loc[frame["ecg_id"] == str(ecg_id), column] = value
    frame.to_csv(path, index=False)


def rewrite_record(root: Path, name: str, digital: np.ndarray, **changes: object) -> None:
    """Write ``root/name`` again by wfdb itself: ``digital`` is (n_times, n_leads)."""
    path = root / name
    n_leads = digital.shape[1]
    fields: dict[str, object] = {
        "fs": 100,
        "units": ["mV"] * n_leads,
        "sig_name": list(LEADS[:n_leads]),
        "fmt": ["16"] * n_leads,
        "adc_gain": [1000.0] * n_leads,
        "baseline": [0] * n_leads,
    }
    wfdb.wrsamp(path.name, d_signal=digital, write_dir=str(path.parent), **(fields | changes))
