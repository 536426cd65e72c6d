"""Entry points in this process: what a study leaves, and what is refused with one line.

Covers: tuning.outcome, tuning.plots, tuning.request, tuning.search, tuning.study, tuning.tracking.
"""

import shutil
import sys
from pathlib import Path

import mlflow
import optuna
import pandas as pd
import pytest
import yaml
from mlflow.entities import Metric
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from optuna.trial import TrialState

from heart_reader.config.load import load_config, read_config
from heart_reader.data.dataset import load_development
from heart_reader.errors import DataError
from heart_reader.tracking import session
from tests.tracking.processes import Store, words
from tests.tracking.trained import Call
from tests.tuning.test_workers import NAME, SPACE, TINY, assert_complete
from tuning import train, tune
from tuning.config import load_tuning
from tuning.objective import splits
from tuning.store.storage import opened_storage
from tuning.tracking import PARENT, StudyRun, close_dead_runs

pytest_plugins = ["tests.tracking.trained"]
SEARCH = TINY | {"trials": "3", "epochs": "2", "startup_trials": "1", "min_epochs": "1"}
SMALL_REPORT = {"training.epochs": "1", "evaluation.n_resamples": "20", "evaluation.n_sheets": "1"}


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Store:
    """A folder in which a study of three trials lies."""
    store = Store(tmp_path_factory.mktemp("searched"))
    store.cache.symlink_to(cache)
    (store.folder / "space.yaml").write_text(SPACE)
    started = store.start([sys.executable, "-m", "tuning.tune", *words(SEARCH)])
    assert started.finish() == 0, started.output()
    return store


@pytest.fixture
def copy(searched: Store, tmp_path: Path) -> Store:
    """A copy that a test may write to; its runs stay in the other's store."""
    store = Store(tmp_path / "copy")
    shutil.copytree(searched.folder, store.folder, symlinks=True)
    return store


def storage(store: Store) -> str:
    return f"sqlite:///{store.folder}/tuning.db"


def test_a_study_leaves_runs_a_table_and_what_train_takes(searched: Store):
    assert_complete(searched, storage(searched), 3)
    study = optuna.load_study(study_name=NAME, storage=storage(searched))
    (folder,) = searched.folder.glob("mlruns/*/*/artifacts/trials.parquet")
    frame = pd.read_parquet(folder)
    assert frame["number"].tolist() == [0, 1, 2]
    complete = study.get_trials(states=(TrialState.COMPLETE,))
    assert max(frame["value"]) == max(t.value for t in complete)
    best = yaml.safe_load((folder.parent / "best_params.yaml").read_text())
    assert best == study.best_params
    # The first trial is the configuration itself: a search never does worse.
    assert study.trials[0].params["training.learning_rate"] == 0.01


