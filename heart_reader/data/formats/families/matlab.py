"""MATLAB files to version 7; the Challenge's have one variable, ``val``."""

import re
from pathlib import Path

import numpy as np

from heart_reader.data.formats.asked import Asked
from heart_reader.data.formats.bag import Bag, from_bag, plain_bag
from heart_reader.data.formats.limits import (
    MOST_SAMPLES,
    decoding,
    require_size,
)
from heart_reader.data.recordings.recording import Recording
from heart_reader.errors import DataError

# Numbers and words; cells, structures and functions are left alone.
_PLAIN = {"double", "single", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64",
          "uint64", "char", "logical"}  # fmt: skip


def is_mat(path: Path, head: bytes) -> bool:
    """MATLAB 5, or 4 with a plausible first header (the Challenge's ``val``)."""
    if head.startswith(b"MATLAB 5.0 MAT-file"):
        return True
    if len(head) < 20:
        return False
    kind, rows, columns, imaginary, n_name = np.frombuffer(head[:20], "<i4").tolist()
    plausible = 0 <= kind <= 4052 and imaginary == 0 and 1 < n_name <= 64
    word = head[20 : 20 + max(0, n_name)]
    return bool(plausible and rows > 0 and columns > 0 and re.fullmatch(rb"\w+\0", word))


def read_mat(name: str, path: Path, asked: Asked) -> Recording:
    """The variables of a MATLAB file; sizes are looked at before any is read."""
    from scipy.io import loadmat, whosmat

    require_size(path)
    with decoding(name, "MAT"):
        found = [(key, shape) for key, shape, kind in whosmat(path) if kind in _PLAIN]
        sizes = [float(np.prod([float(n) for n in shape])) for _, shape in found]
        if sum(sizes) > MOST_SAMPLES:
            raise DataError(f"{name} claims arrays of {sum(sizes):.0f} values, which are too many")
        bag = plain_bag(loadmat(path, variable_names=[key for key, _ in found]))
    arrays = {key: value for key, value in bag.arrays.items() if not key.startswith("__")}
    return from_bag(name, "MAT", Bag(arrays, bag.values), asked)
