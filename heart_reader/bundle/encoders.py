"""How features are encoded, in a bundle's description."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from heart_reader.bundle import checks
from heart_reader.bundle.formats import Tree
from heart_reader.data.features import FeatureEncoder

_ARRAYS = ("low", "high", "median", "scale")


def encoder_tree(encoder: FeatureEncoder) -> Tree:
    """As JSON values."""
    arrays = {name: getattr(encoder, name).tolist() for name in _ARRAYS}
    return {
        "source": encoder.source,
        "names": list(encoder.names),
        "folds": list(encoder.folds),
        **arrays,
    }


def read_encoder(tree: Mapping[str, Any]) -> FeatureEncoder:
    """The encoder of `encoder_tree`.

    Raises:
        KeyError, TypeError, ValueError: values that no encoder has.
    """
    with np.errstate(over="ignore"):  # what float32 can't hold is refused as infinite
        arrays = {name: np.array(tree[name], np.float64).astype(np.float32) for name in _ARRAYS}
    encoder = FeatureEncoder(
        source=tree["source"], names=tuple(tree["names"]), folds=tuple(tree["folds"]), **arrays
    )
    checks.require_encoder(encoder)
    return encoder
