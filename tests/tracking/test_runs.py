"""Runs as MLflow shows them: points, parameters, files, ends, and what is sent again.

Covers: heart_reader.tracking.run.
"""

import sqlite3
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

from heart_reader.errors import TrackingError
from heart_reader.interrupt import InterruptedBySignal
from heart_reader.tracking import runs
from heart_reader.tracking.delivery.outage import require_writable
from heart_reader.tracking.runs import Run, open_run, set_up_tracking
from tests.tracking.processes import FOREIGN


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store") / "mlflow.db"


@pytest.fixture(autouse=True)
def client(database: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    for name in FOREIGN:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{database}")
    monkeypatch.setenv("HEART_READER_CACHE", str(database.parent / "cache"))
    monkeypatch.chdir(database.parent)
    mlflow.tracking.fluent._active_experiment_id = None
    set_up_tracking()
    return MlflowClient()


def test_params_that_mlflow_run_logged_stay_as_typed_and_the_rest_is_added(client):
    with open_run("params") as run:
        client.log_param(run.run_id, "training.learning_rate", "3e-3")
        run.log_params({"training.learning_rate": 0.003, "seed": 1, "long": "x" * 7000})
    params = client.get_run(run.run_id).data.params
    assert params == {"training.learning_rate": "3e-3", "seed": "1", "long": "x" * 6000}


def test_more_params_than_one_request_takes(client):
    with open_run("many") as run:
        run.log_params({f"key{i}": i for i in range(250)})
    assert len(client.get_run(run.run_id).data.params) == 250


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_metric_that_is_not_finite_is_refused_with_its_name_and_nothing_is_logged(client, value):
    with pytest.raises(TrackingError, match=r"step 4 has .*val/loss"), open_run("nan") as run:
        run.log_metrics({"train/loss": 1.0, "val/loss": value}, 4)
    assert client.get_run(run.run_id).data.metrics == {}
    assert client.get_run(run.run_id).info.status == "FAILED"


def test_last_step_and_log_once_add_only_what_is_missing(client):
    with open_run("steps") as run:
        assert run.last_step("a") == -1
        run.log_metrics({"a": 1.0}, 3)
        run.log_once({"a": 2.0, "b": 2.0}, 3)
        run.log_once({"a": 5.0}, 4)
        assert run.last_step("a") == 4
    history = {
        name: [(point.step, point.value) for point in client.get_metric_history(run.run_id, name)]
        for name in ("a", "b")
    }
    assert history == {"a": [(3, 1.0), (4, 5.0)], "b": [(3, 2.0)]}


@pytest.mark.parametrize(
    ("error", "status"),
    [(InterruptedBySignal(15), "KILLED"), (ValueError("no"), "FAILED"), (SystemExit, "FAILED")],
)
def test_a_run_and_its_parent_end_as_what_stopped_them(client, error, status):
    with (
        pytest.raises(BaseException),  # noqa: B017
        open_run("parent") as parent,
        open_run("child", nested=True) as child,
    ):
        raise error
    found = [client.get_run(run.run_id) for run in (parent, child)]
    assert [run.info.status for run in found] == [status, status]
    assert found[1].data.tags["mlflow.parentRunId"] == parent.run_id
    if isinstance(error, ValueError):
        assert [run.data.tags["error"] for run in found] == ["ValueError: no"] * 2


def test_a_failed_run_that_goes_on_loses_its_error(client):
    with pytest.raises(ValueError, match="no"), open_run("again") as run:
        raise ValueError("no")
    with open_run(None, run.run_id):
        pass
    found = client.get_run(run.run_id)
    assert found.info.status == "FINISHED" and found.info.run_name == "again"
    assert "error" not in found.data.tags


def test_an_adopted_run_takes_our_name(client, monkeypatch):
    launcher = client.create_run(client.get_experiment_by_name(runs.EXPERIMENT).experiment_id)
    monkeypatch.setenv("MLFLOW_RUN_ID", launcher.info.run_id)
    with open_run("ours") as run:
        assert run.run_id == launcher.info.run_id
    assert client.get_run(run.run_id).info.run_name == "ours"


def test_a_long_tag_is_cut_to_what_the_store_takes(client):
    with open_run("tag") as run:
        run.set_tags({"error": "x" * 9000})
    assert client.get_run(run.run_id).data.tags["error"] == "x" * 8000


def test_download_gives_nothing_where_there_is_no_artifact(tmp_path):
    with open_run("artifacts") as run:
        run.log_text("a: 1\n", "folder/config.yaml")
        assert run.download("folder/other.yaml", tmp_path) is None
        assert run.download("nowhere/other.yaml", tmp_path) is None
        assert run.download("folder/config.yaml", tmp_path).read_text() == "a: 1\n"


@pytest.mark.parametrize("uri", ["sqlite:////proc/x.db", "sqlite:////proc/no/x.db"])
def test_an_unwritable_store_is_one_line_at_once(monkeypatch, uri):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(
        TrackingError, match=rf"tracking store {uri}: .*can you write there"
    ) as got:
        set_up_tracking()
    assert len(str(got.value).splitlines()) == 1


def test_a_read_only_database_is_refused_and_a_good_one_left_as_it_was(tmp_path):
    with sqlite3.connect(tmp_path / "x.db") as connection:
        connection.execute("CREATE TABLE t (a)")
    connection.close()
    before = (tmp_path / "x.db").read_bytes()
    require_writable(f"sqlite:///{tmp_path}/x.db")
    assert (tmp_path / "x.db").read_bytes() == before
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        require_writable(f"sqlite:///{tmp_path}")  # a folder
    (tmp_path / "y.db").write_text("no database at all" * 100)
    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        require_writable(f"sqlite:///{tmp_path}/y.db")


def test_an_artifact_store_that_cannot_be_written_is_one_line(client, monkeypatch):
    experiment = client.create_experiment("unwritable", artifact_location="/proc/artifacts")
    mlflow.set_experiment(experiment_id=experiment)
    with pytest.raises(TrackingError, match="/proc/artifacts"), open_run("x") as run:
        run.log_text("a", "a.txt")
    found = client.get_run(run.run_id)
    assert found.info.status == "FAILED"
    assert "/proc/artifacts" in found.data.tags["error"]


def test_an_unknown_run_is_named():
    with pytest.raises(TrackingError, match="deadbeef"):
        runs.find_run("deadbeef")


def test_child_runs_are_those_directly_below():
    with (
        open_run("parent") as parent,
        open_run("child", nested=True) as child,
        open_run("grandchild", nested=True),
    ):
        pass
    assert [found.info.run_id for found in runs.child_runs(parent)] == [child.run_id]
    assert runs.child_runs(Run(child.run_id))[0].info.run_name == "grandchild"
