"""Training on sets of leads: each record of a batch shows one set, drawn anew every time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from heart_reader.data.features import FeatureEncoder
from heart_reader.data.lead_sets import LeadSet, measured_by


@dataclass(frozen=True)
class LeadSets:
    """Attributes:
    leads: (n_sets, n_leads), 1 where a set has the lead, else 0.
    features: (n_sets, n_encoded / 2), whether a set's leads measure it; ``None`` without any.
    """

    leads: Tensor
    features: Tensor | None

    def draw(
        self, signal: Tensor, features: Tensor | None, generator: torch.Generator
    ) -> tuple[Tensor, Tensor | None]:
        """Each record with one set's leads, the others flat and what they measure missing.

        Args:
            signal: mV (b, n_leads, n_times).
            features: encoded (b, n_encoded): values, then flags of what is missing.
            generator: on their device.
        """
        n_sets = len(self.leads)
        row = torch.randint(n_sets, (len(signal),), generator=generator, device=signal.device)
        signal = signal * self.leads[row, :, None]
        if features is None or self.features is None:
            return signal, features
        return signal, without(features, self.features[row])


def without(features: Tensor, measured: Tensor) -> Tensor:
    """Encoded features (b, n_encoded) with all missing but those measured, (b, n_encoded / 2)."""
    value, missing = features.chunk(2, dim=1)
    return torch.cat([value * measured, torch.where(measured, missing, 1.0)], dim=1)


def make_lead_sets(
    sets: Sequence[LeadSet],
    leads: Sequence[str],
    encoder: FeatureEncoder | None,
    device: torch.device,
) -> LeadSets | None:
    """The sets of a configuration for signals of some leads; ``None`` where there are none."""
    if not sets:
        return None
    there = np.array([[lead in each for lead in leads] for each in sets], np.float32)
    measured = None
    if encoder is not None:
        rows = np.stack([measured_by(encoder.names, each) for each in sets])
        measured = torch.as_tensor(rows, device=device)
    return LeadSets(torch.as_tensor(there, device=device), measured)