def test_what_a_dead_worker_had_told_and_not_yet_sent_is_sent(
    copy: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", copy.uri)
    monkeypatch.setenv("HEART_READER_CACHE", str(tmp_path / "cache"))
    study = optuna.load_study(study_name=NAME, storage=storage(copy))
    parent = StudyRun(study.user_attrs[PARENT])
    tags = {MLFLOW_PARENT_RUN_ID: parent.run_id, "trial": "0"}
    run_id = session.create(parent.experiment_id(), "trial 0", tags)
    spool = session.open_spool(run_id)
    spool.append([Metric("val/macro_auc", 0.5, 1, 0)])
    assert close_dead_runs(parent, study) == 1  # whoever has the spool open sends it
    assert copy.client.get_metric_history(run_id, "val/macro_auc") == []
    spool.close()

    copy.client.update_run(run_id, "RUNNING")
    assert close_dead_runs(parent, study) == 1
    (point,) = copy.client.get_metric_history(run_id, "val/macro_auc")
    assert (point.value, point.step) == (0.5, 0)
    assert copy.client.get_run(run_id).info.status == "FINISHED"
    assert not spool.folder.exists()


def test_train_takes_the_best_of_a_study(call: Call, copy: Store):
    options = TINY | SMALL_REPORT
    called = call(train.main, copy, *words(options))
    assert called.code == 0, called.err
    study = optuna.load_study(study_name=NAME, storage=storage(copy))
    run = copy.runs()[0]
    assert run.data.tags["study"] == "s" and run.info.status == "FINISHED"
    found = read_config(copy.artifact(run.info.run_id, "config.yaml"))
    assert found.training.learning_rate == study.best_params["training.learning_rate"]
    assert found.training.epochs == 1


def test_two_backbones_are_searched_and_trained_each_with_its_own(
    call: Call, tmp_path: Path, cache: Path
):
    store = Store(tmp_path / "two")
    store.folder.mkdir()
    store.cache.symlink_to(cache)
    (store.folder / "space.yaml").write_text(SPACE)
    options = SEARCH | SMALL_REPORT | {"trials": "1", "backbone": "se_resnet1d,xresnet1d18"}
    options |= {"model.xresnet1d.stage_widths": "[4, 4, 4, 4]"}
    options |= {"model.xresnet1d.stem_channels": "[4, 4, 8]"}
    called = call(train.main, store, *words(options))
    assert called.code == 0, called.err
    runs = {run.data.tags["mlflow.runName"]: run for run in store.runs()}
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    assert {"s-se_resnet1d", "s-xresnet1d18", "se_resnet1d", "xresnet1d18"} <= set(runs)
    assert runs["xresnet1d18"].data.tags["study"] == "s"
    # A second time, the study has its trials: it is not searched again.
    again = call(train.main, store, *words(options))
    assert again.code == 0 and "s-xresnet1d18: 1 trials" in again.err
    assert mlflow.active_run() is None


REFUSED = {
    "--trials x": "'trials' must be a whole number, but is 'x'",
    "--trials 0": "tune needs a number of trials",
    "--tuning.prunner median": "unknown config key 'prunner', did you mean 'pruner'?",
    "--space nowhere.yaml": "nowhere.yaml can't be read",
    "--storage postgresql+psycopg2://me@127.0.0.1:1/x": "can't be reached",
    "--storage mariadb": "storage mariadb can't be reached",
    "--storage sqlite:////proc/x/t.db": "can't be written",
    "--workers 2": "SQLite is for one worker, give -P storage=postgresql+psycopg2://",
    "--training.epoch 2": "did you mean 'training.epochs'?",
    "--seed 9": "another configuration: seed 0 there, 9 here",
    "--data.demo_seed 1": "another data digest: ",
    "--objective cv": "another objective: fold9 there, cv of 4 here",
    "--pruner nop": "must be one of 'median', 'hyperband', 'none', but is 'nop'",
}


@pytest.mark.parametrize("typed", REFUSED)
def test_what_is_refused_is_one_line_and_no_run(call: Call, copy: Store, typed: str):
    runs = len(copy.runs())
    trials = len(optuna.load_study(study_name=NAME, storage=storage(copy)).trials)
    called = call(tune.main, copy, *words(SEARCH), *typed.split())
    assert called.code == 1
    (line,) = called.errors
    assert REFUSED[typed] in line
    assert "Traceback" not in called.err
    assert len(copy.runs()) == runs
    assert len(optuna.load_study(study_name=NAME, storage=storage(copy)).trials) == trials


def test_another_space_is_refused_and_both_are_named(call: Call, copy: Store):
    (copy.folder / "space.yaml").write_text(SPACE.replace("0.03", "0.05"))
    (line,) = call(tune.main, copy, *words(SEARCH)).errors
    assert "another search space: training.learning_rate" in line
    assert "high: 0.03" in line and "high: 0.05" in line


def test_a_second_worker_on_sqlite_is_sent_away(call: Call, copy: Store):
    with opened_storage(load_tuning("default", {"storage": storage(copy)})):
        options = SEARCH | {"storage": storage(copy), "trials": "9"}
        (line,) = call(tune.main, copy, *words(options)).errors
    assert "has a worker already (process" in line
    assert "-P storage=postgresql+psycopg2://USER:PASSWORD@HOST/DATABASE" in line


def test_no_completed_trial_is_one_line_and_the_trial_waits(call: Call, copy: Store):
    options = SEARCH | {"study": "late", "timeout": "0.001"}
    called = call(tune.main, copy, *words(options))
    (line,) = called.errors
    assert "study 'late-se_resnet1d' has no completed trial (0 pruned" in line


def test_train_with_an_unknown_study_names_the_nearest(call: Call, copy: Store):
    (line,) = call(train.main, copy, *words(TINY | {"study": "ss"})).errors
    assert "no study 'ss-se_resnet1d' in the storage, did you mean 's-se_resnet1d'?" in line


def test_a_resumed_run_is_not_searched_for_again(call: Call, copy: Store):
    (line,) = call(train.main, copy, "--resume", "x", "--trials", "3").errors
    assert line == "error: resume continues a run as it began: leave out trials"


def test_patience_ends_a_search_before_its_trials(call: Call, copy: Store):
    study = optuna.load_study(study_name=NAME, storage=storage(copy))
    options = SEARCH | {"trials": "30", "patience_trials": "1"}
    called = call(tune.main, copy, *words(options))
    assert called.code == 0
    after = optuna.load_study(study_name=NAME, storage=storage(copy)).trials
    assert len(after) < 30 and "brought nothing better" in called.err
    assert len(study.trials) >= 3


# ---------------------------------------------------------------- cross-validation


def test_cv_never_sees_fold_9_and_shares_no_patient(cache: Path):
    config = load_config("default", TINY_DATA)
    records = load_development(config.data, config.task, config.features, cache)
    tuning = load_tuning("default", {"objective": "cv", "cv_splits": "4"})
    found = splits(tuning, records)
    assert sorted(fold for split in found for fold in split.validation) == list(range(1, 9))
    patients = records.metadata["patient_id"]
    for split in found:
        assert sorted(split.train + split.validation) == list(range(1, 9))
        train_patients = set(patients.iloc[records.rows(split.train)])
        assert not train_patients & set(patients.iloc[records.rows(split.validation)])


def test_cv_refuses_a_patient_in_two_folds(cache: Path):
    config = load_config("default", TINY_DATA)
    records = load_development(config.data, config.task, config.features, cache)
    records.metadata.loc[records.metadata["strat_fold"] <= 2, "patient_id"] = 77
    with pytest.raises(DataError, match="patient 77 is in two of the folds 1 to 8"):
        splits(load_tuning("default", {"objective": "cv"}), records)


def test_cv_searches_over_all_splits(call: Call, copy: Store):
    options = SEARCH | {"study": "cv", "objective": "cv", "cv_splits": "2", "trials": "1"}
    called = call(tune.main, copy, *words(options))
    assert called.code == 0, called.err
    (trial,) = optuna.load_study(study_name="cv-se_resnet1d", storage=storage(copy)).trials
    assert sorted(trial.intermediate_values) == [0, 1, 2, 3]  # 2 splits of 2 epochs
    assert trial.value == pytest.approx(trial.intermediate_values[3])


TINY_DATA = {"data.demo_records": "200", "features": "none"}
