"""What an export finds out by itself, and when it refuses to go on."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from heart_reader.edge.choices import (
    distill_of,
    form_of,
    largest_ratio,
    sample_of,
    stages_for,
    student_of,
)
from heart_reader.errors import ModelError
from registry.settings import load_settings
from tests.edge.bundles import fresh_bundle
from tests.edge.test_measure import ensemble


@pytest.mark.parametrize("bound", [0.03, 0.4, 0.9])
def test_the_search_finds_the_largest_ratio_that_holds(bound):
    tried, said = [], []

    def loss_at(ratio):
        tried.append(ratio)
        return 0.02 if ratio > bound else 0.004

    if bound < 1 / 16:
        with pytest.raises(ModelError, match=r"stage 'pruned': even a ratio of 1/16 loses more"):
            largest_ratio(loss_at, 0.005, said.append)
    else:
        assert largest_ratio(loss_at, 0.005, said.append) == np.floor(16 * bound) / 16
    assert len(tried) == len(said) == 4


def test_the_form_follows_from_the_model():
    fused, signal = fresh_bundle("se_resnet1d"), fresh_bundle("se_resnet1d", 0)
    assert form_of(fused, "auto") == "fused" and form_of(fused, "signal") == "signal"
    assert form_of(signal, "auto") == "signal"
    with pytest.raises(ModelError, match="form fused needs a model that reads features"):
        form_of(signal, "fused")


def test_a_source_that_knows_more_is_listened_to():
    chosen = load_settings({})[0].edge.finetune
    fused, signal = fresh_bundle("se_resnet1d"), fresh_bundle("se_resnet1d", 0)
    assert distill_of(fused, "fused", chosen) == distill_of(signal, "signal", chosen) == 0
    assert distill_of(fused, "signal", chosen) == distill_of(ensemble(), "fused", chosen) == 0.5
    assert distill_of(fused, "signal", replace(chosen, distill=0.25)) == 0.25


def test_pruning_is_left_out_of_all_stages_where_the_backbone_refuses_it():
    said = []
    every, named = (load_settings({"stages": s})[0].edge for s in ("all", "prune,quantize"))
    assert "prune" in stages_for(fresh_bundle("se_resnet1d"), every, said.append)
    assert said == []
    found = stages_for(fresh_bundle("s4"), every, said.append)
    assert found == tuple(stage for stage in every.wanted if stage != "prune")
    assert said == ["pruning is left out: s4 can't be pruned"]
    assert stages_for(fresh_bundle("s4"), named, said.append) == ("prune", "quantize")


def test_an_ensembles_student_is_a_member():
    both = ensemble()
    assert student_of(both, "smallest") is both.members[0]
    assert student_of(both, "b") is both.members[1]
    with pytest.raises(ModelError, match="no member 'c': student=a, b"):
        student_of(both, "c")
    assert student_of(both.members[1], "smallest") is both.members[1]


def test_a_sample_has_no_nan_and_the_signal_form_no_features():
    signals = np.arange(2 * 12 * 1000, dtype=np.float64).reshape(2, 12, 1000)
    table = SimpleNamespace(values=np.array([[1, np.nan], [np.inf, 4]], np.float32))
    records = SimpleNamespace(millivolts=lambda rows: signals[rows], features=table)
    both = sample_of(records, np.array([1, 0]), "fused")
    np.testing.assert_array_equal(both.features, [[0, 4], [1, 0]])
    np.testing.assert_array_equal(both.mask, [[0, 1], [1, 0]])
    np.testing.assert_array_equal(both.signal, signals[[1, 0]])
    alone = sample_of(records, np.array([0]), "signal")
    assert alone.features.shape == alone.mask.shape == (1, 0)
