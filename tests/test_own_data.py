"""A manifest of one's own, other leads and another length, from training to a device's evidence.

Covers: heart_reader.trainings.initial, heart_reader.data.labelled, heart_reader.reading.explained.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import wfdb
from sklearn.metrics import roc_auc_score

from heart_reader import evaluate, predict, train
from heart_reader.bundle.evidence import gather
from heart_reader.bundle.scoring import score
from heart_reader.config.request import config_request
from heart_reader.data.dataset import load_development
from heart_reader.data.demo.tree import demo_tree
from heart_reader.tasks.task import UNKNOWN
from registry.ensemble import make as ensemble
from registry.gate import promote
from registry.ground.fold9 import data_present, fold9
from tests.data.manifest.written import write_manifest
from tests.registry.fleet import bundle_of
from tests.tracking.processes import SMALL, Call, Store, words

pytest_plugins = ["tests.tracking.trained"]
NAME = "heart-reader-hearts-se_resnet1d"
SOURCE = f"models:/{NAME}/1"
CLASSES = ("sinus", "slow", "fibrillation")
QUICK = SMALL | {
    "backbone": "se_resnet1d",
    "training.epochs": "1",
    "training.lead_sets": "I+II+V1-V6,II",
    "signal.leads": "I,II,V1-V6",
    "signal.seconds": "5",
}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Path]:
    """A store with a model of a manifest."""
    store = Store(tmp_path_factory.mktemp("own"))
    root = demo_tree(store.cache, 200, 0)
    manifest = write_manifest(root, store.folder / "one", "hearts", CLASSES)
    started = store.train(*words(QUICK | {"data": str(manifest)}))
    if started.finish():
        raise AssertionError(started.output())
    return store, manifest


def test_the_bundle_knows_task_signal_and_sets(own):
    store, _ = own
    bundle = bundle_of(store, SOURCE)
    assert (bundle.task.name, bundle.task.classes) == ("hearts", CLASSES)
    assert bundle.spec.leads == ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
    assert bundle.spec.n_times == 500 and bundle.lead_sets[1] == ("II",)
    (version,) = store.client.search_model_versions(f"name = '{NAME}'")
    assert version.tags["task"] == "hearts" and "(n, 8, 500), 100 Hz" in version.description
    frame = pd.read_parquet(store.artifact(version.run_id, "predictions_fold9.parquet"))
    assert (frame[[f"true_{name}" for name in CLASSES]] == UNKNOWN).to_numpy().any()
    assert (frame["record_id"] == "E" + frame["ecg_id"].astype(str)).all()
    run = store.client.get_run(version.run_id)
    expected = []
    for name in CLASSES:
        known = frame[frame[f"true_{name}"] != UNKNOWN]
        if known[f"true_{name}"].nunique() == 2:
            expected.append(roc_auc_score(known[f"true_{name}"], known[f"score_{name}"]))
    assert run.data.metrics["val/macro_auc"] == pytest.approx(np.mean(expected), abs=1e-6)
    table = pd.read_csv(store.artifact(version.run_id, "lead_sets.csv"))
    assert table["leads"].tolist() == ["8", "II"]
    assert table["macro_auc"][0] == pytest.approx(np.mean(expected), abs=1e-4)
    assert run.data.metrics["val_leads/II"] == pytest.approx(table["macro_auc"][1], abs=1e-4)


def test_what_stands_behind_goes_by_the_bundle(own, call: Call, tmp_path: Path):
    store, manifest = own
    file = pd.read_csv(manifest)["file"][0]
    explained = ("--explain", str(tmp_path / "why"))
    called = call(predict.main, store, "--model", SOURCE, "--json", file, *explained)
    (found,) = json.loads(called.out)["records"]
    assert tuple(found["probabilities"]) == CLASSES
    assert "the mean of 2 windows of 5 s" in found["notes"]
    (why,) = [each for each in found["explanations"].values()][:1]
    read = {"I", "II", "V1", "V2", "V3", "V4", "V5", "V6"}
    assert {each["lead"] for each in why["stretches"]} <= read
    assert list((tmp_path / "why").glob("*.png"))
    # Two leads are enough for a model that was trained on them.
    lead = wfdb.rdsamp(file)[0][:, 1:2].T  # (1, 1000), of II
    np.savez(tmp_path / "one.npz", signal=lead, leads=["II"], fs=100, unit="mV")
    called = call(predict.main, store, "--model", SOURCE, "--json", str(tmp_path / "one.npz"))
    (found,) = json.loads(called.out)["records"]
    assert any("read by the leads II alone" in note for note in found["notes"])
    options = ("--fold", "9", "--evaluation.n_sheets", "1", "--evaluation.n_resamples", "20")
    assert call(evaluate.main, store, "--model", SOURCE, *options).code == 0
    again = store.runs()[0].data.metrics["val/macro_auc"]
    (version,) = store.client.search_model_versions(f"name = '{NAME}'")
    logged = store.client.get_run(version.run_id).data.metrics["val/macro_auc"]
    assert again == pytest.approx(logged, abs=1e-6)


def test_evidence_holds_synthetic_ecgs_as_the_model_reads_them(own):
    store, manifest = own
    bundle = bundle_of(store, SOURCE)
    config = config_request({}).for_bundle(bundle.provenance)
    assert config.data.root == str(manifest) and data_present(config.data.root)
    records = load_development(
        config.data, config.task, config.features, store.cache, config.signal
    )
    fold = fold9(records)
    assert fold.classes == CLASSES and (fold.y_true == UNKNOWN).any()
    said = score(bundle, records, (9,))
    evidence = gather(bundle, records.digest, fold.patients, said, said.y_score)
    assert evidence.probe_signals().shape == (4, 8, 500)
    np.testing.assert_allclose(
        bundle.predict(evidence.probe_signals()), evidence.probe_score, atol=1e-6
    )


def test_a_training_starts_from_a_registered_model(own, call: Call):
    store, _ = own
    root = demo_tree(store.cache, 200, 0)
    manifest = write_manifest(root, store.folder / "two", "rhythms", ("fibrillation", "slow"))
    options = {k: v for k, v in SMALL.items() if not k.startswith("model.")}
    options |= {"data": str(manifest), "training.epochs": "2", "training.freeze_epochs": "1",
                "training.layer_decay": "0.8", "init": f"models:/{NAME}@candidate"}  # fmt: skip
    called = call(train.main, store, *words(options))
    assert called.code == 0, called.err
    assert f"starts from {SOURCE}, classes of the same name: fibrillation, slow" in called.err
    name = "heart-reader-rhythms-se_resnet1d"
    (version,) = store.client.search_model_versions(f"name = '{name}'")
    assert version.tags["init"] == SOURCE
    source, tuned = bundle_of(store, SOURCE), bundle_of(store, f"models:/{name}/1")
    assert tuned.spec == source.spec and tuned.config == source.config
    assert tuned.normaliser == source.normaliser and tuned.encoder.names == source.encoder.names
    assert tuned.task.classes == ("fibrillation", "slow")


REFUSED = {
    "another backbone": ({"backbone": "inception1d"}, "is of backbone se_resnet1d, but backbone"),
    "other leads": ({"signal.leads": "12"}, "reads the leads I II V1 V2 V3 V4 V5 V6, but"),
    "another rate": ({"signal.fs": "500"}, "reads Hz 100, but signal.fs asks for 500"),
    "other features": ({"features": "none"}, "reads features compute, but features asks"),
    "no such model": ({"init": "models:/nobody@champion"}, "the registry has no"),
    "decay without init": ({"init": "none", "training.layer_decay": "0.5"}, "starts from init"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_start_that_does_not_fit_is_one_clear_line(own, call: Call, name: str):
    store, manifest = own
    options, says = REFUSED[name]
    n_runs = len(store.runs())
    called = call(train.main, store, *words({"data": str(manifest), "init": SOURCE} | options))
    assert called.code == 1
    assert says in called.errors[0] and len(called.errors) == 1
    assert len(store.runs()) == n_runs


def test_an_ensemble_of_own_records_passes_the_gates_trial(own, call: Call):
    """The gate reads the manifest as the members do: their leads, their length."""
    store, manifest = own
    options = QUICK | {"data": str(manifest), "backbone": "xresnet1d18", "features": "none"}
    assert call(train.main, store, *words(options)).code == 0
    members = f"{NAME}/1,heart-reader-hearts-xresnet1d18/1"
    called = call(ensemble.main, store, "--members", members)
    assert called.code == 0, called.err
    name = "heart-reader-hearts-ensemble"
    assert bundle_of(store, f"models:/{name}/1").provenance["signal"]["leads"] == "I,II,V1-V6"
    called = call(promote.main, store, "--model", name, "--force", "true")
    assert called.code == 0, called.err
    (version,) = store.client.search_model_versions(f"name = '{name}'")
    assert version.tags["gate"] in ("passed", "forced")
    assert "can't" not in version.tags.get("gate_reason", "")
