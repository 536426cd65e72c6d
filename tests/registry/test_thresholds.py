"""Other thresholds for registered versions: a model and an ensemble, without data or training.

Covers: registry.ground.logged.
"""

import shutil

import numpy as np
import pytest
from sklearn.metrics import precision_recall_curve, roc_curve

from heart_reader.data.ptbxl import SUPERCLASSES
from registry import thresholds
from registry.ensemble import make as ensemble
from tests.registry.fleet import ENSEMBLE, SE, aliases, bundle_of, frame, version, versions
from tests.tracking.processes import Store
from tests.tracking.trained import Call

pytest_plugins = ["tests.registry.fleet", "tests.tracking.trained"]
FEW = ("--evaluation.n_resamples", "20", "--evaluation.n_sheets", "0")


@pytest.fixture(scope="module")
def without_data(fleet: Store) -> Store:
    """The store where the data are gone: their tree, packs and features."""
    shutil.rmtree(fleet.cache)
    return fleet


def test_a_models_thresholds_by_sensitivity(call: Call, without_data: Store):
    store = without_data
    before = version(store, SE, "candidate")
    called = call(
        thresholds.main, store, "--model", f"{SE}@candidate", "--rule", "sensitivity:0.8"
    )
    assert called.code == 0, called.err
    assert f"{SE}/2 as candidate, made from {SE}/1" in called.out
    made = version(store, SE, "candidate")
    assert aliases(store, SE) == {"candidate": 2}
    assert made.tags["thresholds_of"] == f"{SE}/1"
    assert made.tags["threshold_rule"] == "sensitivity:0.8"
    for key in ("backbone", "data_digest", "config_hash", "val_macro_auc"):
        assert made.tags[key] == before.tags[key]
    assert f"Thresholds changed of `{SE}/1`" in made.description
    y_true, y_score = frame(store, made.run_id, "predictions_fold9.parquet")
    then_true, then_score = frame(store, before.run_id, "predictions_fold9.parquet")
    assert y_true.equals(then_true) and y_score.equals(then_score)
    old, new = bundle_of(store, f"models:/{SE}/1"), bundle_of(store, f"models:/{SE}/2")
    assert new.provenance["threshold_rule"] == "sensitivity:0.8"
    assert old.provenance["threshold_rule"] == "youden"
    for k, name in enumerate(SUPERCLASSES):
        true, score = y_true[f"true_{name}"], y_score[f"score_{name}"]
        _, tpr, at = roc_curve(true, score, drop_intermediate=False)
        assert new.thresholds[k] == at[tpr >= 0.8].max()
    same = zip(old.model.state_dict().values(), new.model.state_dict().values(), strict=True)
    assert all(bool((a == b).all()) for a, b in same)
    metrics = store.client.get_run(made.run_id).data.metrics
    known = store.client.get_run(before.run_id).data.metrics["val/macro_auc"]
    assert metrics["val/macro_auc"] == pytest.approx(known, abs=1e-12)


def test_a_precision_out_of_reach_registers_nothing(call: Call, without_data: Store):
    there = len(versions(without_data, SE))
    y_true, y_score = frame(
        without_data, version(without_data, SE, "candidate").run_id, "predictions_fold9.parquet"
    )
    best = [
        precision_recall_curve(y_true[f"true_{n}"], y_score[f"score_{n}"])[0][:-1].max()
        for n in SUPERCLASSES
    ]
    if min(best) == 1:
        pytest.skip("every class of this tiny training reaches every precision")
    called = call(thresholds.main, without_data, "--model", f"{SE}/1", "--rule", "precision:1")
    (line,) = called.errors
    first = SUPERCLASSES[int(np.flatnonzero(np.array(best) < 1)[0])]
    assert called.code == 1 and f"class {first} reaches a precision of" in line
    assert "thresholds=precision:1 can't be had" in line
    assert len(versions(without_data, SE)) == there


def test_an_ensembles_thresholds_stand_on_its_own_scores(call: Call, without_data: Store):
    store = without_data
    called = call(ensemble.main, store, *FEW, "--thresholds", "sensitivity:0.7")
    assert called.code == 0, called.err
    first = version(store, ENSEMBLE, "candidate")
    assert first.tags["threshold_rule"] == "sensitivity:0.7"
    called = call(thresholds.main, store, "--model", f"{ENSEMBLE}@candidate", "--rule", "f1")
    assert called.code == 0, called.err
    made = version(store, ENSEMBLE, "candidate")
    assert (int(first.version), int(made.version)) == (1, 2)
    assert made.tags["members"] == first.tags["members"]
    assert made.tags["weights"] == first.tags["weights"]
    for file in ("predictions_fold9.parquet", "predictions_fold9_crossfitted.parquet"):
        for a, b in zip(
            frame(store, made.run_id, file), frame(store, first.run_id, file), strict=True
        ):
            assert a.equals(b)
    y_true, own = frame(store, made.run_id, "predictions_fold9.parquet")
    bundle = bundle_of(store, f"models:/{ENSEMBLE}/2")
    for k, name in enumerate(SUPERCLASSES):
        true, score = y_true[f"true_{name}"].to_numpy(), own[f"score_{name}"].to_numpy()
        precision, recall, at = precision_recall_curve(true, score)
        f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
        assert bundle.thresholds[k] == at[f1[:-1] >= f1.max() - 1e-12].max()
    assert (store.artifact(made.run_id, "evidence.safetensors")).exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--model", f"{SE}/1"), "thresholds takes --model NAME@ALIAS"),
        (("--model", f"{SE}/1", "--rule", "precison:0.8"), "did you mean 'precision'?"),
        (("--model", f"{SE}/77", "--rule", "f1"), "the registry has no "),
    ],
)
def test_wrong_options_are_one_line(call: Call, without_data: Store, options, words):
    called = call(thresholds.main, without_data, *options)
    (line,) = called.errors
    assert called.code == 1 and words in line
