"""Records as a device model reads them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Sample:
    """Records as a device model reads them.

    Attributes:
        signal: float32 mV (n, 12, 1000).
        features: float32 (n, n_features), finite; (n, 0) for a signal-only model.
        mask: float32, of the same shape, 1 where a feature was measured.
    """

    signal: Array
    features: Array
    mask: Array

    def __len__(self) -> int:
        return len(self.signal)

    def feed(self, names: Sequence[str], rows: slice) -> dict[str, Array]:
        """Some rows of the inputs that a graph names."""
        return {name: getattr(self, name)[rows] for name in names}
