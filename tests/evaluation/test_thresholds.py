import numpy as np
import pytest
from sklearn.metrics import roc_curve

from heart_reader.errors import DataError
from heart_reader.evaluation.thresholds import apply_thresholds, youden


def test_youden_against_sklearn(fold):
    y_true, y_score = fold
    ours = youden(y_true, y_score)
    for c in range(5):
        fpr, tpr, thresholds = roc_curve(y_true[:, c], y_score[:, c], drop_intermediate=False)
        assert ours[c] == thresholds[np.argmax(tpr - fpr)]


def test_no_score_gives_a_higher_j(fold):
    y_true, y_score = fold
    y_pred = apply_thresholds(y_score, youden(y_true, y_score))
    for c in range(5):
        truth = y_true[:, c]

        def j(predicted, truth=truth):
            return predicted[truth].mean() - predicted[~truth].mean()

        every = max(j(y_score[:, c] >= t) for t in np.unique(y_score[:, c]))
        assert j(y_pred[:, c]) == pytest.approx(every, abs=1e-12)


def test_of_equal_j_the_highest_threshold_is_taken():
    # at 0.9 one of two positives; at 0.5 both, and one of two negatives: J is 1/2 at both
    assert youden([[1], [0], [1], [0]], [[0.9], [0.7], [0.5], [0.1]]).tolist() == [0.9]


def test_equal_j_compares_equal_where_rates_would_round():
    # J is 2/3 at 0.8 and at 0.6, but 3/3 - 1/3 rounds to more than 2/3 - 0/3
    assert 3 / 3 - 1 / 3 > 2 / 3 - 0 / 3
    labels, scores = [1, 1, 0, 1, 0, 0], [0.9, 0.8, 0.7, 0.6, 0.5, 0.4]
    assert youden(np.array([labels]).T, np.array([scores]).T).tolist() == [0.8]


def test_equal_scores_give_that_score_and_not_infinity():
    assert youden([[1], [0], [1]], np.full((3, 1), 0.4)).tolist() == [0.4]


def test_a_score_on_the_threshold_is_a_yes():
    predicted = apply_thresholds([[0.5, 0.2], [0.4, 0.3]], [0.5, 0.3])
    assert predicted.tolist() == [[True, False], [False, True]]


def test_a_float32_score_keeps_its_own_threshold(fold):
    y_true, y_score = fold
    y_score = y_score.astype(np.float32)
    thresholds = youden(y_true, y_score)
    assert thresholds.dtype == np.float64
    assert ((y_score == thresholds) & apply_thresholds(y_score, thresholds)).any(axis=0).all()


def test_bad_input_is_named():
    with pytest.raises(DataError, match="class CD has 0 negatives among 2 records"):
        youden([[1], [1]], [[0.1], [0.2]], ("CD",))
    with pytest.raises(DataError, match=r"one value for each of 2 classes, but has shape \(3,\)"):
        apply_thresholds([[0.1, 0.2]], [0.1, 0.2, 0.3])
