"""NumPy's own files, NPY and NPZ; nothing in them is unpickled."""

import zipfile
from pathlib import Path

import numpy as np

from heart_reader.data.formats.asked import Asked
from heart_reader.data.formats.bag import Bag, from_bag, plain_bag
from heart_reader.data.formats.limits import (
    MOST_SAMPLES,
    decoding,
)
from heart_reader.data.recordings.recording import Recording
from heart_reader.errors import DataError


def is_npy(path: Path, head: bytes) -> bool:
    """NumPy's own file."""
    return head.startswith(b"\x93NUMPY")


def is_npz(path: Path, head: bytes) -> bool:
    """A ZIP archive, which NumPy's archives are."""
    return head.startswith(b"PK\x03\x04")


def read_npy(name: str, path: Path, asked: Asked) -> Recording:
    """One array, mapped: only what is asked for is read."""
    with decoding(name, "NPY"):
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    return from_bag(name, "NPY", Bag({"signal": array}, {}), asked)


def read_npz(name: str, path: Path, asked: Asked) -> Recording:
    """Several arrays and values; each is of a size that can be held."""
    with decoding(name, "NPZ"):
        with zipfile.ZipFile(path) as archive:
            n_bytes = sum(each.file_size for each in archive.infolist())
        if n_bytes > 4 * MOST_SAMPLES:
            raise DataError(f"{name} can't be read as NPZ: its arrays are too large")
        with np.load(path, allow_pickle=False) as archive:
            bag = plain_bag({key: archive[key] for key in archive.files})
    return from_bag(name, "NPZ", bag, asked)
