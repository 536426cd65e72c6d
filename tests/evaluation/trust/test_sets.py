"""Conformal sets against crepes, and the share of wrong ones on patients who weren't there."""

import numpy as np
import pytest
from crepes import ConformalClassifier

from heart_reader.bundle.evidence import load_evidence
from heart_reader.evaluation.trust.sets import Limits, fit_limits, read_limits
from heart_reader.project import REPOSITORY


@pytest.fixture(scope="module")
def said():
    return load_evidence(REPOSITORY / "pretrained" / "ensemble")


@pytest.mark.parametrize("error", [0.05, 0.1, 0.2])
def test_the_sets_are_those_of_crepes(error, said):
    half = len(said.y_true) // 2
    limits = fit_limits(said.y_true[:half], said.y_score[:half], error)
    has, lacks = limits.sets(said.y_score[half:])
    for k in range(len(said.classes)):
        truth, p = said.y_true[:half, k] == 1, said.y_score[:half, k].astype(float)
        new = said.y_score[half:, k].astype(float)
        for found, known, strange in (
            (has, 1 - p[truth], 1 - new),
            (lacks, p[~truth], new),
        ):
            theirs = ConformalClassifier().fit(known)
            p_values = theirs.predict_p(strange[:, None], smoothing=False, all_classes=True)
            np.testing.assert_array_equal(found[:, k], p_values[:, 0] > error)


@pytest.mark.parametrize("error", [0.05, 0.1, 0.2])
def test_no_more_than_the_chosen_share_is_wrong(error):
    """Over 200 draws: of the records with the class and of those without, each."""
    rng = np.random.default_rng(0)
    missed = []
    for _ in range(200):
        y_true = (rng.random((600, 1)) < 0.3).astype(np.uint8)
        y_score = 1 / (1 + np.exp(-rng.normal(2.0 * y_true - 1.5, 1)))
        limits = fit_limits(y_true[:300], y_score[:300], error)
        has, lacks = limits.sets(y_score[300:])
        truth = y_true[300:] == 1
        missed.append([(~has[truth]).mean(), (~lacks[~truth]).mean()])
    mean = np.mean(missed, axis=0)
    assert (mean <= error + 0.005).all() and (mean > error - 0.02).all()


def test_by_hand():
    """9 positives at 0.1 to 0.9, 9 negatives likewise: at 20%, the second from either end."""
    p = np.tile(np.arange(1, 10) / 10, 2)[:, None]
    y_true = np.repeat([1, 0], 9)[:, None].astype(np.uint8)
    limits = fit_limits(y_true, p, 0.2)
    assert limits.present == (0.2,) and limits.absent == (0.8,)
    labels = np.array([[False], [False], [True], [True], [True], [False]])
    unsure = limits.uncertain(np.array([[0.1], [0.2], [0.8], [0.9], [0.1], [0.9]]), labels)
    # Both answers are possible from 0.2 to 0.8; a label against its set isn't sure either.
    assert unsure.ravel().tolist() == [False, True, True, False, True, True]


def test_too_few_records_say_nothing_of_a_class():
    y_true = np.array([[1, 1]] * 8 + [[0, 1]] * 40 + [[0, 0]] * 40, np.uint8)
    y_score = np.random.default_rng(0).random(y_true.shape)
    limits = fit_limits(y_true, y_score, 0.1)
    assert np.isnan(limits.present[0]) and np.isnan(limits.absent[0])
    assert not np.isnan(limits.present[1])
    unsure = limits.uncertain(y_score, y_score > 0.5)
    assert not unsure[:, 0].any() and unsure[:, 1].any()
    again = read_limits(limits.tree(("A", "B")), ("A", "B"))
    np.testing.assert_array_equal([again.present, again.absent], [limits.present, limits.absent])


@pytest.mark.parametrize(
    ("error", "present"), [(0.0, 0.5), (1.0, 0.5), (0.1, 1.5), (0.1, float("inf"))]
)
def test_limits_that_cant_be(error, present):
    with pytest.raises(ValueError, match="conformal"):
        Limits(error, (present,), (0.5,))
