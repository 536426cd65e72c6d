"""A new SQLite store: whole or not there, whoever is killed and however many begin at once."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient

from heart_reader.errors import TrackingError
from heart_reader.tracking.fresh import half_made, make_store, set_aside
from registry.doctor import examine as doctor
from tests.conftest import REPOSITORY
from tests.tracking.processes import Store

pytest_plugins = ("tests.tracking.trained",)


def begun(path: Path) -> subprocess.Popen[str]:
    environment = os.environ | {
        "PYTHONPATH": str(REPOSITORY),
        "MLFLOW_TRACKING_URI": f"sqlite:///{path}",
    }
    command = [sys.executable, "-m", "heart_reader.tracking.fresh"]
    return subprocess.Popen(command, env=environment, cwd=path.parent, text=True)


def left_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_three_at_once_make_one_store(tmp_path: Path):
    path = tmp_path / "mlflow.db"
    started = [begun(path) for _ in range(3)]
    assert [each.wait() for each in started] == [0, 0, 0]
    (experiment,) = MlflowClient(f"sqlite:///{path}").search_experiments()
    assert experiment.name == "Default"
    assert left_in(tmp_path) == {"mlflow.db", "mlflow.db.lock"}


def test_a_kill_leaves_no_store_and_the_next_one_is_whole(tmp_path: Path):
    path = tmp_path / "mlflow.db"
    process = begun(path)
    while not list(tmp_path.glob("mlflow.db.new-*")):
        time.sleep(0.005)
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not path.exists()
    make_store(f"sqlite:///{path}")
    assert len(MlflowClient(f"sqlite:///{path}").search_experiments()) == 1
    assert left_in(tmp_path) == {"mlflow.db", "mlflow.db.lock"}


def test_what_is_there_is_left_alone(tmp_path: Path):
    path = tmp_path / "mlflow.db"
    path.write_bytes(b"somebody is at it")
    make_store(f"sqlite:///{path}")
    make_store("http://127.0.0.1:9")
    assert path.read_bytes() == b"somebody is at it"
    assert left_in(tmp_path) == {"mlflow.db"}


@pytest.fixture
def broken(tmp_path: Path) -> Store:
    """As a kill in MLflow's own migration leaves it: some tables, and no version of the schema."""
    store = Store(tmp_path)
    with sqlite3.connect(tmp_path / "mlflow.db") as connection:
        connection.execute("CREATE TABLE logged_models (model_id VARCHAR(36) PRIMARY KEY)")
        connection.execute("CREATE TABLE runs (run_uuid VARCHAR(32) PRIMARY KEY)")
    return store


def test_doctor_tells_of_a_half_made_store_and_mends_it(broken: Store, call):
    assert half_made(broken.uri)
    told = call(doctor.main, broken)
    assert told.code == 1
    assert "was never finished and holds nothing: give --fix true" in told.errors[0]
    mended = call(doctor.main, broken, "--fix", "true")
    assert mended.code == 0, mended.err
    assert not half_made(broken.uri)
    assert (broken.folder / "mlflow.db.half-made").exists()


def test_a_store_that_holds_a_run_is_never_set_aside(broken: Store):
    with sqlite3.connect(broken.folder / "mlflow.db") as connection:
        connection.execute("INSERT INTO runs VALUES ('x')")
    with pytest.raises(TrackingError, match="isn't half-made"):
        set_aside(broken.uri)
