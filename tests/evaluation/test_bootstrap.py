"""Against scikit-learn in a loop over the very same resamples."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from heart_reader.errors import DataError
from heart_reader.evaluation import bootstrap, metrics
from tests.evaluation.conftest import make_fold


@pytest.fixture
def resamples(fold):
    return bootstrap.draw(fold[0], 25, np.random.default_rng(3))


def looped_auc(y_true, y_score, resamples):
    return np.array(
        [roc_auc_score(y_true[i], y_score[i], average=None) for i in resamples.indices]
    )


def test_auc_against_sklearn(fold, resamples):
    ours = bootstrap.auc_bootstrap(*fold, resamples)
    np.testing.assert_allclose(ours, looped_auc(*fold, resamples), rtol=0, atol=1e-12)


def test_auc_of_equal_scores_is_one_half(resamples, fold):
    ours = bootstrap.auc_bootstrap(fold[0], np.full(fold[0].shape, 0.2), resamples)
    np.testing.assert_array_equal(ours, np.full((25, 5), 0.5))


def test_f_max_against_each_resample_by_itself(fold, resamples):
    y_true, y_score = fold
    ours = bootstrap.f_max_bootstrap(y_true, y_score, resamples)
    looped = [metrics.f_max(y_true[i], y_score[i]).value for i in resamples.indices]
    np.testing.assert_allclose(ours, looped, rtol=0, atol=1e-12)


@pytest.mark.parametrize("beta", [1, 2])
def test_challenge_against_each_resample_by_itself(fold, resamples, beta):
    y_true, y_pred = fold[0], fold[1] >= 0.4
    f, g = bootstrap.challenge_bootstrap(y_true, y_pred, resamples, beta)
    looped = [metrics.challenge_metrics(y_true[i], y_pred[i], beta) for i in resamples.indices]
    np.testing.assert_allclose(f, [m.f_beta for m in looped], rtol=0, atol=1e-12)
    np.testing.assert_allclose(g, [m.g_beta for m in looped], rtol=0, atol=1e-12)


def test_counts_against_bincount(resamples):
    assert resamples.indices.dtype == np.int32
    expected = [np.bincount(i, minlength=300) for i in resamples.indices]
    np.testing.assert_array_equal(resamples.counts, expected)


def test_each_resample_has_a_positive_and_a_negative_of_each_class():
    # one positive of class 0 and one negative of class 1 among 8: two draws in three lack one
    y_true = np.zeros((8, 2), dtype=bool)
    y_true[0, 0], y_true[:-1, 1] = True, True
    resamples = bootstrap.draw(y_true, 200, np.random.default_rng(0))
    n_positive = np.array([y_true[i].sum(axis=0) for i in resamples.indices])
    assert n_positive.min() >= 1
    assert n_positive.max() <= 7
    auc = bootstrap.auc_bootstrap(y_true, np.linspace(0, 1, 16).reshape(8, 2), resamples)
    assert np.isfinite(auc).all()


def test_same_generator_gives_the_same_resamples():
    y_true, _ = make_fold(40, seed=1)
    first, second, other = (
        bootstrap.draw(y_true, 5, np.random.default_rng(seed)).indices for seed in (4, 4, 5)
    )
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()


def test_every_record_is_drawn_equally_often():
    y_true = np.tile([[1, 0], [0, 1]], (10, 1))
    counts = bootstrap.draw(y_true, 2000, np.random.default_rng(0)).counts
    # each of 20 totals is binomial, mean 2000, standard deviation 44
    assert np.abs(counts.sum(axis=0) - 2000).max() < 5 * 44
    np.testing.assert_array_equal(counts.sum(axis=1), 20)


def test_interval_and_bracket_against_numpy():
    values = np.random.default_rng(0).random((100, 5))
    low, high = bootstrap.interval(values, 0.90)
    np.testing.assert_allclose(low, np.percentile(values, 5, axis=0))
    np.testing.assert_allclose(high, np.percentile(values, 95, axis=0))
    low, high = bootstrap.interval(values[:, 0], 0.95)
    assert (low, high) == pytest.approx(tuple(np.percentile(values[:, 0], [2.5, 97.5])))
    # 0 to 100: quantiles 5 and 95, so the larger distance from 30 is 65, from 80 it is 75
    assert bootstrap.bracket(30, np.arange(101.0)) == pytest.approx(65)
    assert bootstrap.bracket(80, np.arange(101.0)) == pytest.approx(75)


def test_compare_against_a_loop(fold, resamples):
    y_true, score_a = fold
    score_b = np.clip(score_a + np.random.default_rng(1).normal(0, 0.3, score_a.shape), 0, 1)
    result = bootstrap.compare(y_true, score_a, score_b, resamples)
    a, b = (looped_auc(y_true, score, resamples) for score in (score_a, score_b))
    macro = (a - b).mean(axis=1)
    expected = roc_auc_score(y_true, score_a) - roc_auc_score(y_true, score_b)
    assert result.macro.value == pytest.approx(expected, abs=1e-12)
    assert result.macro.interval_90 == pytest.approx(tuple(np.quantile(macro, [0.05, 0.95])))
    assert result.macro.interval_95 == pytest.approx(tuple(np.quantile(macro, [0.025, 0.975])))
    assert result.macro.share_a_better == (macro > 0).mean() == 1
    assert len(result.classes) == 5
    share = (a[:, 4] > b[:, 4]).mean()
    assert result.classes[4].share_a_better == pytest.approx(share)


def test_a_model_compared_with_itself_is_never_better(fold, resamples):
    same = bootstrap.compare(fold[0], fold[1], fold[1], resamples)
    assert same.macro == bootstrap.Difference(0.0, (0.0, 0.0), (0.0, 0.0), 0.0)


def test_bad_input_is_named(fold, resamples):
    y_true, y_score = fold
    with pytest.raises(DataError, match="resamples of 300 records, but y_true has 299"):
        bootstrap.auc_bootstrap(y_true[:-1], y_score[:-1], resamples)
    with pytest.raises(DataError, match="no class has both a positive and a negative among 2"):
        bootstrap.draw([[1, 0], [1, 0]], 5, np.random.default_rng(0))
    with pytest.raises(DataError, match="n_resamples must be at least 1, but is 0"):
        bootstrap.draw(y_true, 0, np.random.default_rng(0))
    with pytest.raises(DataError, match=r"level must lie in \(0, 1\), but is 95"):
        bootstrap.interval(np.arange(5.0), 95)


def test_a_class_that_a_resample_lacks_isnt_defined_there(fold):
    """In a resample of the first class's positives alone; scikit-learn's of the others."""
    y_true, y_score = fold
    first = np.flatnonzero(y_true[:, 0])
    indices = np.resize(first, (1, len(y_true))).astype(np.int32)
    (auc,) = bootstrap.auc_bootstrap(y_true, y_score, bootstrap.Resamples(indices))
    assert np.isnan(auc[0])
    for c in range(1, 5):
        labels = y_true[indices[0], c]
        expected = roc_auc_score(labels, y_score[indices[0], c]) if labels.any() else np.nan
        assert auc[c] == pytest.approx(expected, nan_ok=True)


def rare_fold(n_rare: int) -> tuple[np.ndarray, np.ndarray]:
    """A common class, ``n_rare`` classes with one positive each, and one that nobody has."""
    generator = np.random.default_rng(5)
    y_true = np.zeros((200, n_rare + 2), np.uint8)
    y_true[:100, 0] = 1
    y_true[np.arange(n_rare), np.arange(1, n_rare + 1)] = 1
    return y_true, generator.random(y_true.shape)


def test_of_many_rare_classes_not_all_are_in_every_resample():
    """Each is in 1 - 0.995^200 = 63% of the draws: at one in a hundred, ten can be asked for."""
    y_true, y_score = rare_fold(40)
    asked = bootstrap.asked_for(y_true.astype(bool))
    assert len(asked) == 11 and 0 in asked and y_true.shape[1] - 1 not in asked
    resamples = bootstrap.draw(y_true, 100, np.random.default_rng(0))
    auc = bootstrap.auc_bootstrap(y_true, y_score, resamples)
    assert np.isfinite(auc[:, asked]).all() and np.isnan(auc[:, -1]).all()
    low, high = bootstrap.interval(auc, 0.95)
    rare = auc[:, 30][np.isfinite(auc[:, 30])]
    assert 30 < len(rare) < 95
    np.testing.assert_allclose((low[30], high[30]), np.quantile(rare, (0.025, 0.975)))


def test_a_comparison_is_over_the_classes_that_can_be_judged(resamples, fold):
    y_true, first = fold[0].copy(), fold[1]
    second = first[:, ::-1].copy()
    y_true[:, 2] = 0
    kept = [0, 1, 3, 4]
    found = bootstrap.compare(y_true, first, second, resamples)
    expected = bootstrap.compare(y_true[:, kept], first[:, kept], second[:, kept], resamples)
    assert np.isnan(found.classes[2].value)
    assert found.macro.value == pytest.approx(expected.macro.value)
    assert found.macro.interval_95 == pytest.approx(expected.macro.interval_95)
    assert found.macro.share_a_better == expected.macro.share_a_better


def test_a_class_too_rare_to_resample_ends_in_an_error(monkeypatch):
    monkeypatch.setattr(bootstrap, "MAX_REDRAWS", 3)
    with pytest.raises(DataError, match="resamples of 12 records still lack a positive"):
        bootstrap.draw(np.eye(12), 5, np.random.default_rng(0))
