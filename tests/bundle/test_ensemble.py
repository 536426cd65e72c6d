"""An ensemble's folder, what it predicts, and what it refuses to be."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from heart_reader.bundle import measuring
from heart_reader.bundle.ensemble import EnsembleBundle, load_ensemble, save_ensemble
from heart_reader.bundle.kinds import open_bundle
from heart_reader.bundle.single import Bundle, save_bundle
from heart_reader.errors import DataError, ModelError
from heart_reader.fitting import Prepared
from tests.training.tiny import tiny_bundle, tiny_prepared

WEIGHTS = np.array([[0.7, 0.0, 1.0, 0.5, 0.25], [0.3, 1.0, 0.0, 0.5, 0.75]])


@pytest.fixture(scope="module")
def prepared(cache: Path) -> Prepared:
    return tiny_prepared(cache)


@pytest.fixture(scope="module")
def ensemble(prepared: Prepared) -> EnsembleBundle:
    first = tiny_bundle(prepared)
    second = replace(first, model=other_weights(first))
    limits = np.array([0.1, 0.2, 0.3, 0.4, 0.5])
    return EnsembleBundle((first, second), ("a", "b"), WEIGHTS, limits, {"data_digest": "d"})


def other_weights(bundle: Bundle):
    """The same net with other numbers in it."""
    import copy

    import torch

    model = copy.deepcopy(bundle.model)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=generator)
    return model


@pytest.fixture(scope="module")
def signals(prepared: Prepared) -> np.ndarray:
    return prepared.records.millivolts(prepared.records.rows((9,))[:8])


@pytest.mark.parametrize("features", ["compute", None])
def test_it_predicts_the_weighted_sum(ensemble: EnsembleBundle, signals: np.ndarray, features):
    age, sex = np.linspace(30, 90, 8), np.arange(8) % 2
    a, b = (member.predict(signals, features, age, sex) for member in ensemble.members)
    assert np.abs(a - b).max() > 1e-3
    given = ensemble.predict(signals, features, age, sex)
    np.testing.assert_allclose(given, a * WEIGHTS[0] + b * WEIGHTS[1], atol=1e-6)
    assert given.dtype == np.float32
    np.testing.assert_array_equal(ensemble.labels(given), given >= [0.1, 0.2, 0.3, 0.4, 0.5])


def test_features_are_measured_once(ensemble: EnsembleBundle, signals: np.ndarray, monkeypatch):
    calls = []
    measure = measuring.measure

    def counted(*arguments):
        calls.append(len(arguments[0]))
        return measure(*arguments)

    monkeypatch.setattr(measuring, "measure", counted)
    ensemble.predict(signals)
    assert calls == [8]


def test_the_folder_gives_the_same_probabilities(
    ensemble: EnsembleBundle, signals: np.ndarray, tmp_path: Path
):
    save_ensemble(ensemble, tmp_path / "bundle")
    again = open_bundle(tmp_path / "bundle")
    assert isinstance(again, EnsembleBundle)
    assert (again.names, dict(again.provenance)) == (("a", "b"), {"data_digest": "d"})
    np.testing.assert_array_equal(again.predict(signals), ensemble.predict(signals))
    suffixes = {path.suffix for path in tmp_path.rglob("*") if path.is_file()}
    assert suffixes == {".json", ".safetensors"}
    save_bundle(ensemble.members[0], tmp_path / "single")
    assert isinstance(open_bundle(tmp_path / "single"), Bundle)
    with pytest.raises(ModelError, match="exists already"):
        save_ensemble(ensemble, tmp_path / "bundle")


def test_a_folder_without_a_bundle_is_refused(tmp_path: Path):
    with pytest.raises(ModelError, match=r"bundle\.json"):
        open_bundle(tmp_path)


def test_damage_is_refused(ensemble: EnsembleBundle, tmp_path: Path):
    save_ensemble(ensemble, tmp_path / "bundle")
    path = tmp_path / "bundle" / "ensemble.json"
    tree = json.loads(path.read_text())
    damages = {
        "add up to 1": {"weights": [[1, 1, 1, 1, 1], [1, 0, 0, 0, 0]]},
        "must be (n_members, n_classes) (2, 5)": {"weights": [[1, 1, 1, 1, 1]]},
        "5 thresholds": {"thresholds": [0.5]},
        "format 9": {"format": 9},
        "is missing": {"task": {"classes": ["MI"]}},
        "answers other, its members": {"task": tree["task"] | {"name": "other"}},
        "can't be read": {"members": ["a", "c"]},
    }
    for message, change in damages.items():
        path.write_text(json.dumps(tree | change))
        with pytest.raises(ModelError) as caught:
            load_ensemble(tmp_path / "bundle")
        assert message in str(caught.value)
    for odd in ("x" * 70_000, "../a", "", "a\0", "/etc"):
        path.write_text(json.dumps(tree | {"members": ["a", odd]}))
        with pytest.raises(ModelError, match="a member's name is a folder name, not"):
            load_ensemble(tmp_path / "bundle")
    path.write_text("{")
    with pytest.raises(ModelError, match="can't be read"):
        load_ensemble(tmp_path / "bundle")


def test_what_an_ensemble_refuses_to_be(ensemble: EnsembleBundle):
    with pytest.raises(ModelError, match="0 names for 0 members"):
        replace(ensemble, members=(), names=())
    with pytest.raises(ModelError, match="different names"):
        replace(ensemble, names=("a", "a"))
    with pytest.raises(ModelError, match="folder name"):
        replace(ensemble, names=("a", "../b"))
    with pytest.raises(ModelError, match="not be negative"):
        replace(ensemble, weights=WEIGHTS * [[2], [-1]])
    first, second = ensemble.members
    other = replace(second, encoder=replace(second.encoder, source="/a/table.csv"))
    with pytest.raises(ModelError, match="must read the same features"):
        replace(ensemble, members=(first, other))
    replace(ensemble, members=(first, replace(second, encoder=second.encoder)))


def test_signals_that_nobody_can_read_are_refused(ensemble: EnsembleBundle):
    with pytest.raises(DataError, match="must have the shape"):
        ensemble.predict(np.zeros((1, 11, 1000)))
    assert ensemble.predict(np.zeros((0, 12, 1000))).shape == (0, 5)
