"""The teacher: trees across folds, never scored on what they were fitted on."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from heart_reader.bundle.scoring import score
from heart_reader.errors import ConfigError, DataError
from heart_reader.fitting import (
    Prepared,
    Split,
    make_trainer,
    prepare,
    teacher_scores,
    untuned_bundle,
)
from heart_reader.training import teacher
from heart_reader.training.teacher import TREES, boosted_scores, fold_scores, soften
from tests.training.tiny import tiny_config, tiny_prepared

N_RECORDS, N_FEATURES = 400, 6


@pytest.fixture
def table() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features with gaps, two classes that follow from them, and eight folds."""
    generator = np.random.default_rng(0)
    features = generator.normal(size=(N_RECORDS, N_FEATURES)).astype(np.float32)
    noise = generator.normal(scale=0.5, size=(N_RECORDS, 2))
    y_true = (features[:, :2] + noise > 0.3).astype(np.uint8)
    features[generator.random(features.shape) < 0.05] = np.nan
    return features, y_true, generator.integers(1, 9, N_RECORDS)


def test_scores_are_those_of_trees_fitted_on_the_other_folds(table, tmp_path: Path) -> None:
    features, y_true, fold = table
    scores = boosted_scores(features, y_true, fold, tmp_path)
    held_out = np.isin(fold, (3, 4))
    trees = HistGradientBoostingClassifier(**TREES).fit(features[~held_out], y_true[~held_out, 1])
    expected = trees.predict_proba(features[held_out])[:, 1]
    np.testing.assert_allclose(scores[held_out, 1], expected, atol=1e-6)


def test_trees_are_asked_about_records_that_they_have_not_seen(table) -> None:
    features, y_true, fold = table
    held_out = fold == 8
    scores = fold_scores(features, y_true, held_out)
    trees = HistGradientBoostingClassifier(**TREES).fit(features[~held_out], y_true[~held_out, 0])
    expected = trees.predict_proba(features[held_out])[:, 1]
    assert scores.shape == (held_out.sum(), 2)
    np.testing.assert_allclose(scores[:, 0], expected, atol=1e-6)


def test_shared_among_processes_the_scores_are_the_same_to_the_bit(
    table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = boosted_scores(*table, tmp_path / "alone")
    monkeypatch.setattr(teacher, "MANY", 1)
    monkeypatch.setattr(teacher, "n_cores", lambda: 2)
    np.testing.assert_array_equal(boosted_scores(*table, tmp_path / "shared"), alone)


def test_no_score_follows_from_the_records_own_part(table, tmp_path: Path) -> None:
    features, y_true, fold = table
    part = np.isin(fold, (1, 2))
    changed = np.where(part[:, None], 1 - y_true, y_true)
    before = boosted_scores(features, y_true, fold, tmp_path)
    after = boosted_scores(features, changed, fold, tmp_path)
    np.testing.assert_array_equal(before[part], after[part])
    assert np.abs(before[~part] - after[~part]).max() > 0.1


def test_a_second_call_reads_the_cache(table, tmp_path: Path) -> None:
    first = boosted_scores(*table, tmp_path)
    (stored,) = (tmp_path / "teachers").iterdir()
    np.savez(stored, values=first / 2)
    np.testing.assert_array_equal(boosted_scores(*table, tmp_path), first / 2)


def test_a_class_that_the_other_folds_all_lack_is_scored_as_absent(table, tmp_path: Path) -> None:
    features, y_true, fold = table
    rare = np.where(fold == 1, y_true[:, 0], 0)[:, None].astype(np.uint8)
    scores = boosted_scores(features, rare, fold, tmp_path)
    assert not scores[np.isin(fold, (1, 2))].any()


def test_a_feature_that_nobody_has_changes_nothing(table, tmp_path: Path) -> None:
    features, y_true, fold = table
    unknown = np.full((N_RECORDS, 1), np.nan, np.float32)
    more = np.concatenate([unknown, features], axis=1)
    scores = boosted_scores(features, y_true, fold, tmp_path)
    np.testing.assert_array_equal(boosted_scores(more, y_true, fold, tmp_path), scores)


def test_one_fold_is_refused(table, tmp_path: Path) -> None:
    features, y_true, _ = table
    with pytest.raises(DataError, match=r"across folds, but all records are of fold \[5\]"):
        boosted_scores(features, y_true, np.full(N_RECORDS, 5), tmp_path)


def test_soften_by_hand() -> None:
    y_true, scores = np.array([[1, 0]], np.uint8), np.array([[0.5, 0.2]], np.float32)
    np.testing.assert_allclose(soften(y_true, scores, 0.7), [[0.65, 0.14]], atol=1e-7)


def test_only_the_training_targets_are_softened(prepared: Prepared) -> None:
    hard = make_trainer(prepared, tiny_config())
    soft = make_trainer(prepared, tiny_config(training__teacher="boosting"))
    labels, targets = hard.train.y_true.numpy(), soft.train.y_true.numpy()
    assert set(np.unique(labels)) == {0, 1}
    teacher = (targets - 0.3 * labels) / 0.7
    assert teacher.min() > -1e-6 and teacher.max() < 1 + 1e-6
    assert np.unique(teacher.round(4)).size > 100
    np.testing.assert_array_equal(soft.validation.y_true, hard.validation.y_true)


def test_without_features_there_is_no_teacher(cache: Path) -> None:
    bare = tiny_prepared(cache, "none")
    with pytest.raises(ConfigError, match=r"training\.teacher 'boosting' learns from features"):
        teacher_scores(bare, tiny_config(training__teacher="boosting"))


def test_a_network_as_teacher_is_asked_about_folds_that_it_has_not_seen(prepared, cache) -> None:
    config = tiny_config(training__epochs=1, training__teacher="se_resnet1d")
    blended = teacher_scores(prepared, config)
    trees = teacher_scores(prepared, tiny_config(training__teacher="boosting"))
    student = tiny_config(training__epochs=1, training__teacher="boosting")
    records = prepared.records
    half = prepare(records, Split((5, 6, 7, 8), (9,)))
    result = make_trainer(half, student).fit([])
    asked = score(untuned_bundle(half, student, result, {}), records, (1, 2, 3, 4))
    held_out = np.isin(records.fold[records.rows(prepared.split.train)], (1, 2, 3, 4))
    expected = (trees[held_out] + asked.y_score) / 2
    np.testing.assert_allclose(blended[held_out], expected, atol=1e-6)


def test_an_unknown_teacher_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"unknown teacher 'bosting', did you mean 'boosting'\?"):
        tiny_config(training__teacher="bosting")
