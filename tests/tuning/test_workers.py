"""Real workers, killed and restarted, against SQLite, PostgreSQL and Ray."""

import functools
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import optuna
import pytest
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from tests.tracking.processes import Started, Store, words
from tests.tuning.postgres import Postgres

SPACE = """
common:
  training.learning_rate: {low: 0.001, high: 0.03, log: true}
  training.loss: {choices: [focal, bce]}
  training.focal_gamma: {low: 0.5, high: 4.0, when: {training.loss: focal}}
backbones:
  se_resnet1d:
    model.se_resnet1d.kernel_sizes: {choices: [[3, 3], [5, 3]]}
"""
TINY = {
    "backbone": "se_resnet1d",
    "features": "none",
    "data.demo_records": "200",
    "training.batch_size": "32",
    "training.precision": "fp32",
    "model.se_resnet1d.width": "8",
    "model.se_resnet1d.stage_depths": "[1]",
    "model.se_resnet1d.se_reduction": "4",
    "heartbeat": "1",
    "grace": "3",
    "study": "s",
    "space": "space.yaml",
}
NAME = "s-se_resnet1d"


STARTED: list[Started] = []


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Ends what a failed test leaves."""
    yield
    for started in STARTED:
        if started.process.poll() is None:
            started.signal(signal.SIGKILL)
    STARTED.clear()


def tune(store: Store, options: dict[str, str], **extra: str) -> Started:
    (store.folder / "space.yaml").write_text(SPACE)
    started = store.start([sys.executable, "-m", "tuning.tune", *words(TINY | options)], **extra)
    STARTED.append(started)
    return started


@functools.cache
def opened(storage: str) -> RDBStorage:
    return RDBStorage(storage, {"poolclass": NullPool}, skip_table_creation=True)


def trials(storage: str, *states: TrialState) -> Sequence[FrozenTrial]:
    time.sleep(0.1)  # it is asked again and again
    try:
        study = optuna.load_study(study_name=NAME, storage=opened(storage))
        return study.get_trials(deepcopy=False, states=states or None)
    except (KeyError, AttributeError, StorageInternalError, SQLAlchemyError):
        return []  # no tables, or no study yet


def done(storage: str) -> int:
    return len(trials(storage, TrialState.COMPLETE, TrialState.PRUNED))


def running(storage: str) -> Sequence[FrozenTrial]:
    return trials(storage, TrialState.RUNNING)


def checkpoints(cache: Path) -> list[Path]:
    return list((cache / "studies").rglob("last.safetensors"))


def assert_complete(store: Store, storage: str, n_trials: int) -> None:
    """Every trial is done once, under its own number, in a run that ended below one parent."""
    found = trials(storage)
    assert [trial.number for trial in found] == list(range(len(found)))
    finished = [t for t in found if t.state in (TrialState.COMPLETE, TrialState.PRUNED)]
    assert len(finished) == n_trials
    assert {t.state for t in found} <= {TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL}
    runs = store.runs()
    assert {run.info.status for run in runs} <= {"FINISHED", "KILLED"}
    (parent,) = [run for run in runs if run.data.tags.get("kind") == "study"]
    assert parent.info.status == "FINISHED"
    below = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    of_trials = [run for run in below if "trial" in run.data.tags]  # others are of workers
    by_trial = {int(run.data.tags["trial"]): run for run in of_trials}
    assert len(by_trial) == len(of_trials)
    for trial in finished:
        run = by_trial[trial.number]
        assert run.info.status == "FINISHED"
        assert run.info.run_id == trial.user_attrs["mlflow_run"]
        assert set(run.data.params) == set(trial.params)
        history = store.client.get_metric_history(run.info.run_id, "val/macro_auc")
        assert [point.step for point in history] == sorted(trial.intermediate_values)
        assert trial.state != TrialState.COMPLETE or run.data.metrics["value"] == trial.value
    # A worker may also die between a trial's beginning and that of its run.
    failed = [trial.number for trial in found if trial.state == TrialState.FAIL]
    dead = [by_trial[number] for number in failed if number in by_trial]
    assert {run.info.status for run in dead} <= {"KILLED"}


def test_a_killed_workers_trial_goes_on_from_its_checkpoint(store: Store, cache: Path):
    storage = f"sqlite:///{store.folder}/tuning.db"
    options = {"trials": "2", "storage": storage, "epochs": "8", "pruner": "none"}
    # As under `mlflow run`, which is killed together with its worker.
    launcher = store.client.create_run("0").info.run_id
    opened_by = {"MLFLOW_RUN_ID": launcher, "MLFLOW_EXPERIMENT_ID": "0"}
    first = tune(store, options, **opened_by)
    first.wait_until(lambda: any(len(t.intermediate_values) in (3, 4) for t in running(storage)))
    assert first.signal(signal.SIGKILL) == -signal.SIGKILL
    assert store.client.get_run(launcher).info.status == "RUNNING"
    second = tune(store, options, MLFLOW_EXPERIMENT_ID="0")
    assert second.finish() == 0, second.output()
    assert store.client.get_run(launcher).info.status == "KILLED"
    assert_complete(store, storage, 2)
    (killed,) = trials(storage, TrialState.FAIL)
    (retry,) = [t for t in trials(storage) if t.system_attrs.get("failed_trial") == killed.number]
    assert retry.params == killed.params
    assert retry.state == TrialState.COMPLETE
    (run,) = [r for r in store.runs() if r.data.tags.get("trial") == str(retry.number)]
    assert int(run.data.tags["resumed_at_epoch"]) >= 3
    assert sorted(retry.intermediate_values) == list(range(8))
    assert checkpoints(cache) == []
    folder = Path(next(store.folder.glob("mlruns/*/*/artifacts/best_params.yaml"))).parent
    assert (folder / "trials.parquet").exists()
    assert [path.name for path in (folder / "plots").glob("*.png")] == ["intermediate_values.png"]
    assert (folder / "plots" / "left_out.md").read_text().startswith("2 trials are complete: too")


def test_a_stopped_worker_hands_its_trial_back(store: Store):
    storage = f"sqlite:///{store.folder}/tuning.db"
    options = {"trials": "1", "storage": storage, "epochs": "8", "pruner": "none"}
    first = tune(store, options)
    first.wait_until(lambda: any(len(t.intermediate_values) in (3, 4) for t in running(storage)))
    assert first.signal(signal.SIGTERM) == 128 + signal.SIGTERM
    assert [trial.state for trial in trials(storage)] == [TrialState.FAIL, TrialState.WAITING]
    (run,) = [run for run in store.runs() if "trial" in run.data.tags]
    assert (run.info.status, run.data.tags["state"]) == ("KILLED", "handed back")
    second = tune(store, options)
    assert second.finish() == 0, second.output()
    assert_complete(store, storage, 1)
    (run,) = [run for run in store.runs() if run.data.tags.get("trial") == "1"]
    assert int(run.data.tags["resumed_at_epoch"]) >= 3


def test_two_workers_on_postgresql_the_server_restarted_and_one_killed(
    store: Store, postgres: Postgres
):
    storage = postgres.create("two_workers")
    # Long enough for the second worker to begin before the first has done all of them.
    options = {"trials": "12", "storage": storage, "epochs": "8", "pruner": "none"}
    workers = [tune(store, options), tune(store, options)]
    workers[0].wait_until(lambda: len(running(storage)) == 2)
    postgres.kill()
    postgres.start()
    before = done(storage)
    workers[0].wait_until(lambda: done(storage) >= before + 2 and len(running(storage)) == 2)
    assert workers[1].signal(signal.SIGKILL) == -signal.SIGKILL
    assert workers[0].finish() == 0, workers[0].output()
    assert_complete(store, storage, 12)
    assert all("waiting for it" in worker.output() for worker in workers)


def test_a_ray_cluster_loses_a_node_and_the_study_completes(
    store: Store, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
):
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    storage = postgres.create("ray")
    options = {"trials": "6", "storage": storage, "epochs": "5", "workers": "2"}
    for key, value in store.environment().items():
        monkeypatch.setenv(key, value)
    cluster = Cluster(True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        nodes = [cluster.add_node(num_cpus=1), cluster.add_node(num_cpus=1)]
        started = tune(store, options | {"cluster": cluster.address})
        started.wait_until(lambda: done(storage) >= 1)
        started.wait_until(lambda: len(running(storage)) == 2)
        cluster.remove_node(nodes[1], allow_graceful=False)
        assert started.finish() == 0, started.output()
    finally:
        cluster.shutdown()
    assert_complete(store, storage, 6)
