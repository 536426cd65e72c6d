"""The branch that encodes structured ECG features, and stands in for them where they are missing.

Notation used for tensor shapes:
    - n: batch
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from heart_reader.models.blocks import initialise


class FeatureBranch(nn.Module):
    """An MLP over standardised features; a learned vector replaces it for records without them.

    A record whose features are only dropped for training still passes the MLP, so that the batch
    norms see the same distribution as at prediction.
    """

    def __init__(self, n_features: int, sizes: tuple[int, ...], dropout: float) -> None:
        super().__init__()
        widths = (n_features, *sizes)
        layers: list[nn.Module] = []
        for n_in, n_out in pairwise(widths):
            layers += [nn.Linear(n_in, n_out), nn.BatchNorm1d(n_out), nn.ReLU(inplace=True)]
            layers.append(nn.Dropout(dropout))
        self.mlp = nn.Sequential(*layers)
        self.missing = nn.Parameter(torch.empty(sizes[-1]))
        initialise(self)
        nn.init.normal_(self.missing, std=0.5)

    def forward(self, features: Tensor | None, present: Tensor | None, n_records: int) -> Tensor:
        """Encode features as (n, sizes[-1]).

        Args:
            features: (n, n_features), standardised, or None where no record has any.
            present: (n,) bool, False where a record's features are missing; such a row may hold
                NaN. None where all are present.
            n_records: n.
        """
        missing = self.missing.expand(n_records, -1)  # (n, sizes[-1])
        if features is None:
            return missing
        if present is None:
            encoded: Tensor = self.mlp(features)
            return encoded
        mask = present[:, None]  # (n, 1)
        encoded = self.mlp(torch.where(mask, features, torch.nan_to_num(features)))
        return torch.where(mask, encoded, missing.to(encoded.dtype))
