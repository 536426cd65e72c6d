"""Distances against scipy's and scikit-learn's."""

import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis
from sklearn.covariance import LedoitWolf

from heart_reader.evaluation.trust.novelty import NOVEL_SHARE, Novelty, fit_novelty


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    rng = np.random.default_rng(0)
    return (rng.normal(size=(3000, 16)) @ rng.normal(size=(16, 16)) + 3).astype(np.float32)


def test_distances_are_scipys(vectors):
    found = fit_novelty(vectors[:2000], vectors[2000:])
    estimate = LedoitWolf().fit(vectors[:2000].astype(float))
    inverse = np.linalg.inv(estimate.covariance_)
    expected = [mahalanobis(v, estimate.location_, inverse) for v in vectors[2000:2050]]
    np.testing.assert_allclose(found.distance(vectors[2000:2050]), expected, rtol=1e-3)
    np.testing.assert_allclose(
        found.distance(vectors[2000:]) ** 2, estimate.mahalanobis(vectors[2000:]), rtol=1e-3
    )


def test_one_of_a_hundred_held_records_is_novel_and_what_lies_far_is(vectors):
    found = fit_novelty(vectors[:2000], vectors[2000:])
    assert (found.of(vectors[2000:]) > 1).mean() == pytest.approx(NOVEL_SHARE, abs=0.001)
    assert (found.of(vectors[2000:] * 3) > 1).mean() > 0.9


def test_embeddings_that_are_all_one_and_more_sizes_than_records():
    same = fit_novelty(np.ones((50, 4), np.float32), np.ones((20, 4), np.float32))
    assert np.isfinite(same.of(np.ones((3, 4)))).all()
    wide = np.random.default_rng(0).normal(size=(10, 64)).astype(np.float32)
    assert np.isfinite(fit_novelty(wide, wide).of(wide)).all()


@pytest.mark.parametrize(
    ("mean", "whitener", "limit"),
    [
        (np.zeros(3), np.eye(2), 1.0),
        (np.zeros(2), np.eye(2) * np.nan, 1.0),
        (np.zeros(2), np.eye(2), 0.0),
        (np.zeros(2), np.eye(2), np.inf),
    ],
)
def test_what_no_novelty_is(mean, whitener, limit):
    with pytest.raises(ValueError, match="novelty needs"):
        Novelty(mean, whitener, limit)
