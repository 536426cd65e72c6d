"""What becomes of the run that `mlflow run` opens before any code of ours.

Covers: heart_reader.cli.endings.
"""

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.entities import ViewType

from heart_reader.cli.endings import Ended, ended
from heart_reader.cli.entry import dotted_options, run_entry
from heart_reader.errors import ConfigError, DataError
from heart_reader.interrupt import InterruptedBySignal
from heart_reader.project import REPOSITORY
from heart_reader.tracking import launcher, open_run, set_up_reading, set_up_tracking
from heart_reader.tracking.fresh import make_store

PROJECT = {"mlflow.project.entryPoint": "promote", "mlflow.runName": "bold-ant-7"}


@pytest.fixture
def client(tmp_path, monkeypatch) -> MlflowClient:
    """A store, and a process as `mlflow run -e promote` starts one."""
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    make_store(uri)
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.setenv(name, "")  # so that what the code sets is taken back
        monkeypatch.delenv(name)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setattr(mlflow.tracking.fluent, "_active_experiment_id", None)
    mlflow.set_tracking_uri(uri)
    made = MlflowClient().create_run("0", tags=PROJECT)
    MlflowClient().log_param(made.info.run_id, "model", "x")
    monkeypatch.setenv("MLFLOW_RUN_ID", made.info.run_id)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "0")
    yield MlflowClient()
    mlflow.set_tracking_uri(None)


def all_runs(client: MlflowClient, experiment: str, view: int = ViewType.ACTIVE_ONLY) -> list:
    found = client.get_experiment_by_name(experiment)
    return [] if found is None else client.search_runs([found.experiment_id], run_view_type=view)


def enter(work) -> int:
    """As an entry point does it."""
    try:
        return run_entry(lambda words: work(), words=[])
    except SystemExit as stop:
        return int(stop.code)


def test_what_is_taken_up_is_in_our_experiment_with_a_name_and_what_was_typed(client):
    def work():
        set_up_tracking()
        with open_run("promote x/1") as run:
            run.set_tags({"gate": "promoted"})

    assert enter(work) == 0
    assert all_runs(client, "Default") == []
    (hidden,) = all_runs(client, "Default", ViewType.DELETED_ONLY)
    assert hidden.info.status == "FINISHED"  # so that mlflow leaves it alone
    (run,) = all_runs(client, "heart-reader")
    assert (run.info.run_name, run.info.status) == ("promote x/1", "FINISHED")
    assert run.data.params == {"model": "x"} and run.data.tags["gate"] == "promoted"


@pytest.mark.parametrize(
    "work",
    [
        lambda: None,
        set_up_reading,  # a dry run, doctor
        set_up_tracking,  # nothing was to do
        lambda: dotted_options(["--help"]),
        lambda: (_ for _ in ()).throw(ConfigError("unknown option")),
    ],
    ids=["nothing", "reading", "nothing to do", "help", "typo"],
)
def test_what_did_nothing_leaves_no_run(client, work):
    enter(work)
    assert all_runs(client, "Default") == all_runs(client, "heart-reader") == []


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (DataError("no ink"), "FAILED", "DataError: no ink"),
        (SystemExit(2), "FAILED", "exit code 2"),
        (InterruptedBySignal(2), "KILLED", None),
        (RuntimeError("a bug"), "FAILED", "it ended without a word"),
    ],
)
def test_what_failed_says_why_under_its_own_name(client, error, status, said):
    def work():
        set_up_tracking()
        raise error

    with contextlib.suppress(RuntimeError):
        enter(work)
    (run,) = all_runs(client, "heart-reader")
    assert (run.info.run_name, run.info.status) == ("promote", status)
    assert run.data.tags.get("error") == said


def test_what_has_runs_below_it_stays(client):
    def work():
        set_up_tracking()
        parent = os.environ["MLFLOW_RUN_ID"]
        experiment = client.get_run(parent).info.experiment_id
        client.create_run(experiment, tags={"mlflow.parentRunId": parent})

    enter(work)
    status = {run.info.run_name: run.info.status for run in all_runs(client, "heart-reader")}
    assert status["promote"] == "FINISHED"


