"""Against scikit-learn, and against the benchmark's definitions written out as plain loops.

Covers: heart_reader.evaluation.checks.
"""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import average_precision_score, brier_score_loss, f1_score, roc_auc_score

from heart_reader.errors import DataError
from heart_reader.evaluation import metrics
from heart_reader.evaluation.summary import summary
from tests.evaluation.conftest import CLASSES


def literal_f(y_true, y_score, threshold):
    """Record-centric F1 at one threshold, one record at a time."""
    precisions, recalls = [], []
    for truth, score in zip(y_true, y_score, strict=True):
        guessed = {c for c, s in enumerate(score) if s >= threshold}
        actual = {c for c, t in enumerate(truth) if t}
        if guessed:
            precisions.append(len(guessed & actual) / len(guessed))
        recalls.append(len(guessed & actual) / len(actual))
    if not precisions:
        return 0.0
    precision, recall = sum(precisions) / len(precisions), sum(recalls) / len(recalls)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def literal_challenge(y_true, y_pred, beta):
    """The challenge's F and G as loops over classes and records."""
    fs, gs = [], []
    for c in range(y_true.shape[1]):
        tp = fp = fn = 0.0
        for i in range(len(y_true)):
            weight = 1 / sum(y_true[i])
            if y_true[i][c] and y_pred[i][c]:
                tp += weight
            elif y_pred[i][c]:
                fp += weight
            elif y_true[i][c]:
                fn += weight
        fs.append((1 + beta**2) * tp / ((1 + beta**2) * tp + fp + beta**2 * fn))
        gs.append(tp / (tp + fp + beta * fn))
    return sum(fs) / len(fs), sum(gs) / len(gs)


def small_folds():
    """Few records and few distinct scores: every kind of tie, labels never empty."""
    record = st.tuples(
        st.lists(st.booleans(), min_size=3, max_size=3).filter(any),
        st.lists(st.integers(0, 4), min_size=3, max_size=3),
    )
    return st.lists(record, min_size=1, max_size=12).map(
        lambda rows: (
            np.array([labels for labels, _ in rows]),
            np.array([scores for _, scores in rows]) / 4,
        )
    )


def test_auc_against_sklearn(fold):
    y_true, y_score = fold
    expected = roc_auc_score(y_true, y_score, average=None)
    np.testing.assert_allclose(metrics.class_auc(y_true, y_score), expected, rtol=0, atol=1e-12)
    macro = roc_auc_score(y_true, y_score, average="macro")
    assert metrics.macro_auc(y_true, y_score) == pytest.approx(macro, abs=1e-12)


@given(small_folds())
@settings(max_examples=60, deadline=None)
def test_auc_against_sklearn_on_every_kind_of_tie(fold):
    y_true, y_score = fold
    defined = [c for c in range(3) if 0 < y_true[:, c].sum() < len(y_true)]
    if not defined:
        with pytest.raises(DataError, match=r"class \d has 0 (positives|negatives)"):
            metrics.class_auc(y_true, y_score)
        return
    y_true, y_score = y_true[:, defined], y_score[:, defined]
    expected = [roc_auc_score(y_true[:, c], y_score[:, c]) for c in range(len(defined))]
    np.testing.assert_allclose(metrics.class_auc(y_true, y_score), expected, atol=1e-12)


def test_auc_of_equal_scores_is_one_half():
    y_true = np.array([[1, 0], [0, 1], [1, 1], [0, 0]])
    np.testing.assert_array_equal(metrics.class_auc(y_true, np.full((4, 2), 0.3)), [0.5, 0.5])


def test_auc_takes_float32_scores_as_sklearn_does(fold):
    y_true, y_score = fold
    y_score = y_score.astype(np.float32)
    expected = roc_auc_score(y_true, y_score, average=None)
    np.testing.assert_allclose(metrics.class_auc(y_true, y_score), expected, atol=1e-12)


def test_average_precision_against_sklearn(fold):
    y_true, y_score = fold
    expected = average_precision_score(y_true, y_score, average=None)
    np.testing.assert_allclose(metrics.average_precision(y_true, y_score), expected, atol=1e-12)


def test_f_max_against_every_threshold(fold):
    y_true, y_score = fold
    best = metrics.f_max(y_true, y_score)
    every = [literal_f(y_true, y_score, t) for t in np.unique(y_score)]
    assert best.value == pytest.approx(max(every), abs=1e-12)
    assert literal_f(y_true, y_score, best.threshold) == pytest.approx(best.value, abs=1e-12)


@given(small_folds())
@settings(max_examples=100, deadline=None)
def test_f_max_against_every_threshold_on_ties(fold):
    y_true, y_score = fold
    best = metrics.f_max(y_true, y_score)
    expected = max(literal_f(y_true, y_score, t) for t in np.unique(y_score))
    assert best.value == pytest.approx(expected, abs=1e-12)


