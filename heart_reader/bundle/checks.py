"""What a bundle's values must be: a file may say anything, and a model would answer with it."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from heart_reader.data.features import FeatureEncoder
from heart_reader.data.normaliser import Normaliser
from heart_reader.errors import ModelError
from heart_reader.models import Architecture, FusionModel
from heart_reader.models.shrink import Shapes

LARGEST = 1e12  # of any weight or statistic: beyond it float32 runs over on the way
DTYPES = {"F32", "F16", "BF16", "I64"}


# ---------------------------------------------------------------- statistics


def require_thresholds(thresholds: NDArray[np.float64], n_classes: int) -> None:
    """One from 0 to 1 for each class.

    Raises:
        ValueError: another number of them, or another value.
    """
    if thresholds.shape != (n_classes,):
        raise ValueError(
            f"{n_classes} thresholds are needed, but their shape is {thresholds.shape}"
        )
    if not ((thresholds >= 0) & (thresholds <= 1)).all():  # NaN isn't either
        raise ValueError(f"thresholds must lie from 0 to 1, but are {thresholds.tolist()}")


def require_normaliser(normaliser: Normaliser, n_leads: int) -> None:
    """A mean and a spread for each lead.

    Raises:
        ValueError: another number of them, or a value that can't be mV.
    """
    for name in ("mean", "std"):
        _require_finite(f"normaliser's {name}", np.array(getattr(normaliser, name)), (n_leads,))
    if min(normaliser.std) <= 0:
        raise ValueError(f"normaliser's std must be above 0, but is {min(normaliser.std)}")


def require_encoder(encoder: FeatureEncoder) -> None:
    """Statistics for each feature.

    Raises:
        ValueError: names that aren't words or there twice, another number of values, or ones
            that no statistics are.
    """
    names = encoder.names
    if not names or not all(isinstance(name, str) for name in names):
        raise ValueError("encoder's names must be words, and at least one")
    if len(set(names)) < len(names):
        raise ValueError("encoder's names must differ")
    if not isinstance(encoder.source, str):
        raise ValueError(f"encoder's source must be text, but is {encoder.source!r}")
    for name in ("low", "high", "median", "scale"):
        _require_finite(f"encoder's {name}", getattr(encoder, name), (len(names),))
    if not (encoder.scale > 0).all() or not (encoder.low <= encoder.high).all():
        raise ValueError("encoder's scale must be above 0, and low at most high")


def _require_finite(what: str, values: NDArray[Any], shape: tuple[int, ...]) -> None:
    if values.shape != shape:
        raise ValueError(f"{what} must have the shape {shape}, but has {values.shape}")
    odd = values[~(np.abs(values) <= LARGEST)]
    if odd.size:
        raise ValueError(f"{what} must be numbers up to {LARGEST:.0e}, but has {odd[0]}")


# ---------------------------------------------------------------- weights


def stored_shapes(path: Path) -> Shapes:
    """What a file of weights says that it holds; none of it is read.

    Raises:
        ModelError: no regular file, not of safetensors, or numbers of another kind.
    """
    if not path.is_file():
        raise ModelError(f"{path.name} isn't there, or is no regular file")
    try:
        with safe_open(path, framework="numpy") as file:
            slices = {key: file.get_slice(key) for key in file.keys()}  # noqa: SIM118
            kinds = {key: each.get_dtype() for key, each in slices.items()}
            shapes = {key: tuple(each.get_shape()) for key, each in slices.items()}
    except (OSError, SafetensorError) as error:
        raise ModelError(str(error)) from error
    odd = [key for key, kind in kinds.items() if kind not in DTYPES]
    if odd:
        raise ModelError(f"{odd[0]} is of {kinds[odd[0]]}, which no weights here are")
    return shapes


def require_plausible(architecture: Architecture, stored: Shapes) -> None:
    """A shape that the stored weights can fill, before anything is built by it.

    Raises:
        ModelError: more layers than there are tensors, or a number larger than all weights.
    """
    n_tensors, n_weights = len(stored), sum(map(math.prod, stored.values()))
    for section in (architecture.shape, architecture.fusion):
        for name, value in vars(section).items():
            items = value if isinstance(value, tuple) else (value,)
            n_layers = sum(items) if "depth" in name else len(items)
            if not items or n_layers > n_tensors or max(items) > n_weights:
                raise ModelError(
                    f"model.{name} is {str(value)[:80]}, which {n_tensors} tensors of "
                    f"{n_weights:,} weights can't be"
                )


def require_fit(expected: Shapes, stored: Shapes, pruned: bool) -> None:
    """The tensors that the model has, in its shapes, or thinner where it was pruned.

    Raises:
        ModelError: the first that isn't.
    """
    for name in (*expected, *stored):
        ours, theirs = expected.get(name), stored.get(name)
        if ours is None or theirs is None:
            where = "there, and the model has none" if ours is None else "missing"
            raise ModelError(f"{name} is {where}")
        thinner = pruned and len(ours) == len(theirs) and ours[2:] == theirs[2:]
        if ours != theirs and not (thinner and all(map(_at_most, theirs, ours))):
            raise ModelError(f"{name} has the shape {theirs}, the model's is {ours}")


def _at_most(n: int, limit: int) -> bool:
    return 1 <= n <= limit


def require_numbers(weights: Mapping[str, torch.Tensor]) -> None:
    """Weights that can be computed with.

    Raises:
        ModelError: the first tensor with NaN, infinity or more than `LARGEST`.
    """
    for name, value in weights.items():
        # NaN compares false.
        if not bool((value.abs() <= LARGEST).all()):
            raise ModelError(f"{name} has values that are no numbers up to {LARGEST:.0e}")


def require_runs(model: FusionModel, n_encoded: int, n_classes: int, n_leads: int) -> None:
    """Layers of a pruned model that fit each other, from the leads to the classes.

    Raises:
        ModelError: they don't.
    """
    features = torch.zeros(1, n_encoded) if n_encoded else None
    try:
        with torch.inference_mode():
            logits = model(torch.zeros(1, n_leads, 64), features)
    except RuntimeError as error:
        raise ModelError(f"its layers don't fit each other: {error}") from error
    if logits.shape != (1, n_classes):
        raise ModelError(f"it answers {logits.shape[1]} classes, the task has {n_classes}")
