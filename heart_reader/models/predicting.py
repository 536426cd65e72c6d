"""A network's probabilities for many records, a batch at a time."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from heart_reader.models.fusion import FusionModel
from heart_reader.models.views import WHOLE, Views, logits_and_vector, mean_probabilities

BATCH = 64  # records a forward pass


@torch.inference_mode()
def probabilities_and_vectors(
    model: FusionModel,
    normaliser: Callable[[Tensor, Tensor | None], Tensor],
    signals: NDArray[np.floating[Any]],
    encoded: NDArray[np.float32] | None,
    present: NDArray[np.bool_] | None,
    views: Views = WHOLE,
    lengths: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(n_records, n_classes) of at least one record, and the signals' embeddings (n_records,
    embedding_size) from the same pass: of several views their mean, each by what it counts.

    Args:
        model: on the CPU, in eval mode.
        normaliser: its first step.
        signals: mV (n_records, n_leads, n_times).
        encoded: features (n_records, n_encoded); ``None`` where no record has any.
        present: which records have features, (n_records,).
        views: parts of a record that it is asked about.
        lengths: samples that are a record's own, (n_records,); ``None`` where all count.
    """
    parts, vectors = [], []
    for start in range(0, len(signals), BATCH):
        chunk = slice(start, start + BATCH)
        x = torch.as_tensor(np.ascontiguousarray(signals[chunk]), dtype=torch.float32)
        known = _tensor(encoded, chunk), _tensor(present, chunk), _tensor(lengths, chunk)
        said, vector = logits_and_vector(model, normaliser, views, x, *known)
        parts.append(np.asarray(mean_probabilities(said).numpy(), np.float32))
        vectors.append(np.asarray(vector.numpy(), np.float32))
    return np.concatenate(parts), np.concatenate(vectors)


def _tensor(array: NDArray[Any] | None, chunk: slice) -> Tensor | None:
    return None if array is None else torch.from_numpy(array[chunk])
