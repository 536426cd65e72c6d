"""Runs that are stopped, by every kind of signal, and go on."""

import shutil
import signal
from pathlib import Path

import pytest
from mlflow.entities import Run

from heart_reader import train
from heart_reader.config.load import load_config
from heart_reader.training.checkpoint import load_checkpoint
from heart_reader.trainings.text import as_yaml
from tests.data.manifest.written import write_manifest
from tests.tracking.processes import (
    SMALL,
    Call,
    Started,
    Store,
    Trained,
    demo_root,
    duplicates,
    words,
)

pytest_plugins = ["tests.tracking.trained"]
BACKBONES = ("se_resnet1d", "xresnet1d18", "inception1d")


def sharing_data(folder: Path, trained: Trained) -> Store:
    """A store of its own, with the demo data that is there already."""
    store = Store(folder)
    store.cache.mkdir(parents=True)
    for name in ("demo", "packs", "features"):
        (store.cache / name).symlink_to(trained.store.cache / name)
    return store


def at_epoch(started: Started, epoch: int, backbone: str) -> Started:
    """Waits until an epoch of a backbone has begun."""

    def begun() -> bool:
        return f"epoch {epoch}/" in started.output().rpartition(f"\n{backbone}\n")[2]

    started.wait_until(lambda: f"\n{backbone}\n" in started.output() and begun())
    return started


def epochs_logged(store: Store, run_id: str) -> list[int]:
    return [point.step for point in store.client.get_metric_history(run_id, "train/loss")]


def test_a_run_stopped_twice_ends_with_the_weights_of_one_never_stopped(
    trained: Trained, tmp_path: Path
):
    store = sharing_data(tmp_path, trained)
    options = words(SMALL | {"backbone": "se_resnet1d"})

    started = at_epoch(store.train(*options), 2, "se_resnet1d")
    assert started.signal(signal.SIGTERM) == 128 + signal.SIGTERM
    assert "stopped by SIGTERM" in started.output() and "Traceback" not in started.output()
    (run,) = store.runs()
    run_id = run.info.run_id
    assert run.info.status == "KILLED"
    saved = load_checkpoint(store.artifact(run_id, "checkpoints/last.safetensors"))
    assert saved.state["epoch"] in {1, 2}
    assert store.artifact(run_id, "checkpoints/best.safetensors").exists()

    # As on another machine: nothing but the store is left.
    shutil.rmtree(store.cache / "runs")
    started = at_epoch(store.train("--resume", run_id), 3, "se_resnet1d")
    assert started.signal(signal.SIGKILL) == -signal.SIGKILL
    assert store.client.get_run(run_id).info.status == "RUNNING"
    # The last epochs may lie in the spool alone; whoever goes on sends them.
    assert epochs_logged(store, run_id) in ([0], [0, 1], [0, 1, 2])

    last = store.train("--resume", run_id)
    assert last.finish() == 0, last.output()
    assert [found.info.run_id for found in store.runs()] == [run_id]
    run = store.client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert epochs_logged(store, run_id) == [0, 1, 2]
    assert duplicates(store.client, run_id) == {}
    assert len(run.inputs.dataset_inputs) == 2

    assert store.weights(run_id) == trained.store.weights(trained.run.info.run_id)
    for name in ("val/macro_auc", "val/loss", "val/f_max", "train/loss", "val/macro_auc_low95"):
        assert run.data.metrics[name] == trained.run.data.metrics[name], name


def by_backbone(store: Store, parent: str) -> dict[str, Run]:
    return {
        run.data.tags["backbone"]: run
        for run in store.runs()
        if run.data.tags.get("mlflow.parentRunId") == parent
    }


def statuses(store: Store, parent: str) -> list[str | None]:
    """Of the parent and of each backbone's run, None where there is none yet."""
    found = by_backbone(store, parent)
    children = [found[name].info.status if name in found else None for name in BACKBONES]
    return [store.client.get_run(parent).info.status, *children]


