"""What a model said about some records."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray


@dataclass(frozen=True)
class Scored:
    """What a model said about some records.

    Attributes:
        rows: of the records that they are, (n_records,).
        ecg_id: (n_records,).
        y_true: (n_records, n_classes), 0 or 1.
        y_score: (n_records, n_classes), probabilities.
        thresholds: (n_classes,).
        classes: names of the columns.
    """

    rows: NDArray[np.intp]
    ecg_id: NDArray[np.int64]
    y_true: NDArray[np.uint8]
    y_score: NDArray[np.float32]
    thresholds: NDArray[np.float64]
    classes: tuple[str, ...]

    def frame(self) -> pd.DataFrame:
        """``ecg_id``, then ``true_X`` and ``score_X`` for each class."""
        columns: dict[str, NDArray[np.generic]] = {"ecg_id": self.ecg_id}
        for k, name in enumerate(self.classes):
            columns |= {f"true_{name}": self.y_true[:, k], f"score_{name}": self.y_score[:, k]}
        return pd.DataFrame(columns)
