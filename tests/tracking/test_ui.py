"""`make ui`: a hint where the port is taken, the address of the sorted runs, a light server."""

import os
import socket
import sys
from contextlib import closing

import mlflow
import pytest

from heart_reader.errors import ConfigError, TrackingError
from heart_reader.tracking import ui
from heart_reader.tracking.experiment import label_experiment
from heart_reader.tracking.fresh import make_store


@pytest.fixture(autouse=True)
def nobody_elses_store():
    yield
    mlflow.set_tracking_uri(None)


def test_a_port_that_is_taken_is_said_with_the_next_one():
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
        with pytest.raises(TrackingError, match=rf"port {port} .* make ui PORT={port + 1}"):
            ui.main(["--port", str(port)])


@pytest.mark.parametrize("word", ["0", "65536", "http"])
def test_a_port_is_a_number(word):
    with pytest.raises(ConfigError, match=f"but is '{word}'"):
        ui.main(["--port", word])


def test_it_says_where_the_best_runs_are_and_becomes_a_light_server(tmp_path, monkeypatch, capsys):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    make_store(uri)
    monkeypatch.setenv("MLFLOW_BACKEND_STORE_URI", uri)
    monkeypatch.setattr(mlflow.tracking.fluent, "_active_experiment_id", None)
    assert ui.pages(uri) == {"no runs yet": ""}
    made = mlflow.MlflowClient(uri).create_experiment("heart-reader")
    assert list(ui.pages(uri)) == ["All runs, the best first"]  # made by somebody else
    label_experiment("heart-reader")
    started = []
    monkeypatch.setattr(os, "execve", lambda *words: started.append(words))
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
    ui.main(["--port", str(port)])
    ((program, words, environment),) = started
    assert program == sys.executable and words[words.index("--workers") + 1] == "1"
    assert environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    said = capsys.readouterr().out
    assert f"http://127.0.0.1:{port}/#/experiments/{made}/runs?orderByKey=metrics." in said
    models, trials, everything = said.splitlines()
    assert models.startswith("Models, the best first:") and "ShareKey=models&" in models
    assert "ShareKey=trials&" in trials and "workflowType=machine_learning" in everything
