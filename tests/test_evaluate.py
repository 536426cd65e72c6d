"""The report on a fold, of a registered model.

Covers: heart_reader.evaluation.subgroups, heart_reader.evaluation.tables.
"""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from heart_reader import evaluate
from heart_reader.data.ptbxl import METADATA_FILE, SUPERCLASSES
from heart_reader.tracking.figures import flat
from tests.tracking.processes import (
    MODEL,
    SMALL,
    Call,
    Store,
    Trained,
    copy_of_demo,
    demo_root,
    words,
)

pytest_plugins = ["tests.tracking.trained"]
OPTIONS = {
    "model": "models:/heart-reader-se_resnet1d@candidate",
    **{key: SMALL[key] for key in SMALL if key.startswith(("data.", "evaluation."))},
}

TEN = {"fold": "10"}  # the version is nobody's champion


@pytest.fixture(scope="module")
def store(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A copy of the trained store's database: its artifacts stay where they are."""
    copy = Store(tmp_path_factory.mktemp("evaluated"))
    shutil.copy(trained.store.folder / "mlflow.db", copy.folder)
    copy.cache.symlink_to(trained.store.cache)
    return copy


def test_fold_9_gives_the_numbers_of_the_training(call: Call, store: Store, trained: Trained):
    called = call(evaluate.main, store, *words(OPTIONS | {"fold": "9"}))
    assert called.code == 0, called.err
    run = store.runs()[0]
    assert run.info.status == "FINISHED"
    logged, found = (
        flat(store.artifact(each.info.run_id, "intervals.csv").read_text())
        for each in (trained.run, run)
    )
    assert set(found) > {"val/f_max", "val/auc_HYP_high95", "val/sex/male/n_records"}
    assert {"val/macro_auc_low95", "val/auc_HYP"} < set(run.data.metrics)
    # The rest has no column and no chart of its own.
    assert not {"val/auc_HYP_high95", "val/sex/male/n_records"} & set(run.data.metrics)
    subgroups = ("val/sex/", "val/age/", "val/quality/", "val/site/")
    whole = {k: v for k, v in found.items() if not k.startswith(subgroups)}
    for name, value in whole.items():
        assert value == pytest.approx(logged[name], abs=1e-9), name
    # On the registered model, not only on the run.
    (model,) = [output.model_id for output in trained.run.outputs.model_outputs]
    found = store.client.get_logged_model(model).metrics
    assert run.info.run_id in {metric.run_id for metric in found}


def test_fold_10_is_evaluated_in_a_run_that_leads_to_the_version(
    call: Call, store: Store, trained: Trained
):
    called = call(evaluate.main, store, *words(OPTIONS | TEN))
    assert called.code == 0, called.err
    run = store.runs()[0]
    assert run.info.status == "FINISHED"
    tags = run.data.tags
    assert tags["model"] == MODEL and tags["fold"] == "10"
    assert tags["model_run_id"] == trained.run.info.run_id
    assert all(name.startswith("test/") for name in run.data.metrics)
    frame = pd.read_parquet(store.artifact(run.info.run_id, "predictions_fold10.parquet"))
    metadata = pd.read_csv(demo_root(store.cache) / METADATA_FILE)
    assert set(frame["ecg_id"]) <= set(metadata.loc[metadata["strat_fold"] == 10, "ecg_id"])
    y_true = frame[[f"true_{name}" for name in SUPERCLASSES]]
    y_score = frame[[f"score_{name}" for name in SUPERCLASSES]]
    macro_auc = roc_auc_score(y_true.to_numpy(), y_score.to_numpy())
    assert run.data.metrics["test/macro_auc"] == pytest.approx(macro_auc, abs=1e-9)
    assert f"on fold 10: macro AUC {macro_auc:.4f}" in tags["mlflow.note.content"]
    assert f"{macro_auc:.4f}" in called.out and MODEL in called.out
    (data,) = run.inputs.dataset_inputs
    assert data.dataset.name == "SYNTHETIC-test"
    for name in ("plots/roc.png", "plots/calibration.png"):
        assert store.artifact(run.info.run_id, name).exists()


@pytest.mark.parametrize("gone", ["rows", "files"])
def test_a_tree_without_fold_10_is_said_plainly(
    call: Call, store: Store, tmp_path: Path, gone: str
):
    root = copy_of_demo(store.cache, tmp_path / "tree")
    metadata = pd.read_csv(root / METADATA_FILE)
    if gone == "rows":
        metadata[metadata["strat_fold"] != 10].to_csv(root / METADATA_FILE, index=False)
    else:
        for name in metadata.loc[metadata["strat_fold"] == 10, "filename_lr"]:
            (root / f"{name}.hea").unlink()
            (root / f"{name}.dat").unlink()
    called = call(evaluate.main, store, *words(OPTIONS | TEN | {"data": str(root)}))
    (line,) = called.errors
    assert called.code == 1
    assert line.startswith("error: fold 10 isn't in th")
    run = store.runs()[0]
    assert run.info.status == "FAILED" and "fold 10 isn't in th" in run.data.tags["error"]
    assert run.data.metrics == {}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fold": "8"}, "fold must be 10 (test) or 9 (validation), but is '8'"),
        ({"model": "models:/nobody@candidate"}, "the registry has no models:/nobody@candidate"),
        ({}, "is no champion, and fold 10 is for champions: promote it first, judge it on fold=9"),
        ({"evaluation.n_resample": "3"}, "did you mean 'evaluation.n_resamples'?"),
    ],
)
def test_a_bad_option_is_one_line_before_any_run(
    call: Call, store: Store, options: dict[str, str], message: str
):
    before = [run.info.run_id for run in store.runs()]
    called = call(evaluate.main, store, *words(OPTIONS | options))
    (line,) = called.errors
    assert called.code == 1 and message in line
    assert [run.info.run_id for run in store.runs()] == before


def test_a_class_that_nobody_has_in_the_fold_is_named(call: Call, store: Store):
    called = call(evaluate.main, store, *words(OPTIONS | TEN | {"data.records_per_fold": "1"}))
    (line,) = called.errors
    assert called.code == 1
    assert "no class has both a positive and a negative in fold 10 (1 records)" in line


def test_without_a_model_it_says_what_is_missing(call: Call, store: Store):
    called = call(evaluate.main, store, "--fold", "9")
    assert called.errors == ["error: evaluate needs --model NAME@ALIAS or NAME/VERSION"]
