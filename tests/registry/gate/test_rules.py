"""The rules of the gate on single classes, where some are rare or missing in fold 9.

Covers: registry.gate.rules.
"""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from registry.gate.rules import against_champion, floors
from registry.settings import load_settings

CLASSES = ("COMMON", "PRC(S)", "GONE")


@pytest.fixture
def fold() -> tuple[np.ndarray, np.ndarray]:
    """400 records: half have the first class, three the second, none the third."""
    generator = np.random.default_rng(1)
    y_true = np.zeros((400, 3), np.uint8)
    y_true[:200, 0], y_true[[3, 250, 251], 1] = 1, 1
    y_score = np.clip(0.6 * y_true + 0.4 * generator.random(y_true.shape), 0, 1)
    return y_true, y_score.astype(np.float32)


def test_a_rare_class_isnt_held_to_a_limit_of_its_own(fold):
    y_true, champion = fold
    candidate = champion.copy()
    candidate[3, 1] = 0.0  # one record, and a third of the class's AUC is gone
    lost = roc_auc_score(y_true[:, 1], candidate[:, 1]) - 1
    assert lost == pytest.approx(-1 / 3, abs=0.01)
    macro, single = against_champion(
        y_true, candidate, champion, CLASSES, load_settings({})[0].gate
    )
    assert single.passed and "COMMON +0.0000" in single.text
    assert "1 with fewer than 5 positives or negatives aren't held to it" in single.text
    assert single.values == pytest.approx({"auc_COMMON": 0, "auc_PRC_S_": lost})
    assert not macro.passed and "over 2 of 3 classes" in macro.text  # the mean feels it


def test_a_common_class_is_held_to_it(fold):
    y_true, champion = fold
    candidate = champion.copy()
    candidate[:40, 0] = 0.0
    _, single = against_champion(y_true, candidate, champion, CLASSES, load_settings({})[0].gate)
    assert not single.passed and single.text.startswith("COMMON -")


def test_a_first_champions_floor_likewise(fold):
    y_true, candidate = fold
    candidate = candidate.copy()
    candidate[[3, 250, 251], 1] = 0.0
    _, single = floors(y_true, candidate, CLASSES, load_settings({})[0].gate)
    assert single.passed and single.text.startswith("COMMON 1.0000")
    assert set(single.values) == {"auc_COMMON", "auc_PRC_S_"}


# ---------------------------------------------------------------- few records


def few(n: int, shift: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A champion, and a candidate that is better or worse than it by a draw and by ``shift``."""
    rng = np.random.default_rng(seed)
    y_true = (rng.random((n, 3)) < 0.4).astype(np.uint8)
    champion = 0.3 * y_true + rng.normal(0.4, 0.25, y_true.shape)
    candidate = champion + shift * (y_true - 0.5) + rng.normal(0, 0.05, y_true.shape)
    return y_true, expit(candidate).astype(np.float32), expit(champion).astype(np.float32)


def test_on_few_records_a_better_candidate_goes_through_and_a_worse_one_doesnt():
    gate = load_settings({})[0].gate
    y_true, candidate, champion = few(79, 0.0, 3)
    values = [roc_auc_score(y_true, s) for s in (candidate, champion)]
    better, worse = (candidate, champion), (champion, candidate)
    if values[0] < values[1]:
        better, worse = worse, better
    macro, single = against_champion(y_true, *better, CLASSES, gate)
    assert macro.values["macro_auc_low95"] < -gate.margin  # no proof: 79 records have none
    assert macro.passed and "79 records are too few to tell" in macro.text
    assert single.passed
    macro, _ = against_champion(y_true, *worse, CLASSES, gate)
    assert not macro.passed and "could: what is no worse passes" in macro.text


def test_on_enough_records_the_interval_alone_decides():
    gate = load_settings({"gate.widest": "0.05"})[0].gate
    y_true, candidate, champion = few(79, 0.0, 3)
    for pair in ((candidate, champion), (champion, candidate)):
        macro, _ = against_champion(y_true, *pair, CLASSES, gate)
        assert macro.passed is (macro.values["macro_auc_low95"] > -gate.margin)
        assert "too few" not in macro.text


def test_a_class_that_loses_by_chance_alone_is_held_against_nobody():
    gate = load_settings({"gate.max_class_loss": "0.0001"})[0].gate
    y_true, candidate, champion = few(79, 0.0, 3)
    _, single = against_champion(y_true, candidate, champion, CLASSES, gate)
    worst = min(single.values.values())
    assert worst < -0.0001 and single.passed and "95% paired interval" in single.text
