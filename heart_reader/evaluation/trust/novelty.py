"""How unlike its training records an ECG is to a model: the distance of its embedding.

Mahalanobis distance to the mean of the training folds, by their shrunk covariance (Ledoit and
Wolf, 2004), as a multiple of the distance that 1% of fold 9 exceeds: above 1 it is novel.
Lee et al., "A Simple Unified Framework for Detecting Out-of-Distribution Samples", 2018.
https://arxiv.org/abs/1807.03888
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

NOVEL_SHARE = 0.01  # of fold 9
RIDGE = 1e-9  # of the covariance's trace, and of what has none
SMALLEST = 1e-30  # of a limit, where all embeddings are one
Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Novelty:
    """Where the training folds lie.

    Attributes:
        mean: of their embeddings, (size,).
        whitener: (size, size); a centred vector times it has the distance as its length.
        limit: the distance that ``NOVEL_SHARE`` of fold 9 exceeds.
    """

    mean: Vectors
    whitener: Vectors
    limit: float

    def __post_init__(self) -> None:
        size = self.mean.shape
        fits = len(size) == 1 and self.whitener.shape == (*size, *size)
        numbers = np.isfinite(self.mean).all() and np.isfinite(self.whitener).all()
        if not fits or not numbers or not 0 < self.limit < np.inf:
            raise ValueError(
                f"novelty needs a mean, a whitener and a limit above 0, all finite, but has "
                f"{size}, {self.whitener.shape} and {self.limit}"
            )

    def distance(self, vectors: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Mahalanobis distances (n,) of embeddings (n, size)."""
        white = (np.asarray(vectors, np.float64) - self.mean) @ self.whitener.astype(np.float64)
        return np.asarray(np.sqrt(np.square(white).sum(axis=1)))

    def of(self, vectors: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Multiples of the limit, (n,): above 1 is novel."""
        return self.distance(vectors) / self.limit


def fit_novelty(train: Vectors, held: Vectors) -> Novelty:
    """From embeddings of training records, and of fold 9 for the limit; each (n, size)."""
    from sklearn.covariance import LedoitWolf

    estimate = LedoitWolf().fit(np.asarray(train, np.float64))
    # Directions in which nothing varies would be infinitely novel.
    floor = max(RIDGE * float(np.trace(estimate.covariance_)), RIDGE)
    covariance = estimate.covariance_ + floor * np.eye(len(estimate.location_))
    whitener = np.linalg.cholesky(np.linalg.inv(covariance))
    draft = Novelty(estimate.location_.astype(np.float32), whitener.astype(np.float32), limit=1.0)
    limit = float(np.quantile(draft.distance(held), 1 - NOVEL_SHARE))
    return replace(draft, limit=max(limit, SMALLEST))
