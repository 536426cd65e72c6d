"""Every family of files: how far what is read lies from the true signal, and from other readers.

python -m benchmarks.read_families --data PTBXL [--records 20] [--bundle pretrained/se_resnet1d]

Records of fold 9, resampled to 500 Hz, are written in every family by `benchmarks.ecg_files`, and
read again. Other readers are those of the libraries that own a format, by their own scaling. The
last column is the largest difference of a probability from that of the WFDB file.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import edfio
import h5py
import numpy as np
import pandas as pd
import pydicom
import wfdb
from ecgdatakit import FileParser
from scipy.io import loadmat
from scipy.signal import resample_poly

from benchmarks.ecg_files.truth import Truth, truth_of
from benchmarks.ecg_files.writers import WRITERS
from heart_reader.bundle.kinds import AnyBundle, open_bundle
from heart_reader.config.load import load_config
from heart_reader.data.dataset import FeaturesConfig, load_development
from heart_reader.data.formats import read_recording
from heart_reader.data.ptbxl import LEADS, VALIDATION_FOLD
from heart_reader.data.recordings.model_input import to_model_input
from heart_reader.files import cache_folder

FS = 500
NO_RATE = ("NPY", "MAT")  # what holds an array alone
Signal = np.ndarray  # mV (n_leads, n_times), leads as in the file


def by_ecgdatakit(path: Path) -> Signal:
    leads = FileParser().parse(path).leads
    by_name = {lead.label: lead.to_physical() for lead in leads}
    rows = [by_name[name] for name in LEADS if name in by_name]
    scale = {"mV": 1.0, "uV": 1e-3, "µV": 1e-3, "nV": 1e-6}
    return np.array([np.asarray(each.samples) * scale[each.units] for each in rows])


OTHERS: dict[str, tuple[str, Callable[[Path], Signal]]] = {
    "WFDB": ("wfdb", lambda path: wfdb.rdsamp(str(path.with_suffix("")))[0].T),
    "CSV": ("pandas", lambda path: pd.read_csv(path, comment="#").to_numpy().T),
    "MAT": ("scipy", lambda path: loadmat(path)["val"] / 1000),
    "MAT 5": ("scipy", lambda path: loadmat(path)["ecg"]),
    "HDF5": ("h5py", lambda path: np.asarray(h5py.File(path)["tracings"][1]).T),
    "EDF": ("edfio", lambda path: np.array([s.data for s in edfio.read_edf(path).signals]) / 1000),
    "BDF": ("edfio", lambda path: np.array([s.data for s in edfio.read_bdf(path).signals]) / 1000),
    "DICOM": ("pydicom", lambda path: pydicom.dcmread(path).waveform_array(0).T / 1000),
    "ISHNE": ("ecgdatakit", by_ecgdatakit),
    "GE MUSE XML": ("ecgdatakit", by_ecgdatakit),
    "Philips Sierra XML": ("ecgdatakit", by_ecgdatakit),
    "HL7 aECG": ("ecgdatakit", by_ecgdatakit),
    "SCP-ECG": ("ecgdatakit", by_ecgdatakit),
    "MFER": ("ecgdatakit", by_ecgdatakit),
}


def truths(data: str, n_records: int) -> list[Truth]:
    config = load_config("default", {"data": data})
    records = load_development(config.data, config.task, FeaturesConfig("none"), cache_folder())
    rows = records.rows((VALIDATION_FOLD,))[:n_records]
    up = resample_poly(records.millivolts(rows), FS, records.spec.fs, axis=2, padtype="line")
    return [truth_of(np.clip(each, -32, 32), FS) for each in up]


def one(kind: str, truth: Truth, folder: Path, bundle: AnyBundle) -> dict[str, object]:
    """What became of a record in a family."""
    path = WRITERS[kind](folder, truth)
    found = read_recording(str(path), FS if kind in NO_RATE else None)
    order = [LEADS.index(lead) for lead in found.leads]
    row: dict[str, object] = {
        "true": np.abs(found.signal - truth.signal[order]).max(),
        "right": found.fs == FS and len(set(order)) == len(order) >= 8 and found.seconds == 10,
    }
    if kind in OTHERS:
        theirs = OTHERS[kind][1](Path(str(path).partition("#")[0]))
        ours = found.signal if len(theirs) == len(order) else found.signal[: len(theirs)]
        if OTHERS[kind][0] == "ecgdatakit":  # brought to one order there
            ours = found.signal[np.argsort(order)][: len(theirs)]
        row["other"] = np.abs(theirs - ours).max()
    signal = to_model_input(found, bundle.spec).signal
    row["p"] = bundle.predict(signal[None], "compute")[0]
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="a PTB-XL tree, or demo")
    parser.add_argument("--records", type=int, default=20)
    parser.add_argument("--bundle", type=Path, default=Path("pretrained/se_resnet1d"))
    options = parser.parse_args()
    bundle = open_bundle(options.bundle)
    known = truths(options.data, options.records)
    print("| family | files | leads and rate right | from the true signal, mV "
          "| other reader | from it, mV | probability |")  # fmt: skip
    print("| --- | --- | --- | --- | --- | --- | --- |")
    first: list[np.ndarray] = []
    for kind in WRITERS:
        with tempfile.TemporaryDirectory() as folder:
            rows = [one(kind, truth, Path(folder), bundle) for truth in known]
        first = first or [np.asarray(row["p"]) for row in rows]
        moved = max(np.abs(row["p"] - p).max() for row, p in zip(rows, first, strict=True))
        other = max((float(row["other"]) for row in rows if "other" in row), default=None)  # type: ignore[arg-type]
        cells = (
            kind, len(rows), f"{sum(bool(row['right']) for row in rows)} of {len(rows)}",
            f"{max(float(row['true']) for row in rows):.1e}",  # type: ignore[arg-type]
            OTHERS[kind][0] if kind in OTHERS else "",
            "" if other is None else f"{other:.1e}", f"{moved:.1e}",
        )  # fmt: skip
        print(f"| {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    main()
