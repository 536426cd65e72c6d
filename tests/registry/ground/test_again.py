"""Predictions that a version's run holds, held against what its model says.

Covers: registry.ground.again.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from heart_reader.bundle.scoring import score
from heart_reader.bundle.single import Bundle
from heart_reader.data.dataset import FeaturesConfig, load_development
from heart_reader.data.ptbxl import VALIDATION_FOLD
from heart_reader.errors import ModelError
from registry.ground.again import N_RECORDS, drawn, require_own_words
from registry.ground.fold9 import Ground, fold9
from tests.edge.bundles import fresh_bundle
from tests.training.tiny import tiny_config


@pytest.fixture(scope="module")
def told(cache: Path):
    """A model without features, the records, and what it says of fold 9."""
    config = tiny_config()
    records = load_development(config.data, config.task, FeaturesConfig("none"), cache)
    bundle = fresh_bundle("se_resnet1d", 0)
    said = score(bundle, records, (VALIDATION_FOLD,)).y_score
    return bundle, Ground(fold9(records), records), said


@pytest.fixture
def asked(monkeypatch) -> list[int]:
    """How many records each call was asked about."""
    counts: list[int] = []
    predict = Bundle.predict

    def counted(self, signals, *words):
        counts.append(len(signals))
        return predict(self, signals, *words)

    monkeypatch.setattr(Bundle, "predict", counted)
    return counts


def test_what_a_model_says_is_believed(told, asked):
    bundle, ground, said = told
    require_own_words("a/1", bundle, ground, said)
    assert asked == [min(N_RECORDS, len(said))]


def test_what_somebody_made_up_is_refused(told):
    bundle, ground, said = told
    perfect = ground.fold.y_true.astype(np.float32)
    with pytest.raises(ModelError, match=r"a/1 doesn't say what is logged .* of record \d+ it"):
        require_own_words("a/1", bundle, ground, perfect)
    with pytest.raises(ModelError, match="a/1"):
        require_own_words("a/1", bundle, ground, np.full_like(said, np.nan))


def test_without_the_records_nobody_can_ask(told, asked):
    bundle, ground, said = told
    require_own_words("a/1", bundle, replace(ground, records=None), 1 - said)
    assert asked == []


def test_nobody_knows_beforehand_which_are_asked_about():
    draws = [drawn(1000, N_RECORDS) for _ in range(3)]
    assert all(len(np.unique(d)) == N_RECORDS and (np.diff(d) > 0).all() for d in draws)
    assert not np.array_equal(draws[0], draws[1]) and not np.array_equal(draws[1], draws[2])
    np.testing.assert_array_equal(drawn(5, N_RECORDS), np.arange(5))
