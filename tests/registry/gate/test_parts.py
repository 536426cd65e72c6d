"""A candidate that is better in the mean and worse for women over 75."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from registry.gate import parts
from registry.gate.rules import against_champion, reasons
from registry.settings import load_settings

CLASSES = ("A", "B", "C")
N = 2000


@pytest.fixture(scope="module")
def metadata() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "sex": rng.integers(0, 2, N).astype(float),
            "age": rng.integers(20, 90, N).astype(float),
            "site": rng.integers(0, 4, N).astype(float),
            "device": np.where(rng.random(N) < 0.7, "CS-12   E", "AT-6"),
        }
    )


def scores(metadata: pd.DataFrame, gain: float, loss: float) -> tuple[np.ndarray, ...]:
    """A champion, and a candidate that gains for all but women over 75, for whom it loses."""
    rng = np.random.default_rng(1)
    y_true = (rng.random((N, 3)) < 0.35).astype(np.uint8)
    champion = 1.6 * y_true + rng.normal(0, 1, y_true.shape)
    old_women = ((metadata["sex"] == 1) & (metadata["age"] >= 75)).to_numpy()
    shift = np.where(old_women, -loss, gain)[:, None]
    candidate = champion + shift * (y_true - 0.35) + rng.normal(0, 0.1, y_true.shape)
    return y_true, expit(candidate).astype(np.float32), expit(champion).astype(np.float32)


def test_the_gate_says_so(metadata):
    config = load_settings({})[0].gate
    y_true, candidate, champion = scores(metadata, 0.2, 1.0)
    means = [roc_auc_score(y_true, s) for s in (candidate, champion)]
    assert means[0] > means[1]
    assert reasons(against_champion(y_true, candidate, champion, CLASSES, config)) == ""
    check = parts.each_part(metadata, y_true, candidate, champion, config)
    assert not check.passed and check.text.startswith("women over 75 -")
    women = ((metadata["sex"] == 1) & (metadata["age"] >= 75)).to_numpy()
    expected = roc_auc_score(y_true[women], candidate[women]) - roc_auc_score(
        y_true[women], champion[women]
    )
    assert check.values["women_over_75"] == pytest.approx(expected)
    assert check.values["device_AT-6"] > 0 and check.values["men_over_75"] > 0


def test_one_that_is_better_for_all_passes(metadata):
    config = load_settings({})[0].gate
    check = parts.each_part(metadata, *scores(metadata, 0.2, -0.2), config)
    assert check.passed and "Holm" in check.text


def test_chance_isnt_held_against_a_candidate(metadata):
    """20 candidates that differ from the champion by noise alone."""
    config = load_settings({"gate.max_part_loss": "0", "gate.n_resamples": "200"})[0].gate
    y_true, _, champion = scores(metadata, 0, 0)
    refused = 0
    for seed in range(20):
        noise = np.random.default_rng(seed).normal(0, 0.05, champion.shape)
        other = np.clip(champion + noise, 0, 1).astype(np.float32)
        same = np.clip(champion - noise, 0, 1).astype(np.float32)
        refused += not parts.each_part(metadata, y_true, other, same, config).passed
    assert refused <= 3  # 5% of 20 are 1; 4 or more have a chance of 1.6%


def test_few_records_are_no_part():
    config = load_settings({})[0].gate
    few = pd.DataFrame({"sex": [0.0] * 40, "age": [50.0] * 40})
    y_true = np.tile([0, 1], 20)[:, None].astype(np.uint8)
    check = parts.each_part(few, y_true, 1 - y_true * 0.5, y_true * 0.5, config)
    assert check.passed and "enough records" in check.text


def test_holm_by_the_values_that_r_gives():
    """``p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")``: 0.03, 0.06, 0.06, 0.02."""
    assert parts.holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005}) == ["d", "a"]
