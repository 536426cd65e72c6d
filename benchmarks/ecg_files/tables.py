"""Tables and arrays of numbers, by the libraries that own the format."""

import json
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.io import savemat

from benchmarks.ecg_files.truth import SURNAME, Truth
from heart_reader.data.ptbxl import LEADS


def write_csv(folder: Path, truth: Truth) -> Path:
    table = pd.DataFrame(truth.signal.T, columns=[f"{lead} (mV)" for lead in LEADS])
    path = folder / "record.csv"
    head = f"# patient: {SURNAME}\n# age: 63\n# sex: F\n# fs: {truth.fs}\n"
    path.write_text(head + table.to_csv(index=False))
    return path


def write_npy(folder: Path, truth: Truth) -> Path:
    np.save(folder / "record.npy", truth.signal)
    return folder / "record.npy"


def write_npz(folder: Path, truth: Truth) -> Path:
    names, path = np.array(LEADS), folder / "record.npz"
    np.savez(path, signal=truth.signal.T, fs=truth.fs, leads=names, unit="mV", age=63, sex="F")
    return path


def write_mat(folder: Path, truth: Truth) -> Path:
    """As the Challenge's: ``val`` alone, in MATLAB 4's form."""
    val = np.rint(truth.signal * 1000).astype(np.int16)  # uV
    savemat(folder / "record.mat", {"val": val}, format="4")
    return folder / "record.mat"


def write_mat5(folder: Path, truth: Truth) -> Path:
    values = {"ecg": truth.signal, "fs": truth.fs, "unit": "mV"}
    savemat(folder / "record5.mat", values, do_compression=True)
    return folder / "record5.mat"


def write_hdf5(folder: Path, truth: Truth) -> Path:
    """As CODE-15's: many records of (n_times, 12), of which this is the second."""
    with h5py.File(folder / "records.hdf5", "w") as file:
        three = np.stack([truth.signal.T * 0, truth.signal.T, truth.signal.T * 2])
        file["tracings"] = three.astype(np.float32)
        file["exam_id"] = np.arange(3)
        file.attrs["fs"] = truth.fs
    return folder / "records.hdf5#1"


def write_parquet(folder: Path, truth: Truth) -> Path:
    table = pa.table(dict(zip(LEADS, truth.signal, strict=True)))
    said = {"fs": str(truth.fs), "unit": "mV", "age": "63", "sex": "F", "name": SURNAME}
    pq.write_table(table.replace_schema_metadata(said), folder / "record.parquet")
    return folder / "record.parquet"


def write_json(folder: Path, truth: Truth) -> Path:
    leads = {lead: row.tolist() for lead, row in zip(LEADS, truth.signal, strict=True)}
    said = {"fs": truth.fs, "unit": "mV", "age": 63, "sex": "F", "name": SURNAME, "leads": leads}
    (folder / "record.json").write_text(json.dumps(said))
    return folder / "record.json"
