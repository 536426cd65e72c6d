"""JSON: leads by name, or a list of lists."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from heart_reader.data.formats.asked import Asked
from heart_reader.data.formats.bag import from_bag, plain_bag
from heart_reader.data.formats.limits import LARGEST_TEXT, decoding, require_size
from heart_reader.data.recordings.recording import Recording


def is_json(path: Path, head: bytes) -> bool:
    """A list or an object, by its first letter."""
    return head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[")


def read_json(name: str, path: Path, asked: Asked) -> Recording:
    """``{"fs": 500, "signal": [[...]]}``, ``{"I": [...], "II": ...}`` or the lists alone."""
    require_size(path, LARGEST_TEXT)
    with decoding(name, "JSON"):
        found = json.loads(path.read_bytes())
        if isinstance(found, list):
            found = {"signal": found}
        for key in ("leads", "signal", "signals", "ecg"):
            if isinstance(found.get(key), dict):
                found |= found.pop(key)
        bag = plain_bag({key: _array(value) for key, value in found.items()})
    return from_bag(name, "JSON", bag, asked)


def _array(value: Any) -> Any:
    """Lists of numbers, ``null`` where there is none, as an array; all else as it is."""
    if isinstance(value, dict):
        return None
    if isinstance(value, list) and value and not isinstance(value[0], str):
        return np.array(value, np.float64)
    return value
