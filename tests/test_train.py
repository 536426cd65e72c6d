"""Training as a user starts it: runs, parameters, registered candidates, refusals.

Covers: heart_reader.tracking.experiment, heart_reader.tracking.system_metrics,
    heart_reader.trainings.job, heart_reader.trainings.text.
"""

import json
import sys
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.entities import Run
from sklearn.metrics import roc_auc_score

from heart_reader import train
from heart_reader.bundle.single import Bundle
from heart_reader.config.load import load_config, read_config
from heart_reader.config.strict import flatten, to_dict
from heart_reader.data.ptbxl import METADATA_FILE, SUPERCLASSES
from heart_reader.tracking.figures import flat
from tests.tracking.processes import (
    REPOSITORY,
    SMALL,
    Call,
    Store,
    Trained,
    copy_of_demo,
    demo_root,
    duplicates,
    words,
)

pytest_plugins = ["tests.tracking.trained"]
EPOCHS = int(SMALL["training.epochs"])
EPOCH_METRICS = ["train/loss", "val/loss", "lr", "epoch_seconds", "records_per_second"]
FINAL_METRICS = ["val/macro_auc", *(f"val/auc_{name}" for name in SUPERCLASSES)]


# ---------------------------------------------------------------- what a run holds


def test_a_single_backbone_is_one_finished_run_that_says_how_it_was_made(trained: Trained):
    run, store = trained.run, trained.store
    assert run.info.status == "FINISHED"
    expected = load_config("demo", SMALL | {"backbone": "se_resnet1d"})
    assert read_config(store.artifact(run.info.run_id, "config.yaml")) == expected
    params = {key: str(value) for key, value in flatten(to_dict(expected)).items()}
    assert run.data.params == params
    assert params["training.batch_size"] == "32"
    assert params["model.xresnet1d.stage_widths"] == "[8, 8, 8, 8]"
    assert run.data.tags["git_commit"].removesuffix("-dirty") == trained.commit
    assert "parentRunId" not in str(run.data.tags)


def test_data_sets_carry_digest_folds_and_counts(trained: Trained):
    inputs = {each.tags[0].value: each.dataset for each in trained.run.inputs.dataset_inputs}
    assert set(inputs) == {"training", "validation"}
    metadata = pd.read_csv(demo_root(trained.store.cache) / METADATA_FILE)
    for context, folds in (("training", range(1, 9)), ("validation", [9])):
        profile = json.loads(inputs[context].profile)
        assert profile["folds"] == list(folds)
        # Records without a superclass are left out.
        assert 10 <= profile["n_records"] <= metadata["strat_fold"].isin(folds).sum()
        assert inputs[context].digest.startswith(trained.run.data.tags["data_digest"])


def test_every_epoch_is_one_point_and_the_final_metrics_one_more(trained: Trained):
    client, run_id = trained.store.client, trained.run.info.run_id

    def steps(name: str) -> list[int]:
        return [point.step for point in client.get_metric_history(run_id, name)]

    for name in EPOCH_METRICS:
        assert steps(name) == list(range(EPOCHS)), name
    for name in FINAL_METRICS:
        assert steps(name) == list(range(EPOCHS + 1)), name
    assert steps("val/f_max") == [EPOCHS]
    assert duplicates(client, run_id) == {}
    assert any(name.startswith("system/") for name in trained.run.data.metrics)


def test_the_best_epoch_is_what_was_registered(trained: Trained, bundle: Bundle):
    client, run_id = trained.store.client, trained.run.info.run_id
    history = [point.value for point in client.get_metric_history(run_id, "val/macro_auc")]
    assert bundle.provenance["best_epoch"] == int(np.argmax(history[:EPOCHS]))
    # In bf16 the epochs, in fp32 the bundle: nearly the same.
    assert history[-1] == pytest.approx(max(history[:EPOCHS]), abs=0.05)