def test_an_experiment_that_the_user_chose_is_kept_with_its_run(client, monkeypatch):
    chosen = client.create_experiment("mine")
    made = client.create_run(chosen, tags=PROJECT).info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", made)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", chosen)

    def work():
        set_up_tracking()
        raise DataError("no ink")

    enter(work)
    (run,) = all_runs(client, "mine")
    assert (run.info.run_id, run.info.run_name, run.info.status) == (made, "promote", "FAILED")
    assert run.data.tags["error"] == "DataError: no ink"
    assert all_runs(client, "heart-reader") == []


def test_a_run_that_no_project_opened_is_left_alone(client, monkeypatch):
    other = client.create_run("0", run_name="a notebook").info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", other)
    ended(Ended("something"))
    assert client.get_run(other).info.status == "RUNNING"


def test_the_run_of_mlflow_run_is_hidden_when_its_process_has_ended(client):
    run_id = os.environ["MLFLOW_RUN_ID"]
    with subprocess.Popen(["sleep", "60"]) as process:
        words = [sys.executable, "-m", "heart_reader.tracking.launcher", str(process.pid), run_id]
        environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
        with subprocess.Popen(words, env=environment) as hiding:
            with pytest.raises(subprocess.TimeoutExpired):
                hiding.wait(8)
            assert client.get_run(run_id).info.lifecycle_stage == "active"
            process.kill()
            process.wait()
            assert hiding.wait(60) == 0
    assert client.get_run(run_id).info.lifecycle_stage == "deleted"


@pytest.mark.parametrize(
    ("words", "left"),
    [
        (["-e", "promote", "-P", "model=heart-reader-nobody@candidate"], ["promote FAILED"]),
        (["-e", "promote", "-P", "model=x", "-P", "gate.magrin=1"], []),
        (["-e", "sync", "-P", "dry_run=true"], []),
        (["-e", "doctor"], []),
    ],
)
def test_mlflow_run_leaves_what_is_worth_a_run(tmp_path, words, left):
    """The real thing, from another folder than the project's."""
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    make_store(uri)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW")}
    environment |= {"PATH": path, "HEART_READER_CACHE": str(tmp_path / "cache")}
    environment["MLFLOW_DISABLE_TELEMETRY"] = "true"
    command = [sys.executable, "-m", "mlflow", "run", str(REPOSITORY), "--env-manager", "local"]
    done = subprocess.run(
        [*command, *words], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert "Traceback" not in done.stderr, done.stderr[-3000:]
    client = MlflowClient(uri, uri)
    deadline = time.monotonic() + 300
    while all_runs(client, "Default") and time.monotonic() < deadline:
        time.sleep(0.5)
    assert all_runs(client, "Default") == []
    found = [f"{r.info.run_name} {r.info.status}" for r in all_runs(client, "heart-reader")]
    assert found == left, done.stderr[-2000:]


def test_from_another_folder_the_store_is_the_users(tmp_path, monkeypatch):
    """`mlflow run /the/project` hands the project's process the address relative to its folder."""
    user, project = tmp_path / "user", tmp_path / "project"
    user.mkdir()
    project.mkdir()
    (user / "mlflow.db").touch()
    (tmp_path / "mlflow").write_text(
        "import subprocess, sys\n"
        "subprocess.run([sys.executable, '-c', sys.argv[3]], cwd=sys.argv[2], check=True)\n"
    )
    code = (
        "from heart_reader.tracking.launcher import launchers_store as found\n"
        "print(found('sqlite:///mlflow.db'), found('sqlite:////a/b.db'), found('http://x'))"
    )
    words = [sys.executable, str(tmp_path / "mlflow"), "run", str(project), code]
    here = str(Path(launcher.__file__).parents[2])
    environment = os.environ | {"MLFLOW_RUN_ID": "x", "PYTHONPATH": here}
    done = subprocess.run(words, cwd=user, env=environment, capture_output=True, text=True)
    assert done.stdout.split() == [f"sqlite:///{user}/mlflow.db", "sqlite:////a/b.db", "http://x"]
