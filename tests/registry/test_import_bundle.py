import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from heart_reader.bundle.single import Bundle, load_bundle, save_bundle
from heart_reader.tracking import load_registered, resolve_version
from heart_reader.tracking.figures import flat
from registry.pretrained import import_bundle
from tests.tracking.processes import Call, Store, Trained, words

pytest_plugins = ["tests.tracking.trained"]
NAME = "heart-reader-se_resnet1d"


@pytest.fixture
def folder(bundle: Bundle, tmp_path: Path) -> Path:
    """A bundle folder, as another machine would hand it over."""
    save_bundle(bundle, tmp_path / "bundle")
    return tmp_path / "bundle"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("imported"))


def test_a_folder_becomes_a_registered_candidate_with_its_metrics(
    call: Call, store: Store, folder: Path, bundle: Bundle, trained: Trained
):
    called = call(import_bundle.main, store, *words({"bundle": str(folder)}))
    assert called.code == 0, called.err
    assert called.out == f"registered models:/{NAME}/1 as candidate\n"
    (run,) = store.runs()
    assert run.info.status == "FINISHED"
    version = store.client.get_model_version_by_alias(NAME, "candidate")
    assert version.run_id == run.info.run_id
    for key in ("backbone", "data_digest", "config_hash"):
        assert version.tags[key] == trained.run.data.tags[key]
    values = trained.run.data.metrics
    assert version.tags["val_macro_auc"] == f"{values['val/macro_auc']:.4f}"
    assert run.data.params["made.run_id"] == trained.run.info.run_id
    assert run.data.params["model.se_resnet1d.width"] == "16"
    for name, value in run.data.metrics.items():
        assert value == values[name], name
    tables = [
        which.artifact(each.info.run_id, "intervals.csv").read_text()
        for which, each in ((store, run), (trained.store, trained.run))
    ]
    assert tables[0] == tables[1] and "val/auc_CD_low90" in flat(tables[0])

    again = load_registered(resolve_version(f"models:/{NAME}@candidate"))
    noise = np.random.default_rng(0).normal(0, 0.2, (2, 12, 1000)).astype(np.float32)
    np.testing.assert_array_equal(again.predict(noise), bundle.predict(noise))
    assert again.provenance == bundle.provenance


def damage(folder: Path, how: str) -> None:
    if how == "weights cut short":
        weights = folder / "weights.safetensors"
        weights.write_bytes(weights.read_bytes()[:1000])
    elif how == "no weights":
        (folder / "weights.safetensors").unlink()
    elif how == "no folder":
        shutil.rmtree(folder)
    elif how == "not JSON":
        (folder / "bundle.json").write_text("{")
    else:
        tree = json.loads((folder / "bundle.json").read_text())
        tree |= {"format": 99} if how == "another format" else {}
        if how == "another width":
            tree["model"]["shape"]["width"] = 32
        (folder / "bundle.json").write_text(json.dumps(tree))


@pytest.mark.parametrize(
    "how",
    [
        "weights cut short",
        "no weights",
        "no folder",
        "not JSON",
        "another format",
        "another width",
    ],
)
def test_a_damaged_bundle_is_one_line_and_nothing_is_registered(
    call: Call, tmp_path: Path, folder: Path, how: str
):
    damage(folder, how)
    with pytest.raises(Exception, match="bundle"):
        load_bundle(folder)
    store = Store(tmp_path)
    called = call(import_bundle.main, store, "--bundle", str(folder))
    (line,) = called.errors
    assert called.code == 1 and str(folder) in line
    # It never got as far as the store.
    assert not (tmp_path / "mlflow.db").exists()


@pytest.mark.parametrize("typed", ["", "--bundle x --alias champion"])
def test_other_options_are_refused(call: Call, store: Store, typed: str):
    called = call(import_bundle.main, store, *typed.split())
    (line,) = called.errors
    assert called.code == 1
    assert "import takes --bundle FOLDER and nothing else" in line
