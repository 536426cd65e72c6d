"""A second task beside the default one, from training to a device: nothing is mixed up."""

import json
from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from heart_reader import evaluate, predict
from heart_reader.data.demo.tree import demo_tree
from heart_reader.data.ptbxl import load_metadata
from heart_reader.errors import ModelError
from heart_reader.tasks.task import Task
from registry import export
from registry.client import Registry, kind_of, name_beside, registered_models, task_of
from registry.compare import make as compare
from registry.ensemble import make as ensemble
from registry.gate import promote
from registry.ground.fold9 import require_same_task
from registry.settings import load_settings
from registry.sync.recorded import Followed
from registry.sync.steps import due
from tests.registry.fleet import bundle_of
from tests.tracking.processes import SMALL, Call, Store, words

pytest_plugins = ["tests.tracking.trained"]
RHYTHM = ("SR", "SBRAD", "STACH", "SARRH", "AFIB")
NAME = "heart-reader-rhythm-se_resnet1d"
QUICK = SMALL | {
    "backbone": "se_resnet1d",
    "features": "none",
    "training.epochs": "1",
    "evaluation.n_sheets": "1",
}


@pytest.fixture(scope="module")
def side_by_side(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with a model of the demo's rhythms and one of the default task."""
    store = Store(tmp_path_factory.mktemp("tasks"))
    for options in (QUICK | {"task": "rhythm"}, QUICK):
        started = store.train(*words(options))
        if started.finish():
            raise AssertionError(started.output())
    return store


def predictions(store: Store) -> tuple[np.ndarray, np.ndarray]:
    """True labels and scores of fold 9, as the rhythm model's run logged them."""
    import pandas as pd

    (version,) = store.client.search_model_versions(f"name = '{NAME}'")
    frame = pd.read_parquet(store.artifact(version.run_id, "predictions_fold9.parquet"))
    return tuple(frame[[f"{kind}_{c}" for c in RHYTHM]].to_numpy() for kind in ("true", "score"))


def judged_auc(y_true: np.ndarray, y_score: np.ndarray) -> list[float]:
    """By scikit-learn, of the classes with a positive and a negative."""
    columns = [c for c in range(y_true.shape[1]) if 0 < y_true[:, c].sum() < len(y_true)]
    return [roc_auc_score(y_true[:, c], y_score[:, c]) for c in columns]


def test_the_classes_are_the_tasks_from_the_run_to_the_bundle(side_by_side: Store):
    bundle = bundle_of(side_by_side, f"models:/{NAME}@candidate")
    assert (bundle.task.name, bundle.task.classes) == ("rhythm", RHYTHM)
    assert bundle.provenance["task"] == {"name": "rhythm", "unlabelled": "drop"}
    (version,) = side_by_side.client.search_model_versions(f"name = '{NAME}'")
    run = side_by_side.client.get_run(version.run_id)
    assert version.tags["task"] == "rhythm" and run.data.params["task.name"] == "rhythm"
    expected = judged_auc(*predictions(side_by_side))
    assert run.data.metrics["val/macro_auc"] == pytest.approx(np.mean(expected), abs=1e-6)
    assert run.data.metrics["val/n_classes"] == len(expected)


def test_the_default_task_has_its_name_of_old(side_by_side: Store):
    names = {model.name for model in side_by_side.client.search_registered_models()}
    assert {NAME, "heart-reader-se_resnet1d"} == names
    bundle = bundle_of(side_by_side, "models:/heart-reader-se_resnet1d@candidate")
    assert bundle.task.classes == ("NORM", "MI", "STTC", "CD", "HYP")


def test_predict_tells_rhythms(call: Call, side_by_side: Store):
    tree = demo_tree(side_by_side.cache, 200, 0)
    record = str(tree / load_metadata(tree)["filename_lr"].iloc[0])
    called = call(predict.main, side_by_side, "--model", f"models:/{NAME}@candidate", "--json",
                  record)  # fmt: skip
    (found,) = json.loads(called.out)["records"]
    assert tuple(found["probabilities"]) == RHYTHM


def test_evaluate_judges_by_the_bundles_task(call: Call, side_by_side: Store):
    called = call(
        evaluate.main, side_by_side, "--model", f"models:/{NAME}@candidate", "--fold", "9",
        "--evaluation.n_sheets", "1",
    )  # fmt: skip
    assert called.code == 0
    logged = side_by_side.runs()[0].data.metrics["val/macro_auc"]
    expected = judged_auc(*predictions(side_by_side))
    assert logged == pytest.approx(np.mean(expected), abs=1e-6)


def test_another_tasks_labels_are_refused(call: Call, side_by_side: Store):
    called = call(
        evaluate.main, side_by_side, "--model", f"models:/{NAME}@candidate", "--fold", "9",
        "--task", "form",
    )  # fmt: skip
    assert called.code == 1
    assert any("can't be judged by labels of task 'form'" in line for line in called.errors)


OTHERS = {  # an entry point, its options, what it says
    "promote": (promote.main, ("--model", f"{NAME}@candidate", "--task", "form"),
                "can't be judged by labels of task 'form'"),
    "export": (export.main, ("--model", f"{NAME}@candidate", "--task", "form"),
               "can't be judged by labels of task 'form'"),
    "compare": (compare.main, ("--models", f"{NAME}@candidate,heart-reader-se_resnet1d@candidate"),
                "weren't judged on the same classes of fold 9"),
    "promote all": (promote.main, ("--model", "all", "--task", "form"),
                    "no backbone has a candidate for task form"),
    "ensemble": (ensemble.main, ("--task", "form"), "there is none of task form"),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_another_task_is_one_clear_line(call: Call, side_by_side: Store, name: str):
    main, options, says = OTHERS[name]
    called = call(main, side_by_side, *options)
    assert called.code == 1
    (line,) = called.errors
    assert says in line


def test_a_task_that_changed_its_classes_is_another():
    """A manifest that gets a class keeps its name; the champion before is no rival."""
    tasks = [Task("hearts", names, names, names, "keep") for names in (("AF", "SB"), ("AF", "SA"))]
    bundles = {f"hearts/{k}": SimpleNamespace(task=task) for k, task in enumerate(tasks)}
    says = r"hearts/0 answers hearts \(2 classes\).*: not all have SB, SA; give one of them a name"
    with pytest.raises(ModelError, match=says):
        require_same_task(bundles)


def test_models_of_two_tasks_make_no_ensemble(call: Call, side_by_side: Store):
    members = f"{NAME}@candidate,heart-reader-se_resnet1d@candidate"
    called = call(ensemble.main, side_by_side, "--members", members)
    assert called.code == 1
    (line,) = [line for line in called.errors if "different tasks" in line]
    assert f"{NAME}/1 answers rhythm (5 classes)" in line


def test_a_device_gets_rhythms_under_a_name_of_their_own(call: Call, side_by_side: Store):
    called = call(
        export.main, side_by_side, "--model", f"{NAME}@candidate", "--stages", "quantize",
        "--parity.max_auc_loss", "1", "--measure.n_runs", "3", "--measure.n_resamples", "20",
        "--quantize.n_calibrate", "16", "--quantize.n_judge", "16",
    )  # fmt: skip
    assert called.code == 0, called.errors
    (version,) = side_by_side.client.search_model_versions("name = 'heart-reader-rhythm-edge'")
    labels = json.loads(
        side_by_side.artifact(version.run_id, "device/labels.json").read_text(encoding="utf-8")
    )
    assert version.tags["task"] == "rhythm" and version.tags["backbone"] == "se_resnet1d"
    assert "AFIB" in json.dumps(labels) and "STTC" not in json.dumps(labels)


def test_sync_follows_each_task_by_itself(side_by_side: Store, monkeypatch: pytest.MonkeyPatch):
    """After the export above: the rhythm champion has its device files, the other one hasn't."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", side_by_side.uri)
    monkeypatch.chdir(side_by_side.folder)
    registry = Registry()
    for name in (NAME, "heart-reader-se_resnet1d"):
        registry.make_champion(registry.version(name, "1"))
    steps = {
        (step.entry, step.model)
        for step in due(registry, Followed(registry, load_settings({})[0].sync))
    }
    assert steps == {
        ("evaluate", NAME),
        ("evaluate", "heart-reader-se_resnet1d"),
        ("export", "heart-reader-se_resnet1d"),
    }
    assert registry.tasks() == [None, "rhythm"]
    by_one = [model.name for model in registered_models(registry.client, per_page=1)]
    assert len(by_one) > 2
    assert by_one == [model.name for model in registry.client.search_registered_models()]


def names(*kinds: str) -> Sequence[str]:
    return [f"heart-reader-{kind}" for kind in kinds]


def test_names_and_what_they_say():
    found = names("edge", "rhythm-edge", "all-xresnet1d101", "inception1d", "my-own")
    assert [task_of(name) for name in found] == [None, "rhythm", "all", None, None]
    kinds = ["edge", "edge", "xresnet1d101", "inception1d", "my-own"]
    assert [kind_of(name) for name in found] == kinds
    assert name_beside(found[2], "ensemble") == "heart-reader-all-ensemble"
    assert name_beside(found[3], "ensemble") == "heart-reader-ensemble"