def test_f_max_is_never_below_the_grid(fold):
    y_true, y_score = fold
    grid = max(literal_f(y_true, y_score, t) for t in np.linspace(0, 1, 101))
    assert metrics.f_max(y_true, y_score).value >= grid - 1e-12


def test_f_max_by_hand():
    # at 0.8: precision (1 + 0)/2, recall (1/2 + 0)/2; at 0.6: both (1 + 1/2)/2 and (1 + 1)/2
    y_true, y_score = [[1, 1, 0], [0, 1, 0]], [[0.9, 0.6, 0.1], [0.8, 0.7, 0.2]]
    best = metrics.f_max(y_true, y_score)
    assert best.value == pytest.approx(2 * 0.75 * 1 / 1.75, abs=1e-15)
    assert best.threshold == 0.6


def test_f_max_takes_the_highest_of_equal_thresholds():
    assert metrics.f_max([[1, 1]], [[0.5, 0.5]]) == metrics.FMax(1.0, 0.5)
    # one record, one label, right at 0.9; at 0.2 a wrong one joins
    assert metrics.f_max([[1, 0]], [[0.9, 0.2]]) == metrics.FMax(1.0, 0.9)


@pytest.mark.parametrize("beta", [1, 2, 0.5])
def test_challenge_metrics_against_the_definition(fold, beta):
    y_true, y_score = fold
    ours = metrics.challenge_metrics(y_true, y_score >= 0.4, beta=beta)
    f, g = literal_challenge(y_true, y_score >= 0.4, beta)
    assert (ours.f_beta, ours.g_beta) == pytest.approx((f, g), abs=1e-12)


def test_challenge_metrics_with_one_label_a_record_is_sklearn_f_beta():
    generator = np.random.default_rng(0)
    y_true = np.eye(3, dtype=bool)[generator.integers(0, 3, 200)]
    y_pred = generator.random((200, 3)) < 0.2 + 0.5 * y_true
    expected = f1_score(y_true, y_pred, average="macro")
    assert metrics.challenge_metrics(y_true, y_pred, beta=1).f_beta == pytest.approx(expected)


def test_challenge_metrics_by_hand():
    # class 0: TP 1/2, FP 1; class 1: TP 1/2, FN 1
    ours = metrics.challenge_metrics([[1, 1], [0, 1]], [[1, 1], [1, 0]])
    assert ours.f_beta == pytest.approx((2.5 / 3.5 + 2.5 / 6.5) / 2)
    assert ours.g_beta == pytest.approx((0.5 / 1.5 + 0.5 / 2.5) / 2)


def test_brier_score_against_sklearn(fold):
    y_true, y_score = fold
    expected = [brier_score_loss(y_true[:, c], y_score[:, c]) for c in range(5)]
    np.testing.assert_allclose(metrics.brier_score(y_true, y_score), expected, atol=1e-12)


@pytest.mark.parametrize("n_bins", [1, 10, 15])
def test_calibration_error_against_sklearn(fold, n_bins):
    y_true, y_score = fold
    ours = metrics.expected_calibration_error(y_true, y_score, n_bins)
    for c in range(5):
        observed, predicted = calibration_curve(y_true[:, c], y_score[:, c], n_bins=n_bins)
        edges = np.linspace(0, 1, n_bins + 1)
        counts = np.bincount(np.searchsorted(edges[1:-1], y_score[:, c]), minlength=n_bins)
        weights = counts[counts > 0] / len(y_true)
        expected = weights @ np.abs(observed - predicted)
        assert ours[c] == pytest.approx(expected, abs=1e-12)


def test_summary_holds_every_metric_under_its_flat_name(fold):
    y_true, y_score = fold
    thresholds = [0.3, 0.4, 0.5, 0.6, 0.5]
    ours = summary(y_true, y_score, thresholds, CLASSES, n_bins=10)
    assert set(ours) == {
        "macro_auc", "n_classes",
        "auprc_macro", "f_max", "f_max_threshold", "f_beta", "g_beta", "brier", "ece",
        *(f"auc_{name}" for name in CLASSES), *(f"auprc_{name}" for name in CLASSES),
    }  # fmt: skip
    assert all(type(value) is float for value in ours.values())
    assert ours["auc_STTC"] == pytest.approx(roc_auc_score(y_true[:, 2], y_score[:, 2]))
    expected = average_precision_score(y_true, y_score, average="macro")
    assert ours["auprc_macro"] == pytest.approx(expected)
    f, g = literal_challenge(y_true, y_score >= np.array(thresholds), 2)
    assert (ours["f_beta"], ours["g_beta"]) == pytest.approx((f, g))


