"""Labels that nobody gave count nowhere: every figure is that of the records in which it is known.

Covers: heart_reader.evaluation.metrics, heart_reader.evaluation.bootstrap,
heart_reader.evaluation.thresholds, heart_reader.evaluation.fast_auc,
heart_reader.evaluation.checks.
"""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from heart_reader.evaluation import bootstrap, metrics
from heart_reader.evaluation.examples import record_loss
from heart_reader.evaluation.fast_auc import mixture_auc
from heart_reader.evaluation.subgroups import FEWEST
from heart_reader.evaluation.summary import summary
from heart_reader.evaluation.thresholds import Rule, choose
from heart_reader.tasks.task import UNKNOWN
from registry.gate.rules import floors
from registry.settings import load_settings

CLASSES = ("A", "B", "C")


@pytest.fixture(scope="module")
def scored() -> tuple[np.ndarray, np.ndarray]:
    """Labels of which a third is unknown, and scores with ties."""
    rng = np.random.default_rng(5)
    y_true = (rng.random((300, 3)) < (0.5, 0.2, 0.05)).astype(np.uint8)
    y_score = np.round(0.6 * rng.random((300, 3)) + 0.3 * y_true, 2)
    return np.where(rng.random((300, 3)) < 0.33, np.uint8(UNKNOWN), y_true), y_score


def column(scored: tuple[np.ndarray, np.ndarray], k: int) -> tuple[np.ndarray, np.ndarray]:
    y_true, y_score = scored
    known = y_true[:, k] != UNKNOWN
    return y_true[known, k], y_score[known, k]


def test_class_wise_figures_are_those_of_the_known(scored):
    aucs, areas = metrics.class_auc(*scored), metrics.average_precision(*scored)
    brier = metrics.brier_score(*scored)
    errors = metrics.expected_calibration_error(*scored, 10)
    for k in range(3):
        truth, said = column(scored, k)
        assert aucs[k] == pytest.approx(roc_auc_score(truth, said), abs=1e-12)
        assert areas[k] == pytest.approx(average_precision_score(truth, said), abs=1e-12)
        assert brier[k] == pytest.approx(np.mean((said - truth) ** 2), abs=1e-12)
        alone = metrics.expected_calibration_error(truth[:, None], said[:, None], 10)
        assert errors[k] == pytest.approx(alone[0], abs=1e-12)


def test_mixtures_and_resamples_are_those_of_the_known(scored):
    y_true, y_score = scored
    mixed = mixture_auc(y_true, np.stack([y_score, y_score**2])).per_class(np.array([0.3, 0.7]))
    resamples = bootstrap.draw(y_true, 20, np.random.default_rng(0))
    again = bootstrap.auc_bootstrap(y_true, y_score, resamples)
    for k in range(3):
        truth, said = column(scored, k)
        assert mixed[k] == pytest.approx(
            roc_auc_score(truth, 0.3 * said + 0.7 * said**2), abs=1e-9
        )
        for row in (0, 19):
            drawn = resamples.indices[row]
            known = drawn[y_true[drawn, k] != UNKNOWN]
            expected = roc_auc_score(y_true[known, k], y_score[known, k])
            assert again[row, k] == pytest.approx(expected, abs=1e-12)


def test_thresholds_are_chosen_on_the_known(scored):
    for rule in (Rule("youden", 0.0), Rule("f1", 0.0), Rule("sensitivity", 0.8)):
        chosen = choose(rule, *scored)
        for k in range(3):
            truth, said = column(scored, k)
            assert chosen[k] == choose(rule, truth[:, None], said[:, None])[0]


def test_record_centric_figures_leave_out_what_is_unknown():
    y_true = np.array([[1, 0, UNKNOWN], [1, UNKNOWN, 0], [0, 1, 0]], np.uint8)
    y_score = np.array([[0.9, 0.1, 0.95], [0.8, 0.99, 0.2], [0.3, 0.7, 0.1]])
    best = metrics.f_max(y_true, y_score)
    assert best.value == 1.0  # wrong only where nobody knows
    y_pred = y_score >= 0.5
    challenge = metrics.challenge_metrics(y_true, y_pred)
    assert (challenge.f_beta, challenge.g_beta) == (1.0, 1.0)
    resamples = bootstrap.draw(y_true[:, :2], 5, np.random.default_rng(0))
    assert (bootstrap.f_max_bootstrap(y_true, y_score, resamples) == 1.0).all()
    expected = -np.log([0.9, 0.9]).mean()
    assert record_loss(y_true, y_score)[0] == pytest.approx(expected)


def test_a_summary_of_the_known_and_a_class_that_nobody_knows(scored):
    y_true, y_score = scored
    y_true = y_true.copy()
    y_true[:, 2] = UNKNOWN
    found = summary(y_true, y_score, np.full(3, 0.5), CLASSES, 10)
    expected = [roc_auc_score(*column(scored, k)) for k in (0, 1)]
    assert found["macro_auc"] == pytest.approx(np.mean(expected), abs=1e-12)
    assert found["n_classes"] == 2 and "auc_C" not in found
    assert all(np.isfinite(value) for value in found.values())


def test_the_gate_holds_classes_with_enough_that_is_known(scored):
    y_true, y_score = scored
    y_true = y_true.copy()
    known = np.flatnonzero(y_true[:, 2] == 0)
    y_true[known[FEWEST - 1 :], 2] = UNKNOWN  # one negative too few
    _, each = floors(y_true, y_score, CLASSES, load_settings({})[0].gate)
    assert "1 with fewer than 5 positives or negatives" in each.text


def test_another_number_is_no_label():
    with pytest.raises(Exception, match="must hold 0 and 1 only, but holds 2"):
        metrics.class_auc(np.array([[0], [2]]), np.array([[0.1], [0.2]]))
