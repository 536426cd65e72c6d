"""How far a bundle can be trusted, in its folder: in its description, and in a file beside it.

novelty.safetensors   mean, whitener (and in the description the limit) of its embeddings
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from heart_reader.bundle.folders import NOVELTY
from heart_reader.errors import ModelError
from heart_reader.evaluation.trust.novelty import Novelty
from heart_reader.evaluation.trust.trust import Trust, read_trust
from heart_reader.tasks.task import Task

LARGEST_BYTES = 64_000_000  # ours take 0.3 MB


def save_novelty(trust: Trust, folder: Path) -> None:
    """Writes the arrays, where there are any."""
    if trust.novelty is not None:
        arrays = {"mean": trust.novelty.mean, "whitener": trust.novelty.whitener}
        save_file({k: np.ascontiguousarray(v) for k, v in arrays.items()}, folder / NOVELTY)


def load_trust(tree: Mapping[str, Any] | None, task: Task, folder: Path) -> Trust:
    """What a description and the arrays beside it say.

    Raises:
        KeyError, TypeError, ValueError: values that can't be, or arrays that aren't there.
    """
    if tree is None or tree["novelty"] is None:
        return read_trust(tree, task.classes, None)
    path = folder / NOVELTY
    if not path.is_file() or path.stat().st_size > LARGEST_BYTES:
        raise ValueError(f"{NOVELTY} isn't there, is no regular file, or too large")
    try:
        arrays = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{NOVELTY} can't be read: {error}") from error
    mean, whitener = (np.asarray(arrays[name], np.float32) for name in ("mean", "whitener"))
    return read_trust(tree, task.classes, Novelty(mean, whitener, float(tree["novelty"])))


def require_embedding(trust: Trust, size: int) -> None:
    """A novelty of the model's own embeddings.

    Raises:
        ModelError: of another size.
    """
    if trust.novelty is not None and trust.novelty.mean.shape != (size,):
        raise ModelError(
            f"{NOVELTY} is of embeddings of {len(trust.novelty.mean)}, the model's have {size}"
        )
