"""Per-lead standardisation, fitted on training folds and carrying that fact."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from heart_reader.data.dataset import Records
from heart_reader.data.features import require_training_folds
from heart_reader.errors import DataError
from heart_reader.models.blocks import within


@dataclass(frozen=True)
class Normaliser:
    """The model's first step: each lead's own mean goes, then ``(x - mean) / std``.

    An electrode's constant offset says nothing about a heart. The mean is taken over what the
    model sees: a window in training, the whole record else.

    Attributes:
        mean: mV, of what is left; 0 but in normalisers fitted before each record's mean went.
        std: mV, one for each lead.
        folds: that they were fitted on.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    folds: tuple[int, ...]

    def __call__(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Standardised signals.

        Args:
            x: mV (batch, n_leads, n_times).
            lengths: (batch,) samples that are a record's own; the others become 0 and have no
                part in its mean. ``None``: all are.
        """
        mean, std = (_tensor(v, x.dtype, x.device) for v in (self.mean, self.std))
        if lengths is not None:
            there = within(lengths, x.shape[-1])  # (batch, 1, n_times)
            own = (x * there).sum(dim=-1, keepdim=True) / there.sum(dim=-1, keepdim=True)
            return there * (x - own - mean[:, None]) / std[:, None]
        centred = x - x.mean(dim=-1, keepdim=True)
        return (centred - mean[:, None]) / std[:, None]


@lru_cache(maxsize=16)
def _tensor(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    # Made once: a copy from the host can't be part of a captured step. Not in inference mode,
    # whose tensors no gradient may pass, and explanations ask for one.
    with torch.inference_mode(False):
        return torch.tensor(values, dtype=dtype, device=device)


def fit_normaliser(records: Records, folds: Sequence[int]) -> Normaliser:
    """Standard deviation of each lead around its records' own means, over training folds.

    Raises:
        DataError: ``folds`` has one that isn't for training, or a lead is flat throughout.
    """
    require_training_folds(folds, "normaliser")
    rows = records.rows(folds)
    n_leads = records.spec.n_leads
    squares, count = np.zeros(n_leads), 0
    for chunk in np.array_split(rows, max(1, len(rows) // 512)):
        x = records.millivolts(chunk)  # (n_chunk, n_leads, n_times)
        squares += np.square(x - x.mean(axis=2, keepdims=True)).sum(axis=(0, 2))
        count += x.shape[0] * x.shape[2]
    std = np.sqrt(squares / count)
    flat = [records.spec.leads[lead] for lead in np.flatnonzero(std < 1e-6)]
    if flat:
        raise DataError(f"lead {', '.join(flat)} is flat in every record of folds {tuple(folds)}")
    return Normaliser((0.0,) * n_leads, tuple(std.tolist()), tuple(folds))
