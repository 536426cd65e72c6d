"""Seconds left, by what such runs took before in the store."""

import re
from pathlib import Path

import mlflow
import pytest

from heart_reader.tracking import runs
from heart_reader.tracking.fresh import make_store
from registry.ground.pace import Pace, left_of

MINUTE = 60_000  # ms


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> mlflow.MlflowClient:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    make_store(uri)
    monkeypatch.setattr(mlflow.tracking.fluent, "_active_experiment_id", None)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", runs.EXPERIMENT)
    mlflow.set_tracking_uri(uri)
    client = mlflow.MlflowClient()
    experiment = client.create_experiment(runs.EXPERIMENT)
    for start, (name, minutes, status) in enumerate(
        [
            ("promote heart-reader-a/1", 9, "FINISHED"),  # older than the five that count
            *[("promote heart-reader-a/1", each, "FINISHED") for each in (1, 2, 3, 4, 5)],
            ("promote heart-reader-a/2", 60, "FAILED"),
            ("export heart-reader-a/1", 10, "FINISHED"),
            ("exported by hand", 1, "FINISHED"),
        ],
        start=1,
    ):
        made = client.create_run(experiment, start_time=start * MINUTE, run_name=name)
        end = (start + minutes) * MINUTE
        client.set_terminated(made.info.run_id, status, end_time=end)
    yield client
    mlflow.set_tracking_uri(None)


def test_the_last_five_that_finished_count(store: mlflow.MlflowClient):
    assert runs.durations("promote", 5) == [60, 120, 180, 240, 300]
    assert runs.durations("export", 5) == [600]
    assert runs.durations("evaluate", 5) == []


def test_sync_adds_the_medians_up_and_names_what_is_new(store: mlflow.MlflowClient):
    assert left_of(["promote", "export", "export"]) == ", about 23 min left"  # 3 + 10 + 10
    assert left_of(["evaluate", "promote"]) == ", about 3 min left beside evaluate, new here"
    assert left_of(["evaluate"]) == left_of([]) == ""


def test_it_counts_down_and_learns_from_its_own(capsys: pytest.CaptureFixture[str]):
    pace = Pace("promote", 3, earlier=[20, 30, 1000])
    began = pace._began
    assert pace.left(began) == "; about 90 s left"  # 3 times the median
    assert pace.left(began + 10) == "; about 80 s left"
    assert pace.left(began + 91) == ""
    pace.say("heart-reader-a/1: compares")
    assert re.fullmatch(r"heart-reader-a/1: compares; about \d+ s left\n", capsys.readouterr().err)
    pace._began -= 40  # this one took 40 s
    pace.done()
    assert pace.left(pace._began) == "; about 70 s left"  # 2 times the median of 20, 30, 40, 1000
    assert Pace("promote", earlier=[]).left(began) == ""
