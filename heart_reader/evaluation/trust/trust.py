"""What a bundle knows of how far it can be trusted: calibrator, conformal limits, novelty."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from heart_reader.evaluation.trust.calibrator import Calibrator, read_calibrator
from heart_reader.evaluation.trust.novelty import Novelty
from heart_reader.evaluation.trust.sets import Limits, read_limits

CALIBRATION, LIMITS, NOVELTY = "calibration", "limits", "novelty"


@dataclass(frozen=True)
class Trust:
    """All of it; each part may be missing, as in every bundle of before.

    Attributes:
        calibrator: of the bundle's own probabilities.
        limits: by which an answer is uncertain, of calibrated probabilities.
        novelty: of the signal's embedding; of one model alone.
    """

    calibrator: Calibrator | None
    limits: Limits | None
    novelty: Novelty | None

    @property
    def calibrated(self) -> bool:
        """Whether probabilities are calibrated ones."""
        return self.calibrator is not None

    def apply(self, probabilities: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Calibrated, (n_records, n_classes); the same where there is no calibrator."""
        return probabilities if self.calibrator is None else self.calibrator.apply(probabilities)

    def uncertain(
        self, probabilities: npt.NDArray[Any], labels: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.bool_]:
        """Which answers aren't sure, of the same shape; none where nothing is known of that."""
        if self.limits is None:
            return np.zeros(labels.shape, bool)
        return self.limits.uncertain(probabilities, labels)

    def tree(self, classes: Sequence[str]) -> dict[str, Any] | None:
        """As JSON values, but for the novelty's arrays; ``None`` where there is nothing."""
        if self == NOTHING:
            return None
        return {
            CALIBRATION: None if self.calibrator is None else self.calibrator.tree(classes),
            LIMITS: None if self.limits is None else self.limits.tree(classes),
            NOVELTY: None if self.novelty is None else self.novelty.limit,
        }


NOTHING = Trust(None, None, None)


def read_trust(
    tree: Mapping[str, Any] | None, classes: Sequence[str], novelty: Novelty | None
) -> Trust:
    """The trust of `Trust.tree`.

    Args:
        tree: as it was written; ``None`` of bundles of before.
        classes: of the task.
        novelty: from its file.

    Raises:
        KeyError, TypeError, ValueError: other classes, or values that can't be.
    """
    if tree is None:
        return NOTHING
    calibration, limits = tree[CALIBRATION], tree[LIMITS]
    return Trust(
        None if calibration is None else read_calibrator(calibration, classes),
        None if limits is None else read_limits(limits, classes),
        novelty,
    )
