"""The fast AUC and the weights against scikit-learn's; cross-fitting against leaks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from heart_reader.errors import DataError
from heart_reader.evaluation.fast_auc import DECIMALS, mixture_auc
from heart_reader.evaluation.metrics import macro_auc
from heart_reader.evaluation.mixing import (
    LARGEST,
    METHODS,
    PATIENCE,
    cross_fit,
    fit_weights,
    maximise,
    mix_scores,
    patient_groups,
    select,
    simplex_grid,
)
from heart_reader.evaluation.thresholds import Rule

YOUDEN = Rule("youden", 0.0)


def members(n_records: int, noises: tuple[float, ...], seed: int = 0):
    """Labels, and members of which each sees the truth through its own noise."""
    generator = np.random.default_rng(seed)
    y_true = (generator.random((n_records, 5)) < (0.45, 0.26, 0.24, 0.23, 0.2)).astype(np.uint8)
    shared = generator.normal(size=y_true.shape)
    scores = [
        1
        / (1 + np.exp(-(2.0 * y_true - 1 + shared + noise * generator.normal(size=y_true.shape))))
        for noise in noises
    ]
    return y_true, np.stack(scores).astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), levels=st.sampled_from([2, 4, 16, 2**20]))
def test_auc_equals_sklearn_with_and_without_ties(seed: int, levels: int):
    """Scores and weights are whole parts of powers of 2: sums are exact, and ties are ties."""
    generator = np.random.default_rng(seed)
    y_true = generator.integers(0, 2, (50, 3)).astype(np.uint8)
    y_true[:2] = [[0] * 3, [1] * 3]
    y_scores = (generator.integers(0, levels + 1, (2, 50, 3)) / levels).astype(np.float32)
    share = generator.integers(0, 9) / 8
    weights = np.array([share, 1 - share])
    mixed = np.tensordot(weights, y_scores.astype(np.float64), 1)
    ours = mixture_auc(y_true, y_scores).per_class(weights)
    np.testing.assert_allclose(ours, roc_auc_score(y_true, mixed, average=None), atol=1e-12)
    alone = mixture_auc(y_true, y_scores).per_class(np.array([1.0, 0.0]))
    np.testing.assert_allclose(alone, roc_auc_score(y_true, y_scores[0], average=None), atol=1e-12)


def test_weights_are_those_that_sklearns_auc_gives():
    y_true, y_scores = members(300, (0.6, 0.8, 1.2))

    def slow(weights: np.ndarray) -> float:
        mixed = np.tensordot(weights, y_scores.astype(np.float64), 1)
        return round(float(roc_auc_score(y_true, mixed)), DECIMALS)

    fast = mixture_auc(y_true, y_scores)
    np.testing.assert_allclose(maximise(fast.macro, 3), maximise(slow, 3), atol=1e-9)


def test_nelder_mead_is_no_worse_than_a_fine_grid():
    y_true, y_scores = members(400, (0.6, 0.8, 1.2))
    auc = mixture_auc(y_true, y_scores)
    _, values = simplex_grid(auc, 40)
    found = fit_weights("weighted", y_true, y_scores)
    assert auc.macro(found[:, 0]) >= values.max() - 2e-4
    assert auc.macro(found[:, 0]) > max(auc.macro(corner) for corner in np.eye(3))


@pytest.mark.parametrize("method", METHODS)
def test_weights_lie_on_the_simplex(method: str):
    y_true, y_scores = members(200, (0.5, 1.0, 3.0))
    weights = fit_weights(method, y_true, y_scores)
    assert weights.shape == (3, 5) and (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(axis=0), 1, atol=1e-12)
    if method == "per_class":
        assert len(np.unique(weights[0].round(6))) > 1
        # Each class is at least as good as with one weight for all.
        one = mix_scores(y_scores, fit_weights("weighted", y_true, y_scores))
        assert macro_auc(y_true, mix_scores(y_scores, weights)) >= macro_auc(y_true, one) - 1e-6
    else:
        np.testing.assert_array_equal(weights, weights[:, :1].repeat(5, axis=1))


def test_a_useless_member_gets_next_to_nothing():
    y_true, y_scores = members(600, (0.3, 0.3))
    noise = np.random.default_rng(1).random(y_scores[:1].shape).astype(np.float32)
    weights = fit_weights("weighted", y_true, np.concatenate([y_scores, noise]))
    assert weights[2].max() < 0.1


def test_cross_fitting_takes_the_flattery_away():
    """Members that know nothing: fitted weights find something, cross-fitted ones must not."""
    generator = np.random.default_rng(3)
    fitted, crossed = [], []
    for _ in range(8):
        y_true = (generator.random((80, 5)) < 0.4).astype(np.uint8)
        y_scores = generator.random((4, 80, 5)).astype(np.float32)
        weights = fit_weights("per_class", y_true, y_scores)
        fitted.append(macro_auc(y_true, mix_scores(y_scores, weights)))
        done = cross_fit("per_class", y_true, y_scores, np.arange(80), 5, generator, YOUDEN)
        crossed.append(macro_auc(y_true, done.y_score))
    assert np.mean(fitted) > 0.55
    assert abs(np.mean(crossed) - 0.5) < 0.03


def test_no_patient_is_scored_by_weights_from_its_own_records():
    """One patient's records are turned upside down; only the other groups' weights may move."""
    y_true, y_scores = members(200, (0.5, 0.9))
    patients = np.arange(200) // 2
    groups = patient_groups(patients, 4, np.random.default_rng(5))
    assert all(len(np.unique(groups[patients == p])) == 1 for p in range(100))
    before = cross_fit("weighted", y_true, y_scores, patients, 4, np.random.default_rng(5), YOUDEN)
    changed = y_scores.copy()
    own = groups == groups[0]
    changed[:, own] = 1 - changed[:, own]
    after = cross_fit("weighted", y_true, changed, patients, 4, np.random.default_rng(5), YOUDEN)
    moved = np.abs(before.weights - after.weights).max(axis=(1, 2)) > 0
    assert not moved[groups[0]] and moved.sum() == 3


def test_groups_are_even():
    groups = patient_groups(np.repeat(np.arange(23), 3), 5, np.random.default_rng(0))
    assert sorted(np.bincount(groups) // 3) == [4, 4, 5, 5, 5]


@pytest.mark.parametrize("n_groups", [1, 24])
def test_groups_out_of_range_are_refused(n_groups: int):
    with pytest.raises(DataError, match=f"from 2 to 23 .* but is {n_groups}"):
        patient_groups(np.arange(23), n_groups, np.random.default_rng(0))


def test_an_unknown_method_is_refused():
    with pytest.raises(DataError, match="'median'"):
        fit_weights("median", *members(50, (1.0, 1.0)))


def test_no_member_is_refused():
    with pytest.raises(DataError, match="at least one member"):
        mixture_auc(np.eye(5, dtype=np.uint8), np.empty((0, 5, 5)))


@pytest.mark.parametrize("method", METHODS)
def test_a_class_that_cant_be_judged_has_no_say(method):
    """Weights as of the other classes alone; by "per_class" its own are the mean."""
    y_true, y_scores = members(300, (1.0, 2.0))
    y_true[:, 2] = 0
    kept = [0, 1, 3, 4]
    weights = fit_weights(method, y_true, y_scores)
    expected = fit_weights(method, y_true[:, kept], y_scores[:, :, kept])
    np.testing.assert_array_equal(weights[:, kept], expected)
    np.testing.assert_allclose(weights.sum(axis=0), 1)
    if method == "per_class":
        np.testing.assert_array_equal(weights[:, 2], 0.5)


def test_cross_fitting_with_a_class_of_one_patient():
    """Where she is left out nobody is told to have it, and everything else goes on."""
    y_true, y_scores = members(200, (1.0, 2.0))
    y_true[:, 4] = 0
    y_true[7, 4] = 1
    generator = np.random.default_rng(0)
    found = cross_fit("per_class", y_true, y_scores, np.arange(200), 4, generator, YOUDEN)
    groups = patient_groups(np.arange(200), 4, np.random.default_rng(0))
    assert not found.y_pred[groups == groups[7], 4].any()
    assert np.isfinite(found.y_score).all() and found.y_pred[:, :4].any(axis=0).all()


def test_greedy_selection_by_hand():
    """A library of three; the objective prefers two thirds of the second and one of the third."""
    wanted = np.array([0, 2 / 3, 1 / 3])
    drawn = []

    def objective(weights: np.ndarray) -> float:
        drawn.append(weights)
        return -float(np.abs(weights - wanted).sum())

    np.testing.assert_allclose(select(objective, 3), wanted)
    assert drawn[:3] == [pytest.approx(one) for one in np.eye(3)]  # first each alone
    assert drawn[3:6] == [pytest.approx((np.eye(3)[1] + one) / 2) for one in np.eye(3)]
    assert select(lambda _: 0.5, 3).tolist() == [1, 0, 0]  # of equal ones the first


def test_greedy_is_the_selection_of_caruana_by_sklearns_auc():
    y_true, y_scores = members(300, (0.6, 0.8, 1.2, 3.0))
    y_scores[3] = np.random.default_rng(1).random(y_true.shape)  # knows nothing
    counts = np.zeros(4)
    best, best_value, found_at = counts, 0.0, 0
    for n_drawn in range(1, LARGEST + 1):
        tried = [
            round(roc_auc_score(y_true, np.tensordot((counts + one) / n_drawn, y_scores, 1)), 10)
            for one in np.eye(4)
        ]
        counts = counts + np.eye(4)[int(np.argmax(tried))]
        if max(tried) > best_value:
            best, best_value, found_at = counts / n_drawn, max(tried), n_drawn
        if n_drawn - found_at == PATIENCE:
            break
    found = fit_weights("greedy", y_true, y_scores)[:, 0]
    np.testing.assert_allclose(found, best, atol=1e-12)
    assert found[3] == 0  # what brings nothing isn't there at all
