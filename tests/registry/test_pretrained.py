"""Bundles that travel: made in one store, champions in another that has no data.

Covers: registry.ground.fold9.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from sklearn.metrics import roc_auc_score

from benchmarks import model_table
from heart_reader import train
from heart_reader.bundle.evidence import FILE, load_evidence
from heart_reader.bundle.kinds import open_bundle
from heart_reader.bundle.scoring import score
from heart_reader.bundle.single import load_bundle
from heart_reader.cli.entry import dotted_options
from heart_reader.config.load import load_config, read_config
from heart_reader.data.dataset import load_development
from heart_reader.data.ptbxl import SUPERCLASSES
from registry.ensemble import make as ensemble
from registry.gate import promote
from registry.pretrained import all as pretrained
from registry.pretrained import import_bundle
from registry.pretrained import make as make_pretrained
from registry.sync import syncer as sync
from tests.conftest import REPOSITORY
from tests.registry.fleet import (
    ENSEMBLE,
    OPEN_GATE,
    SE,
    XRES,
    aliases,
    bundle_of,
    frame,
    version,
    versions,
)
from tests.tracking.processes import SMALL, Store, words
from tests.tracking.trained import Call, enter

pytest_plugins = ["tests.tracking.trained"]
NAMES = ("se_resnet1d", "xresnet1d18", "ensemble")
FEW = ("--evaluation.n_resamples", "20")
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A maker's store: two backbones, barely trained, and their ensemble."""
    store = Store(tmp_path_factory.mktemp("maker"))
    options = SMALL | {
        "backbone": "se_resnet1d,xresnet1d18",
        "data.demo_records": "300",
        "training.epochs": "1",
        "evaluation.n_sheets": "0",
    }
    with pytest.MonkeyPatch.context() as patch:
        assert enter(patch, train.main, store, words(options), store.uri) == 0
        assert enter(patch, ensemble.main, store, FEW, store.uri) == 0
    return store