def test_several_backbones_of_a_manifest_go_on_where_they_were(
    call: Call, trained: Trained, tmp_path: Path
):
    """Killed twice, each ends with the weights of one that never was."""
    store = sharing_data(tmp_path, trained)
    classes = ("sinus", "slow", "fibrillation")
    manifest = write_manifest(demo_root(store.cache), tmp_path / "own", "hearts", classes)
    small = SMALL | {"training.epochs": "2", "features": "none", "backbone": ",".join(BACKBONES),
                     "data": str(manifest), "signal.leads": "I,II,V1-V6"}  # fmt: skip

    started = at_epoch(store.train(*words(small)), 2, BACKBONES[1])
    assert started.signal(signal.SIGINT) == 128 + signal.SIGINT
    (parent,) = [r.info.run_id for r in store.runs() if "mlflow.parentRunId" not in r.data.tags]
    assert statuses(store, parent) == ["KILLED", "FINISHED", "KILLED", None]
    first = by_backbone(store, parent)

    # `mlflow run -P resume=ID` opens a run of its own, and passes its declared parameters along.
    experiment = store.client.get_run(parent).info.experiment_id
    launcher = store.client.create_run(experiment).info.run_id
    declared = {"data": "demo", "config": "auto", "backbone": "all", "features": "compute"}
    command = words(declared | {"resume": parent})
    started = store.train(*command, MLFLOW_RUN_ID=launcher)
    report = store.artifact(first[BACKBONES[1]].info.run_id, "predictions_fold9.parquet")
    started.wait_until(report.exists)  # after the last epoch, before the registration
    assert started.signal(signal.SIGKILL) == -signal.SIGKILL
    assert statuses(store, parent) == ["RUNNING", "FINISHED", "RUNNING", None]
    assert store.client.get_run(launcher).data.tags["resumes"] == parent

    started = store.train("--resume", parent)
    assert started.finish() == 0, started.output()
    assert statuses(store, parent) == ["FINISHED"] * 4
    children = by_backbone(store, parent)
    for name in BACKBONES:
        run_id = children[name].info.run_id
        assert name not in first or first[name].info.run_id == run_id
        assert epochs_logged(store, run_id) == [0, 1]
        assert duplicates(store.client, run_id) == {}
        (version,) = store.client.search_model_versions(f"run_id = '{run_id}'")
        assert version.name == f"heart-reader-hearts-{name}"
    assert children[BACKBONES[0]].info.end_time == first[BACKBONES[0]].info.end_time
    note = store.client.get_run(parent).data.tags["mlflow.note.content"]
    table = [line for line in note.splitlines() if line.startswith("| ")]
    assert [line.split(" | ")[0][2:] for line in table[2:]] == list(BACKBONES)
    shown = started.output()
    assert all(f"{name} v1" in shown for name in BACKBONES)
    never = sharing_data(tmp_path / "never", trained)
    assert call(train.main, never, *words(small | {"backbone": BACKBONES[1]})).code == 0
    (whole,) = never.runs()
    assert store.weights(children[BACKBONES[1]].info.run_id) == never.weights(whole.info.run_id)


def test_a_finished_run_is_not_resumed(call: Call, trained: Trained):
    run_id = trained.run.info.run_id
    called = call(train.main, trained.store, "--resume", run_id)
    assert called.code == 1
    assert called.errors == [f"error: run {run_id} is FINISHED: there is nothing to resume"]
    assert trained.store.client.get_run(run_id).info == trained.run.info
    assert len(trained.store.client.search_model_versions()) == 1


def test_a_run_that_is_no_training_is_not_resumed(call: Call, scratch: Store):
    experiment = scratch.client.create_experiment("elsewhere")
    run = scratch.client.create_run(experiment)
    called = call(train.main, scratch, "--resume", run.info.run_id)
    (line,) = called.errors
    assert called.code == 1 and "is no training run" in line
    scratch.client.delete_run(run.info.run_id)


def test_a_run_does_not_go_on_with_other_data(call: Call, scratch: Store):
    options = SMALL | {"backbone": "se_resnet1d", "features": "none"}
    experiment = scratch.client.create_experiment("interrupted")
    run_id = scratch.client.create_run(experiment).info.run_id
    config = as_yaml(load_config("demo", options))
    scratch.client.log_text(run_id, config, "config.yaml")
    scratch.client.set_tag(run_id, "backbones", "se_resnet1d")
    scratch.client.set_tag(run_id, "data_digest", "0123456789abcdef")
    called = call(train.main, scratch, "--resume", run_id)
    (line,) = called.errors
    assert called.code == 1 and "began with data of digest 0123456789abcdef" in line
    assert scratch.client.get_run(run_id).info.status == "FAILED"


@pytest.mark.parametrize("option", ["training.epochs", "seed"])
def test_resume_takes_no_other_options(call: Call, trained: Trained, option: str):
    resume = ["--resume", trained.run.info.run_id, f"--{option}", "9"]
    called = call(train.main, trained.store, *resume)
    assert called.errors == [f"error: resume continues a run as it began: leave out {option}"]
