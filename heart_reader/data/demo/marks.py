"""SYNTHETIC, wherever something that was made from the demo's ECGs speaks of itself."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

DEMO, DEVICE = "demo", "DEMO"  # the word for the data, and what stands in their column `device`
SYNTHETIC = "SYNTHETIC"
WARNING = "this model was trained on SYNTHETIC ECGs: what it says of a real one means nothing"
KEY = "synthetic"  # in a bundle's provenance, where it is


def made_of(metadata: pd.DataFrame) -> bool:
    """Whether the records were made by the demo's generator, wherever they lie."""
    return "device" in metadata and bool((metadata["device"] == DEVICE).all())


def is_synthetic(provenance: Mapping[str, Any]) -> bool:
    """Whether a bundle was trained on the demo's ECGs; older ones only say where the data lay.

    >>> is_synthetic({"data": {"root": "demo"}}), is_synthetic({"data": {"root": "/ptbxl"}})
    (True, False)
    """
    data = provenance.get("data")
    root = data.get("root") if isinstance(data, Mapping) else None
    return bool(provenance.get(KEY)) or root == DEMO


def marked(name: str, synthetic: bool) -> str:
    """A model's name as people read it.

    >>> marked("models:/x/1", True)
    'models:/x/1 (SYNTHETIC)'
    """
    return f"{name} ({SYNTHETIC})" if synthetic else name


def data_set(part: str, synthetic: bool, name: str = "ptbxl") -> str:
    """What a run calls the records that it read; ``name``: of data that aren't synthetic.

    >>> data_set("validation", False), data_set("validation", True)
    ('ptbxl-validation', 'SYNTHETIC-validation')
    """
    return f"{SYNTHETIC if synthetic else name}-{part}"