def test_summary_golden_values():
    y_true = [[1, 0], [0, 1], [1, 1], [0, 1], [1, 0]]
    y_score = [[0.9, 0.2], [0.4, 0.6], [0.3, 0.8], [0.1, 0.1], [0.7, 0.3]]
    ours = summary(y_true, y_score, [0.5, 0.5], ("NORM", "MI"), n_bins=5)
    assert ours["auc_NORM"] == pytest.approx(5 / 6)
    assert ours["auc_MI"] == pytest.approx(4 / 6)
    assert ours["brier"] == pytest.approx((0.76 + 1.14) / 10)


GOOD = np.array([[1, 0], [0, 1], [1, 1]])
HALF = np.full((3, 2), 0.5)


@pytest.mark.parametrize(
    ("y_true", "y_score", "message"),
    [
        (GOOD, HALF[:2], r"y_score has shape \(2, 2\), but y_true has \(3, 2\)"),
        (GOOD, np.where(GOOD, np.nan, 0.5), r"4 NaN, the first in row 0, class 0"),
        (GOOD, HALF * 3, r"must lie in \[0, 1\], but spans 1.5 to 1.5"),
        (GOOD * 2, HALF, r"y_true must hold 0 and 1 only, but holds 2 \(4 such\)"),
        (GOOD[:0], HALF[:0], r"not empty, but has shape \(0, 2\)"),
        (GOOD[:, 0], HALF[:, 0], r"must be \(n, n_classes\).* has shape \(3,\)"),
        ([[1, 0], [0, 0]], HALF[:2], "class MI has 0 positives among 2 records"),
        ([[1, 1], [0, 1]], HALF[:2], "class MI has 0 negatives among 2 records"),
    ],
)
def test_bad_input_is_named(y_true, y_score, message):
    with pytest.raises(DataError, match=message):
        metrics.class_auc(y_true, y_score, ("NORM", "MI"))


@pytest.mark.parametrize(
    "metric", [metrics.f_max, lambda y_true, score: metrics.challenge_metrics(y_true, score > 0.4)]
)
def test_a_record_without_label_doesnt_count_in_record_centric_metrics(metric, fold):
    y_true, y_score = fold[0].copy(), fold[1]
    y_true[::3] = 0
    kept = y_true.any(axis=1)
    assert metric(y_true, y_score) == metric(y_true[kept], y_score[kept])
    with pytest.raises(DataError, match="none of 300 records has a label"):
        metric(np.zeros_like(y_true), y_score)


def test_a_class_that_cant_be_judged_is_in_no_mean(fold):
    """Nobody has the first class, everybody the last: the figures are scikit-learn's of the rest,
    and F_max, which asks records rather than classes, is that of all."""
    y_true, y_score = fold[0].copy(), fold[1]
    y_true[:, 0], y_true[:, -1] = 0, 1
    rest = slice(1, -1)
    ours = summary(y_true, y_score, np.full(5, 0.5), CLASSES, n_bins=10)
    auc = roc_auc_score(y_true[:, rest], y_score[:, rest], average=None)
    assert ours["macro_auc"] == pytest.approx(auc.mean())
    assert ours["n_classes"] == 3
    areas = average_precision_score(y_true[:, rest], y_score[:, rest], average=None)
    assert ours["auprc_macro"] == pytest.approx(areas.mean())
    left = {key for key in ours if key.endswith((f"_{CLASSES[0]}", f"_{CLASSES[-1]}"))}
    assert not left and f"auc_{CLASSES[1]}" in ours
    assert ours["f_max"] == metrics.f_max(y_true, y_score).value
    np.testing.assert_allclose(metrics.defined_auc(y_true, y_score), [np.nan, *auc, np.nan])
    with pytest.raises(DataError, match="no class has both a positive and a negative among 300"):
        metrics.macro_auc(np.ones_like(y_true), y_score)


def test_scores_are_not_taken_for_predictions():
    with pytest.raises(DataError, match="apply the thresholds first"):
        metrics.challenge_metrics(GOOD, HALF)


def test_summary_refuses_names_and_thresholds_of_other_classes():
    with pytest.raises(DataError, match=r"1 class names \('NORM',\) for 2 classes"):
        summary(GOOD, HALF, [0.5, 0.5], ("NORM",), n_bins=5)
    with pytest.raises(DataError, match=r"thresholds must hold one value for each of 2 classes"):
        summary(GOOD, HALF, [0.5], ("NORM", "MI"), n_bins=5)


def test_calibration_error_needs_a_bin():
    with pytest.raises(DataError, match="n_bins must be at least 1, but is 0"):
        metrics.expected_calibration_error(GOOD, HALF, 0)


def test_metrics_need_neither_torch_nor_matplotlib():
    code = (
        "import sys, heart_reader.evaluation.metrics;"
        "print(sorted({'torch', 'matplotlib', 'mlflow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
