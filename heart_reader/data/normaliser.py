"""Per-lead standardisation, fitted on training folds and carrying that fact."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from heart_reader.data import ptbxl
from heart_reader.data.dataset import Records
from heart_reader.data.features import require_training_folds
from heart_reader.errors import DataError


@dataclass(frozen=True)
class Normaliser:
    """Per-lead standardisation, ``(x - mean) / std``.

    Attributes:
        mean, std: mV, one for each lead.
        folds: that they were fitted on.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    folds: tuple[int, ...]

    def __call__(self, x: Tensor) -> Tensor:
        """Standardised signals; ``x``: mV (batch, n_leads, n_times)."""
        mean, std = (
            torch.tensor(v, dtype=x.dtype, device=x.device) for v in (self.mean, self.std)
        )
        return (x - mean[:, None]) / std[:, None]


def fit_normaliser(records: Records, folds: Sequence[int]) -> Normaliser:
    """Mean and standard deviation of each lead over all samples of some training folds.

    Raises:
        DataError: ``folds`` has one that isn't for training, or a lead is flat throughout.
    """
    require_training_folds(folds, "normaliser")
    rows = records.rows(folds)
    total, squares, count = np.zeros(12), np.zeros(12), 0
    for chunk in np.array_split(rows, max(1, len(rows) // 512)):
        x = records.millivolts(chunk)  # (n_chunk, n_leads, n_times)
        total += x.sum(axis=(0, 2))
        squares += np.square(x).sum(axis=(0, 2))
        count += x.shape[0] * x.shape[2]
    mean = total / count
    # Rounding may take the variance of a flat lead below 0, and its root would be NaN.
    std = np.sqrt(np.maximum(squares / count - mean**2, 0))
    flat = [ptbxl.LEADS[lead] for lead in np.flatnonzero(std < 1e-6)]
    if flat:
        raise DataError(f"lead {', '.join(flat)} is flat in every record of folds {tuple(folds)}")
    return Normaliser(tuple(mean.tolist()), tuple(std.tolist()), tuple(folds))