def test_logged_metrics_equal_sklearn_on_the_predictions(trained: Trained, bundle: Bundle):
    frame = pd.read_parquet(
        trained.store.artifact(trained.run.info.run_id, "predictions_fold9.parquet")
    )
    metadata = pd.read_csv(demo_root(trained.store.cache) / METADATA_FILE)
    fold9 = set(metadata.loc[metadata["strat_fold"] == 9, "ecg_id"])
    assert set(frame["ecg_id"]) <= fold9 and frame["ecg_id"].is_unique
    y_true = frame[[f"true_{name}" for name in SUPERCLASSES]].to_numpy()
    y_score = frame[[f"score_{name}" for name in SUPERCLASSES]].to_numpy()
    text = trained.store.artifact(trained.run.info.run_id, "intervals.csv").read_text()
    metrics = trained.run.data.metrics | flat(text)
    assert metrics["val/macro_auc"] == pytest.approx(roc_auc_score(y_true, y_score), abs=1e-9)
    for k, name in enumerate(SUPERCLASSES):
        expected = roc_auc_score(y_true[:, k], y_score[:, k])
        assert metrics[f"val/auc_{name}"] == pytest.approx(expected, abs=1e-9)
    for name in ("macro_auc", "f_max", *(f"auc_{each}" for each in SUPERCLASSES)):
        low, high = (metrics[f"val/{name}_{end}"] for end in ("low90", "high90"))
        assert metrics[f"val/{name}_low95"] <= low <= high <= metrics[f"val/{name}_high95"]
    np.testing.assert_array_equal(
        bundle.labels(y_score), y_score >= np.array(bundle.thresholds)[None, :]
    )


def test_plots_sheets_and_checkpoints_are_there_and_are_what_they_say(trained: Trained):
    root = trained.store.artifact(trained.run.info.run_id, "")
    files = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    plots = ("roc", "precision_recall", "calibration", "confusion", "cooccurrence")
    assert {f"plots/{name}.png" for name in (*plots, "training_curves")} <= files
    sheets = [name for name in files if name.startswith("sheets/")]
    assert sorted(name[7:12] for name in sheets) == ["best_", "worst"]
    explained = {name[10:15] for name in files if name.startswith("explained/")}
    assert explained == {name[14:19] for name in sheets if "best_" in name}
    for name in files:
        if name.endswith(".png"):
            assert (root / name).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    last = train.load_checkpoint(root / "checkpoints/last.safetensors")
    best = train.load_checkpoint(root / "checkpoints/best.safetensors")
    assert last.state["epoch"] == EPOCHS
    assert best.state["epoch"] == last.state["best_epoch"]
    assert set(best.tensors) == set(last.section("best"))
    # What a run needs to go on is gone once it is registered.
    assert not any((trained.store.cache / "runs").iterdir())


def test_the_version_and_the_description(trained: Trained):
    client, run = trained.store.client, trained.run
    version = client.get_model_version_by_alias("heart-reader-se_resnet1d", "candidate")
    assert (str(version.version), version.run_id) == ("1", run.info.run_id)
    auc = f"{run.data.metrics['val/macro_auc']:.4f}"
    assert version.tags["val_macro_auc"] == auc
    for key in ("data_digest", "config_hash", "backbone"):
        assert version.tags[key] == run.data.tags[key]
    assert auc in version.description and "100 Hz" in version.description
    note = run.data.tags["mlflow.note.content"]
    assert note.startswith(f"## se_resnet1d (SYNTHETIC): macro AUC {auc} on fold 9")
    assert "| macro |" in note and "`models:/heart-reader-se_resnet1d/1`" in note
    assert run.data.tags["model"] == "models:/heart-reader-se_resnet1d/1"
    assert run.data.metrics["tracking_share"] > 0


# ---------------------------------------------------------------- under `mlflow run`


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory, trained: Trained) -> dict[str, Store]:
    """Two calls of ``mlflow run`` at once: two backbones, and an unknown one."""
    small = SMALL | {"training.epochs": "1", "features": "none", "training.learning_rate": "3e-3"}
    stores, started = {}, {}
    for backbone in ("se_resnet1d,xresnet1d18", "se_resnet2d"):
        store = Store(tmp_path_factory.mktemp("project"))
        store.cache.symlink_to(trained.store.cache)
        mlflow_command = str(Path(sys.executable).with_name("mlflow"))
        command = [mlflow_command, "run", str(REPOSITORY), "-e", "train"]
        options = small | {"data": "demo", "backbone": backbone, "trials": "0"}
        given = [word for key, value in options.items() for word in ("-P", f"{key}={value}")]
        started[backbone] = store.start([*command, "--env-manager", "local", *given])
        stores[backbone] = store
    codes = {backbone: each.finish() for backbone, each in started.items()}
    assert codes["se_resnet1d,xresnet1d18"] == 0, started["se_resnet1d,xresnet1d18"].output()
    assert codes["se_resnet2d"] == 1
    assert "did you mean 'se_resnet1d'?" in started["se_resnet2d"].output()
    for store in stores.values():
        store.settle()
    return stores