@pytest.fixture(scope="module")
def folder(fleet: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the maker publishes."""
    target = tmp_path_factory.mktemp("published") / "pretrained"
    options = ("--model", f"{ENSEMBLE}@candidate", "--folder", str(target))
    with pytest.MonkeyPatch.context() as patch:
        assert enter(patch, make_pretrained.main, fleet, options, fleet.uri) == 0
    return target


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store of somebody who has no data."""
    return Store(tmp_path_factory.mktemp("elsewhere"))


def tree(folder: Path, name: str) -> dict:
    file = "ensemble.json" if name == "ensemble" else "bundle.json"
    return json.loads((folder / name / file).read_text())


# ---------------------------------------------------------------- what is published


def test_a_bundle_says_how_it_was_made(fleet: Store, folder: Path):
    digest = version(fleet, SE, "candidate").tags["data_digest"]
    for name in NAMES:
        made = tree(folder, name)["provenance"]
        assert made["data_digest"].startswith(digest)
        assert made["command"].startswith("mlflow run . -e ")
        assert made["git_commit"] not in ("", "unknown")
        assert made["data"]["root"] == "PTBXL"
        assert 0 < made["validation"]["macro_auc_low90"] < made["validation"]["macro_auc"] < 1
        assert str(fleet.folder) not in json.dumps(made)


@pytest.mark.parametrize("name", NAMES[:2])
def test_the_command_makes_the_same_configuration_again(fleet: Store, folder: Path, name: str):
    made = tree(folder, name)["provenance"]
    run_id = made["run_id"]
    config = read_config(fleet.artifact(run_id, "config.yaml"))
    _, _, given = made["command"].partition(" -P ")
    pairs = [word.split("=", 1) for word in given.split(" -P ")]
    options = dotted_options(words({key: value for key, value in pairs}))
    overlay = options.pop("config")
    options["data"] = config.data.root
    assert load_config(overlay, options) == config
    assert made["seed"] == config.seed


def test_no_weights_are_there_twice_and_no_signal_of_a_record(folder: Path):
    assert not list((folder / "ensemble").rglob("weights.safetensors"))
    for name in NAMES:
        with safe_open(folder / name / FILE, framework="numpy") as file:
            shapes = {key: file.get_tensor(key).shape for key in file.keys()}  # noqa: SIM118
        n = len(load_evidence(folder / name).ecg_id)
        assert {key for key, shape in shapes.items() if len(shape) == 3} == {"probes"}
        assert shapes["y_score"] == shapes["y_judged"] == shapes["y_true"] == (n, 5)
    crossed = load_evidence(folder / "ensemble")
    assert not np.array_equal(crossed.y_judged, crossed.y_score)


def test_the_table_of_the_models_stands_between_its_marks(folder: Path, tmp_path: Path):
    rows = {name: model_table.row_of(folder / name, 1) for name in NAMES}
    text = model_table.table(list(rows.values()))
    for name in NAMES:
        evidence = load_evidence(folder / name)
        auc = roc_auc_score(evidence.y_true, evidence.y_judged)
        line = next(line for line in text.splitlines() if line.startswith(f"| {name}"))
        assert f"| {auc:.4f} (" in line and f"| {rows[name].n_parameters:,} |" in line
    assert rows["ensemble"].n_parameters == sum(rows[n].n_parameters for n in NAMES[:2])
    assert "| **fold 10** | held back |" in text
    page = tmp_path / "page.md"
    page.write_text(f"before\n{model_table.BEGIN}\nold\n{model_table.END}\nafter\n")
    for _ in range(2):
        model_table.write(page, text)
    assert page.read_text() == (f"before\n{model_table.BEGIN}\n{text}\n{model_table.END}\nafter\n")


# ---------------------------------------------------------------- somewhere else


def test_it_becomes_a_champion_ensemble_without_data(
    call: Call, fleet: Store, elsewhere: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(import_bundle, "PRETRAINED", folder)
    called = call(pretrained.main, elsewhere, *OPEN_GATE)
    assert called.code == 0, called.err
    assert f"champion: models:/{ENSEMBLE}@champion (version 1)" in called.out
    assert "waits for data: there is no PTB-XL at 'PTBXL'" in called.out
    for name in (SE, XRES, ENSEMBLE):
        assert aliases(elsewhere, name) == {"candidate": 1, "champion": 1}
        champion = version(elsewhere, name, "champion")
        assert champion.tags["gate"] == "promoted"
        run = elsewhere.client.get_run(champion.run_id)
        assert elsewhere.artifact(champion.run_id, "plots/roc.png").stat().st_size > 1000
        theirs = fleet.client.get_run(version(fleet, name, "candidate").run_id)
        assert run.data.metrics["val/macro_auc"] == theirs.data.metrics["val/macro_auc"]
        for file in ("predictions_fold9", "predictions_fold9_crossfitted"):
            if name == ENSEMBLE or "cross" not in file:
                ours = frame(elsewhere, champion.run_id, f"{file}.parquet")
                logged = frame(fleet, theirs.info.run_id, f"{file}.parquet")
                np.testing.assert_array_equal(ours[0], logged[0])
                np.testing.assert_allclose(ours[1], logged[1], atol=TOLERANCE)
    assert set(version(elsewhere, ENSEMBLE, "champion").tags["members"].split(",")) == {
        f"{SE}/1",
        f"{XRES}/1",
    }


@pytest.mark.parametrize("name", [SE, XRES, ENSEMBLE])
def test_the_registered_model_says_of_fold_9_what_was_logged(
    fleet: Store, elsewhere: Store, name: str
):
    champion = version(elsewhere, name, "champion")
    logged = frame(elsewhere, champion.run_id, "predictions_fold9.parquet")[1]
    config = load_config("default", SMALL | {"data.demo_records": "300"})
    records = load_development(config.data, config.task, config.features, fleet.cache)
    scored = score(bundle_of(elsewhere, f"models:/{name}@champion"), records, (9,))
    np.testing.assert_array_equal(scored.ecg_id, logged.index)
    np.testing.assert_allclose(scored.y_score, logged, atol=TOLERANCE)


def test_a_second_time_nothing_is_registered(
    call: Call, elsewhere: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(import_bundle, "PRETRAINED", folder)
    called = call(import_bundle.main, elsewhere, "--bundle", "all")
    assert called.code == 0 and called.out.count("is registered already") == 3
    assert [len(versions(elsewhere, name)) for name in (SE, XRES, ENSEMBLE)] == [1, 1, 1]
    called = call(sync.main, elsewhere)
    assert called.code == 0 and called.out.splitlines()[-1] == "nothing to do"


def test_an_ensemble_is_weighed_again_from_what_came_along(call: Call, elsewhere: Store):
    called = call(ensemble.main, elsewhere, "--method", "mean", *FEW)
    assert called.code == 0, called.err
    made = version(elsewhere, ENSEMBLE, "candidate")
    run = elsewhere.client.get_run(made.run_id)
    assert run.data.tags["fold9/se_resnet1d"] == "predictions_fold9.parquet"
    parts = [
        frame(elsewhere, version(elsewhere, name, "champion").run_id, "predictions_fold9.parquet")
        for name in (SE, XRES)
    ]
    mixed = frame(elsewhere, made.run_id, "predictions_fold9.parquet")[1]
    np.testing.assert_allclose(mixed, (parts[0][1] + parts[1][1]) / 2, atol=1e-6)
    # It brings its own evidence along, so that the gate can judge it here.
    evidence = load_evidence(elsewhere.artifact(made.run_id, FILE).parent)
    np.testing.assert_allclose(evidence.y_score, mixed, atol=1e-6)
    mean = bundle_of(elsewhere, f"models:/{ENSEMBLE}@candidate")
    again = mean.predict(evidence.probe_signals())
    np.testing.assert_allclose(evidence.probe_score, again, atol=1e-6)


# ---------------------------------------------------------------- what doesn't fit


def test_another_member_is_noticed(folder: Path, tmp_path: Path):
    shutil.copytree(folder, tmp_path / "p")
    swapped = tmp_path / "p" / "se_resnet1d" / "bundle.json"
    changed = json.loads(swapped.read_text())
    changed["thresholds"][0] = 0.123
    swapped.write_text(json.dumps(changed))
    with pytest.raises(Exception, match="isn't the one that ensemble"):
        open_bundle(tmp_path / "p" / "ensemble")


def test_without_data_or_evidence_the_gate_says_what_it_needs(
    call: Call, folder: Path, tmp_path: Path
):
    shutil.copytree(folder / "se_resnet1d", tmp_path / "bare")
    (tmp_path / "bare" / FILE).unlink()
    store = Store(tmp_path / "store")
    store.folder.mkdir()
    assert call(import_bundle.main, store, "--bundle", str(tmp_path / "bare")).code == 0
    called = call(promote.main, store, "--model", SE)
    (line,) = called.errors
    assert called.code == 1
    assert "brought no fold-9 predictions along: give data=PATH" in line


def test_damaged_evidence_is_one_line_and_nothing_is_registered(
    call: Call, folder: Path, tmp_path: Path
):
    shutil.copytree(folder / "se_resnet1d", tmp_path / "cut")
    file = tmp_path / "cut" / FILE
    file.write_bytes(file.read_bytes()[:2000])
    called = call(import_bundle.main, Store(tmp_path), "--bundle", str(tmp_path / "cut"))
    (line,) = called.errors
    assert called.code == 1 and str(file) in line
    assert not (tmp_path / "mlflow.db").exists()


# ---------------------------------------------------------------- the real ones

PUBLISHED = sorted(path.parent for path in REPOSITORY.glob("pretrained/*/*e.json"))


@pytest.mark.real
@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.name)
def test_the_published_models_say_of_real_records_what_was_logged(
    real_ptbxl: Path, cache: Path, path: Path
):
    bundle, evidence = open_bundle(path), load_evidence(path)
    config = load_config("default", {"data": str(real_ptbxl)})
    records = load_development(config.data, config.task, config.features, cache)
    scored = score(bundle, records, (9,))
    rows = np.searchsorted(evidence.ecg_id, scored.ecg_id)
    np.testing.assert_array_equal(evidence.ecg_id[rows], scored.ecg_id)
    np.testing.assert_array_equal(evidence.y_true[rows], scored.y_true)
    np.testing.assert_allclose(evidence.y_score[rows], scored.y_score, atol=TOLERANCE)
    assert len(SUPERCLASSES) == scored.y_score.shape[1] and len(rows) >= 15


@pytest.mark.skipif(not PUBLISHED, reason="nothing is published yet")
def test_the_published_models_are_small_and_whole():
    size = sum(file.stat().st_size for file in (REPOSITORY / "pretrained").rglob("*.*"))
    assert size < 24e6
    assert {path.name for path in PUBLISHED} >= {"ensemble"}
    assert "CC BY" in (REPOSITORY / "README.md").read_text()
    for path in PUBLISHED:
        if (path / "bundle.json").exists():
            assert load_bundle(path).provenance["git_commit"]
