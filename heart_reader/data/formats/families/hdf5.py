"""HDF5 files, such as CODE-15's with thousands of records each; MATLAB 7.3 writes them too."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from heart_reader.data.formats.asked import Asked
from heart_reader.data.formats.bag import Bag, from_bag, plain_bag
from heart_reader.data.formats.limits import (
    MOST_SAMPLES,
    decoding,
)
from heart_reader.data.recordings.recording import Recording
from heart_reader.errors import DataError


def is_hdf5(path: Path, head: bytes) -> bool:
    """HDF5, which MATLAB 7.3 writes as well, behind 512 bytes."""
    return head.startswith(b"\x89HDF\r\n\x1a\n") or head[512:520] == b"\x89HDF\r\n\x1a\n"


def read_hdf5(name: str, path: Path, asked: Asked) -> Recording:
    """Data sets at the top and the file's attributes; only what is asked for is read."""
    import h5py

    with decoding(name, "HDF5"), h5py.File(path, "r") as file:
        arrays: dict[str, Any] = {}
        small: dict[str, Any] = dict(file.attrs)
        for key in list(file)[:100]:
            item = file.get(key, getlink=True)
            if not isinstance(item, h5py.HardLink) or not isinstance(file[key], h5py.Dataset):
                continue  # a link may lead to another file
            dataset = file[key]
            if dataset.size and dataset.dtype.kind in "iuf" and dataset.size > 1:
                _refuse_other_files(name, dataset)
                arrays[key] = dataset
                small |= {k: v for k, v in dataset.attrs.items() if k not in small}
            elif dataset.size and dataset.size < 1000 and dataset.nbytes < 10**6:
                small[key] = (
                    dataset.asstr()[()] if h5py.check_string_dtype(dataset.dtype) else dataset[()]
                )
        bag = Bag(arrays, plain_bag(_words(small)).values)
        return from_bag(name, "HDF5", bag, asked)


def _refuse_other_files(name: str, dataset: Any) -> None:
    if dataset.external or dataset.is_virtual:
        raise DataError(f"{name} can't be read as HDF5: its samples lie in another file")
    chunk = np.prod([float(n) for n in dataset.chunks or (0,)])
    if chunk > MOST_SAMPLES:
        raise DataError(f"{name} can't be read as HDF5: its chunks are too large")


def _words(small: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: value.astype(str)
        if isinstance(value, np.ndarray) and value.dtype == object
        else value
        for key, value in small.items()
    }
