"""Manifests of demo records, as somebody's own data."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from heart_reader.data.ptbxl import load_metadata

CODES = {"sinus": "SR", "slow": "SBRAD", "fibrillation": "AFIB"}


def write_manifest(root: Path, folder: Path, name: str, classes: Sequence[str]) -> Path:
    """Rhythms of a demo tree, a tenth of them unknown."""
    metadata, rng = load_metadata(root), np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "file": [str(root / each) for each in metadata["filename_lr"]],
            "record_id": [f"E{ecg_id}" for ecg_id in metadata.index],
            "patient_id": metadata["patient_id"].to_numpy(),
            "fold": metadata["strat_fold"].to_numpy(),
            "age": metadata["age"].to_numpy(),
            "sex": metadata["sex"].to_numpy(),
        }
    )
    for each in classes:
        there = [str(int(CODES[each] in codes)) for codes in metadata["scp_codes"]]
        frame[each] = np.where(rng.random(len(there)) < 0.1, "", there)
    folder.mkdir()
    frame.to_csv(folder / "records.csv", index=False)
    described = "".join(f"  {each}: {{title: {each} rhythm}}\n" for each in classes)
    (folder / "task.yaml").write_text(f"name: {name}\nclasses:\n{described}")
    return folder / "records.csv"
