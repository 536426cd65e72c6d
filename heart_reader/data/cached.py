"""Arrays in the cache that took long to make: read where they are whole, else made anew.

An ``.npz`` archive holds a checksum (CRC-32) of what is in it.
"""

import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from heart_reader.files import written_whole

Array = NDArray[np.float32]


def cached_array(path: Path, make: Callable[[], Array]) -> Array:
    """What ``make`` gives, made once.

    Args:
        path: an ``.npz`` file, named after all that the array follows from. Where an ``.npy`` file
            of an earlier version lies in its place, that one is taken over.
        make: takes long.
    """
    earlier = path.with_suffix(".npy")
    if path.exists():
        found = _read(path)
        if found is not None:
            return found
        print(f"{path} is damaged: made anew", file=sys.stderr, flush=True)
        made = make()
    else:
        taken = _read_earlier(earlier) if earlier.exists() else None
        made = make() if taken is None else taken
    with written_whole(path) as temporary:
        np.savez(temporary, values=made)
    earlier.unlink(missing_ok=True)
    return made


def _read(path: Path) -> Array | None:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return np.asarray(arrays["values"], np.float32)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _read_earlier(path: Path) -> Array | None:
    try:
        return np.asarray(np.load(path, allow_pickle=False), np.float32)
    except (OSError, ValueError, EOFError):
        return None
