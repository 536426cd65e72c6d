import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_recall_curve, roc_curve

from heart_reader.errors import ConfigError, DataError
from heart_reader.evaluation.config import EvaluationConfig
from heart_reader.evaluation.thresholds import (
    Rule,
    apply_thresholds,
    choose,
    choose_reachable,
    cross_fitted,
    parse_rule,
    rule_of,
    youden,
)


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
    with pytest.raises(DataError, match=r"one value for each of 2 classes, but has shape \(3,\)"):
        apply_thresholds([[0.1, 0.2]], [0.1, 0.2, 0.3])


def test_a_class_that_nobody_or_everybody_has():
    """Never told, and told of everybody; the class between them isn't touched."""
    y_true = [[0, 1, 1], [0, 0, 1], [0, 1, 1]]
    y_score = [[0.9, 0.8, 0.3], [0.2, 0.1, 0.6], [0.4, 0.7, 0.2]]
    for rule in ("youden", "f1", "precision:0.9", "sensitivity:0.9"):
        assert choose(parse_rule(rule), y_true, y_score).tolist() == [1.0, 0.7, 0.2]
    assert choose_reachable(parse_rule("f1"), y_true, y_score).tolist() == [np.inf, 0.7, 0.2]


# ---------------------------------------------------------------- other rules


def test_f1_against_sklearn(fold):
    y_true, y_score = fold
    ours = choose(Rule("f1", 0), y_true, y_score)
    for c in range(5):
        truth, scores = y_true[:, c], y_score[:, c]
        every = {t: f1_score(truth, scores >= t) for t in np.unique(scores)}
        best = max(every.values())
        assert ours[c] == max(t for t, value in every.items() if value >= best - 1e-12)


@pytest.mark.parametrize("target", [0.5, 0.7, 0.8])
def test_precision_against_sklearn(fold, target):
    y_true, y_score = fold
    ours = choose(Rule("precision", target), y_true, y_score)
    for c in range(5):
        precision, recall, thresholds = precision_recall_curve(y_true[:, c], y_score[:, c])
        kept = precision[:-1] >= target
        most = recall[:-1][kept].max()
        assert ours[c] == thresholds[kept & (recall[:-1] == most)].max()


@pytest.mark.parametrize("target", [0.05, 0.8, 0.9, 1.0])
def test_sensitivity_against_sklearn(fold, target):
    y_true, y_score = fold
    ours = choose(Rule("sensitivity", target), y_true, y_score)
    for c in range(5):
        _, tpr, thresholds = roc_curve(y_true[:, c], y_score[:, c], drop_intermediate=False)
        assert ours[c] == thresholds[tpr >= target].max()


def test_a_precision_out_of_reach_is_said_with_what_is_in_reach():
    y_true, y_score = (
        [[1, 0], [0, 1], [1, 0], [0, 1]],
        [[0.9, 0.8], [0.1, 0.7], [0.8, 0.9], [0, 0.6]],
    )
    with pytest.raises(DataError, match=r"class HYP reaches a precision of 0\.500 at most \(4 "):
        choose(Rule("precision", 0.8), y_true, y_score, ("MI", "HYP"))
    assert choose(Rule("precision", 0.5), y_true, y_score).tolist() == [0.8, 0.6]


def test_thresholds_of_others_say_who_is_positive():
    """Group 1's positives score lower: by group 0's threshold half of them are missed."""
    y_true = np.array([[1], [1], [0], [0], [1], [1], [0], [0]])
    y_score = np.array([[0.9], [0.8], [0.4], [0.3], [0.85], [0.6], [0.5], [0.2]])
    groups = [0, 0, 0, 0, 1, 1, 1, 1]
    said = cross_fitted(Rule("sensitivity", 1), y_true, y_score, groups)
    # of group 1 alone the threshold is 0.6, of group 0 alone 0.8
    assert said[:, 0].tolist() == [True, True, False, False, True, False, False, False]
    for group in (0, 1):
        held = np.array(groups) == group
        others = youden(y_true[~held], y_score[~held])
        expected = apply_thresholds(y_score[held], others)
        assert (cross_fitted(Rule("youden", 0), y_true, y_score, groups)[held] == expected).all()


def test_where_others_do_not_reach_a_precision_nobody_is_positive():
    y_true = np.array([[1], [0], [0], [1], [0], [1]])
    y_score = np.array([[0.9], [0.5], [0.4], [0.5], [0.9], [0.4]])
    said = cross_fitted(Rule("precision", 0.9), y_true, y_score, [0, 0, 0, 1, 1, 1])
    assert said[:3].any() == False and said[3:, 0].tolist() == [False, True, False]  # noqa: E712


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("youden", Rule("youden", 0)),
        ("f1", Rule("f1", 0)),
        ("precision:0.8", Rule("precision", 0.8)),
        ("sensitivity:1", Rule("sensitivity", 1)),
        ("precision:.25", Rule("precision", 0.25)),
    ],
)
def test_rules_are_read_and_written(text, rule):
    assert parse_rule(text) == rule
    assert parse_rule(str(rule)) == rule
    assert rule_of({"threshold_rule": text}) == rule


def test_a_bundle_from_before_has_youdens():
    assert rule_of({"seed": 3}) == Rule("youden", 0)


@pytest.mark.parametrize(
    "text",
    ["", "yuoden", "precision", "precision:", "precision:0", "precision:1.01", "precision:nan",
     "sensitivity:-0.5", "precision:80%", "precision:1e-3"],
)  # fmt: skip
def test_other_words_are_refused_with_what_is_legal(text):
    with pytest.raises(ConfigError, match="thresholds must be youden, f1, precision:P or"):
        parse_rule(text)


def test_a_rule_without_a_number_takes_none():
    with pytest.raises(ConfigError, match=r"'f1' takes no number, but is 'f1:0\.8'"):
        parse_rule("f1:0.8")
    with pytest.raises(ConfigError, match="did you mean 'youden'"):
        parse_rule("yuoden")
    assert len(EvaluationConfig(0, 10, 2, "f2", 0, "plat", 0.6, -1).problems()) == 5
