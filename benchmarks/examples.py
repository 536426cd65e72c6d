"""Makes ``examples/`` again: five records of PTB-XL under their findings' names, and made ones.

python -m benchmarks.examples --data PTBXL
"""

import argparse
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import wfdb

from heart_reader.data.demo.tree import demo_tree
from heart_reader.data.formats import read_recording
from heart_reader.data.ptbxl import LEADS
from heart_reader.files import cache_folder
from heart_reader.project import REPOSITORY

FOLDER = REPOSITORY / "examples"
# Statements with a likelihood of 100; none of fold 10.
REAL = {
    "normal": 33,
    "inferior_mi": 627,
    "lbbb": 338,
    "lvh_strain": 273,
    "af": 13832,
}
MADE = {"made_normal": "NORM", "made_mi": "IMI"}
ASKED = "inferior_mi"  # of the request to a server


def main() -> None:
    """Reads the option and writes the folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a PTB-XL tree")
    data = parser.parse_args().data
    metadata = pd.read_csv(data / "ptbxl_database.csv", index_col="ecg_id")
    for name, ecg_id in REAL.items():
        copy_record(data, metadata.loc[ecg_id], name)
    tree = demo_tree(cache_folder(), 200, 0)
    patients = pd.read_csv(tree / "ptbxl_database.csv")
    for name, code in MADE.items():
        found = patients[patients.scp_codes.str.contains(f"'{code}': 100")].iloc[0]
        write_table(tree / found.filename_lr, FOLDER / f"{name}.csv")
    write_request(FOLDER / ASKED, metadata.loc[REAL[ASKED]], FOLDER / "request.json")


def copy_record(data: Path, row: pd.Series, name: str) -> None:
    """The signal as it is; the header with the new name, and the person's age and sex."""
    source = data / str(row.filename_lr)
    shutil.copyfile(source.with_suffix(".dat"), FOLDER / f"{name}.dat")
    header = source.with_suffix(".hea").read_text().replace(source.name, name).rstrip()
    person = f"# Age: {row.age:.0f}\n# Sex: {('Male', 'Female')[int(row.sex)]}"
    origin = f"# PTB-XL 1.0.3, ECG {row.name}, CC BY 4.0: see README.md"
    (FOLDER / f"{name}.hea").write_text(f"{header}\n{person}\n{origin}\n")


def write_table(record: Path, path: Path) -> None:
    """A made record as a table: a column a lead, mV."""
    signal, fields = wfdb.rdsamp(str(record))
    table = pd.DataFrame(signal, columns=[f"{name} (mV)" for name in fields["sig_name"]])
    text = table.to_csv(index=False, float_format="%.3f")
    path.write_text(f"# a synthetic ECG, nobody's\n# fs: 100\n{text}")


def write_request(record: Path, row: pd.Series, path: Path) -> None:
    """What a server is asked about a record."""
    found = read_recording(str(record))
    signal = np.stack([found.signal[found.leads.index(lead)] for lead in LEADS])
    params = {"features": "compute", "age": [float(row.age)], "sex": [float(row.sex)]}
    body = {"inputs": {"signal": [np.round(signal, 3).tolist()]}, "params": params}
    path.write_text(json.dumps(body, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
