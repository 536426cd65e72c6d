"""Writers of every family of files, so that the true signal of a file is known.

Each takes a folder and a `Truth`, and gives the path of what it wrote. Tests and benchmarks share
them.
"""

from collections.abc import Callable
from pathlib import Path

from benchmarks.ecg_files.hospital import (
    write_aecg,
    write_dicom,
    write_muse,
    write_scp,
    write_sierra,
)
from benchmarks.ecg_files.recorders import (
    write_bdf,
    write_edf,
    write_ishne,
    write_mfer,
    write_wfdb,
)
from benchmarks.ecg_files.tables import (
    write_csv,
    write_hdf5,
    write_json,
    write_mat,
    write_mat5,
    write_npy,
    write_npz,
    write_parquet,
)
from benchmarks.ecg_files.truth import Truth

Writer = Callable[[Path, Truth], Path]
WRITERS: dict[str, Writer] = {
    "WFDB": write_wfdb,
    "CSV": write_csv,
    "NPY": write_npy,
    "NPZ": write_npz,
    "MAT": write_mat,
    "MAT 5": write_mat5,
    "HDF5": write_hdf5,
    "Parquet": write_parquet,
    "JSON": write_json,
    "EDF": write_edf,
    "BDF": write_bdf,
    "DICOM": write_dicom,
    "GE MUSE XML": write_muse,
    "Philips Sierra XML": write_sierra,
    "HL7 aECG": write_aecg,
    "SCP-ECG": write_scp,
    "MFER": write_mfer,
    "ISHNE": write_ishne,
}
# Of the families whose files say who it was; the year of the EDF's start is edfio's.
WITH_AGE = ("WFDB", "CSV", "NPZ", "Parquet", "JSON", "DICOM", "GE MUSE XML",
            "Philips Sierra XML", "SCP-ECG", "MFER")  # fmt: skip
WITH_SEX = (*WITH_AGE, "EDF", "BDF", "HL7 aECG", "ISHNE")
