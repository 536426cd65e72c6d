import numpy as np
import pytest
from sklearn.metrics import log_loss

from heart_reader.errors import DataError
from heart_reader.evaluation.examples import best_and_worst, record_loss


def test_record_loss_against_sklearn(fold):
    y_true, y_score = fold
    y_score = np.clip(y_score, 0.01, 0.99)
    expected = [log_loss(y_true[i], y_score[i], labels=[0, 1]) for i in range(50)]
    np.testing.assert_allclose(record_loss(y_true, y_score)[:50], expected, atol=1e-12)


def test_a_confident_error_stays_finite():
    loss = record_loss([[1, 0]], [[0.0, 1.0]])
    assert loss[0] == pytest.approx(-np.log(1e-7), rel=1e-6)


def test_best_take_the_classes_in_turn_and_worst_do_not():
    # class 1 is the rarer; of each class the lowest loss, then the second lowest
    y_true = [[1, 0], [1, 0], [1, 0], [0, 1], [0, 1]]
    y_score = [[0.99, 0.01], [0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.3, 0.7]]
    best, worst = best_and_worst(y_true, y_score, 3)
    assert best.tolist() == [4, 0, 3]
    assert worst.tolist() == [2, 3, 4]


def test_a_record_with_two_labels_is_shown_once():
    y_true = [[1, 1], [1, 0], [0, 1], [1, 0]]
    y_score = [[0.99, 0.99], [0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]
    best, _ = best_and_worst(y_true, y_score, 4)
    assert best.tolist() == [0, 1, 2, 3]


def test_every_class_is_among_the_best(fold):
    y_true, y_score = fold
    best, worst = best_and_worst(y_true, y_score, 5)
    assert y_true[best].any(axis=0).all()
    loss = record_loss(y_true, y_score)
    assert loss[worst].min() >= np.delete(loss, worst).max()


def test_more_records_than_there_are_is_refused():
    with pytest.raises(DataError, match=r"k must lie in 0 to 1 .*, but is 2"):
        best_and_worst([[1, 0], [0, 0]], [[0.5, 0.5], [0.5, 0.5]], 2)