def test_mlflow_run_trains_two_backbones_below_its_own_run(projects: dict[str, Store]):
    store = projects["se_resnet1d,xresnet1d18"]
    runs = store.runs()
    (parent,) = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    children = {run.data.tags["backbone"]: run for run in runs if run is not parent}
    assert set(children) == {"se_resnet1d", "xresnet1d18"}
    assert [run.info.status for run in runs] == ["FINISHED"] * 3
    assert parent.data.tags["mlflow.project.entryPoint"] == "train"
    # As typed where MLflow logged it first, resolved where we did.
    assert parent.data.params["training.learning_rate"] == "3e-3"
    for backbone, child in children.items():
        assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert child.data.params["training.learning_rate"] == "0.003"
        assert child.data.params["model.backbone"] == backbone
        history = store.client.get_metric_history(child.info.run_id, "train/loss")
        assert len(history) == 1
    note = parent.data.tags["mlflow.note.content"]
    for backbone, child in children.items():
        auc = f"{child.data.metrics['val/macro_auc']:.4f}"
        assert f"| {backbone} | {auc} |" in note
        assert f"`models:/heart-reader-{backbone}/1`" in note


def test_mlflow_run_of_an_unknown_backbone_leaves_no_run(projects: dict[str, Store]):
    assert projects["se_resnet2d"].runs() == []


# ---------------------------------------------------------------- bad input


def damaged(store: Store, target: Path, how: str) -> Path:
    """A copy of the demo tree with one defect in a record of fold 1; gives the tree."""
    root = copy_of_demo(store.cache, target)
    metadata = pd.read_csv(root / METADATA_FILE)
    name = metadata.loc[metadata["strat_fold"] == 1, "filename_lr"].iloc[0]
    signal, header = root / f"{name}.dat", root / f"{name}.hea"
    if how == "short":
        signal.write_bytes(signal.read_bytes()[:1000])
    elif how == "header":
        header.write_text(header.read_text().replace(" 12 100 1000", " 12 500 1000"))
    elif how == "nan":
        samples = np.fromfile(signal, "<i2")
        samples[120] = -32768  # WFDB's "no value"
        samples.tofile(signal)
    elif how == "gone":
        signal.unlink()
    elif how == "fold 9":
        metadata[metadata["strat_fold"] != 9].to_csv(root / METADATA_FILE, index=False)
    return root


DEFECTS = {
    "short": "record",
    "header": "record",
    "nan": "record",
    "gone": "record",
    "fold 9": "fold 9 isn't in this tree",
}


def files_below(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file() and "demo" not in path.parts}


@pytest.mark.parametrize("how", DEFECTS)
def test_a_defect_in_the_tree_is_one_line_and_a_failed_run(
    call: Call, scratch: Store, tmp_path: Path, how: str
):
    root = damaged(scratch, tmp_path / "tree", how)
    before = len(scratch.runs()) if (scratch.folder / "mlflow.db").exists() else 0
    options = SMALL | {"data": str(root), "backbone": "se_resnet1d"}
    called = call(train.main, scratch, *words(options))
    assert called.code == 1
    (line,) = called.errors
    assert (DEFECTS[how] in line and str(root) in line) or "fold 9" in line
    assert "Traceback" not in called.err
    after = scratch.runs()
    assert len(after) == before + 1 and after[0].info.status == "FAILED"
    assert line.removeprefix("error: ") in after[0].data.tags["error"]
    assert_nothing_half_written(scratch)


def assert_nothing_half_written(store: Store) -> None:
    leftovers = [path for path in store.cache.resolve().rglob("*") if ".tmp" in path.name]
    assert leftovers == []
    assert list(store.client.search_model_versions()) == []
    assert {run.info.status for run in store.runs()} == {"FAILED"}


