"""What a device model reads, as arrays: the contract between the files and everybody else.

Notation used for array shapes:
    - n: records
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Form = Literal["fused", "signal"]
FloatArray = NDArray[np.float32]

# In this order in every graph; a signal-only one has the first alone.
INPUT_NAMES = ("signal", "features", "mask")


@dataclass(frozen=True)
class DeviceInputs:
    """Records as a device model reads them.

    Attributes:
        signal: mV (n, 12, 1000), 100 Hz, leads in the order of ``LEADS``.
        features: raw values in the order of the encoder's names, (n, n_features), 0 where one is
            missing; ``None`` for a signal-only model.
        mask: (n, n_features), 1 where a feature was measured; ``None`` for a signal-only model.
    """

    signal: FloatArray
    features: FloatArray | None
    mask: FloatArray | None

    def __len__(self) -> int:
        return len(self.signal)

    def part(self, rows: slice) -> "DeviceInputs":
        """Some of the records."""
        features = None if self.features is None else self.features[rows]
        mask = None if self.mask is None else self.mask[rows]
        return DeviceInputs(self.signal[rows], features, mask)

    def feed(self) -> Mapping[str, FloatArray]:
        """The arrays by input name."""
        arrays = (self.signal, self.features, self.mask)
        named = zip(INPUT_NAMES, arrays, strict=True)
        return {name: array for name, array in named if array is not None}


@dataclass(frozen=True)
class CalibrationData:
    """Real records of folds 1 to 8 for the quantizer.

    Attributes:
        calibrate: on which ranges of activations are measured.
        judge: other records, on which the methods are compared.
        y_true: labels of ``judge``, (n, n_classes).
    """

    calibrate: DeviceInputs
    judge: DeviceInputs
    y_true: NDArray[np.uint8]
