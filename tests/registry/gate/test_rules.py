"""The rules of the gate on single classes, where some are rare or missing in fold 9.

Covers: registry.gate.rules.
"""

import numpy as np
import pytest
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
