"""What a model said about some records."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from heart_reader.evaluation.checks import judged


@dataclass(frozen=True)
class Scored:
    """What a model said about some records.

    Attributes:
        rows: of the records that they are, (n_records,).
        ecg_id: (n_records,).
        y_true: (n_records, n_classes), 0, 1 or `UNKNOWN`.
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

    @property
    def judged(self) -> NDArray[np.bool_]:
        """Which classes have a positive and a negative among the records, (n_classes,)."""
        return judged(self.y_true)

    def of_judged(self) -> "Scored":
        """The same of those classes alone."""
        kept = self.judged
        return replace(
            self,
            y_true=self.y_true[:, kept],
            y_score=self.y_score[:, kept],
            thresholds=self.thresholds[kept],
            classes=tuple(name for name, there in zip(self.classes, kept, strict=True) if there),
        )

    def frame(self) -> pd.DataFrame:
        """``ecg_id``, then ``true_X`` and ``score_X`` for each class."""
        columns: dict[str, NDArray[np.generic]] = {"ecg_id": self.ecg_id}
        for k, name in enumerate(self.classes):
            columns |= {f"true_{name}": self.y_true[:, k], f"score_{name}": self.y_score[:, k]}
        return pd.DataFrame(columns)