BAD_OPTIONS = {
    "--backbone se_resnet2d": "did you mean 'se_resnet1d'?",
    "--backbone se_resnet1d,resnet": "'resnet'",
    "--training.epoch 3": "unknown config key 'training.epoch', did you mean 'training.epochs'?",
    "--training.epochs three": "'training.epochs' must be a whole number, but is 'three'",
    "--training.loss mse": "must be one of 'focal', 'bce', but is 'mse'",
    "--config demmo": "unknown config 'demmo', did you mean 'demo'?",
    "--config nowhere.yaml": "nowhere.yaml can't be read",
    "--training.epochs": "option '--training.epochs' has no value",
    "epochs=3": "unexpected argument 'epochs=3'",
    "--resume 0123456789abcdef0123456789abcdef": "0123456789abcdef0123456789abcdef",
    "--resume x --seed 3": "leave out seed",
}


@pytest.mark.parametrize("typed", BAD_OPTIONS)
def test_a_bad_option_is_one_line_before_any_run(call: Call, scratch: Store, typed: str):
    before = files_below(scratch.folder / "mlruns")
    runs = [run.info.run_id for run in scratch.runs()]
    called = call(train.main, scratch, *typed.split())
    assert called.code == 1
    (line,) = called.errors
    assert BAD_OPTIONS[typed] in line
    assert [run.info.run_id for run in scratch.runs()] == runs
    assert files_below(scratch.folder / "mlruns") == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data": "/nowhere"}, "no PTB-XL tree at /nowhere"),
        ({"features": "/nowhere"}, "features=/nowhere"),
        (
            {"data.records_per_fold": "1"},
            "no class has both a positive and a negative in fold 9 (1 records)",
        ),
    ],
)
def test_bad_data_is_one_line_and_a_failed_run(call: Call, scratch: Store, options, message):
    called = call(train.main, scratch, *words(SMALL | {"backbone": "se_resnet1d"} | options))
    (line,) = called.errors
    assert called.code == 1 and message in line
    assert message in scratch.runs()[0].data.tags["error"]
    assert_nothing_half_written(scratch)


def test_two_problems_are_two_lines(call: Call, scratch: Store):
    called = call(train.main, scratch, "--training.epochs", "0", "--seeed", "1")
    assert called.code == 1
    assert len(called.errors) == 2


def test_an_unwritable_store_is_one_line(call: Call, scratch: Store):
    called = call(train.main, scratch, *words(SMALL), uri="sqlite:////proc/x.db")
    (line,) = called.errors
    assert called.code == 1 and "sqlite:////proc/x.db" in line


def test_a_diverging_process_ends_failed_with_one_line_and_no_traceback(scratch: Store):
    store = scratch
    options = SMALL | {"backbone": "se_resnet1d", "features": "none"}
    options |= {"training.learning_rate": "1e30", "training.grad_clip": "1e30"}
    started = store.train(*words(options))
    assert started.finish() == 1
    lines = [line for line in started.output().splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and "lower training.learning_rate" in lines[0]
    assert "Traceback" not in started.output() and "Warning" not in started.output()
    run: Run = store.runs()[0]
    assert run.info.status == "FAILED"
    assert "lower training.learning_rate" in run.data.tags["error"]


# ---------------------------------------------------------------- fold 10


def test_training_never_opens_fold_10(call: Call, trained: Trained, tmp_path: Path):
    """On a tree without the files of fold 10 it gives the very numbers of the whole tree."""
    root = copy_of_demo(trained.store.cache, tmp_path / "tree")
    metadata = pd.read_csv(root / METADATA_FILE)
    tests = metadata.loc[metadata["strat_fold"] == 10, "filename_lr"]
    for name in tests:
        (root / f"{name}.dat").unlink()
        (root / f"{name}.hea").unlink()
    store = Store(tmp_path)
    options = SMALL | {"data": str(root), "config": "demo", "backbone": "se_resnet1d"}
    options |= {"training.epochs": "1", "features": "none"}
    called = call(train.main, store, *words(options))
    assert called.code == 0, called.err
    (run,) = store.runs()
    assert run.info.status == "FINISHED"
    assert run.data.tags["data_digest"] == trained.run.data.tags["data_digest"]
    assert "UserWarning" not in called.err
    assert mlflow.active_run() is None
