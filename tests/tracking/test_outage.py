"""Runs whose server goes away: a real one that is killed, and a proxy that loses answers.

Covers: heart_reader.tracking.delivery.keeper.
"""

import hashlib
import re
import time
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
import requests
from mlflow import MlflowClient
from mlflow.entities import Metric
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    BAD_REQUEST,
    INVALID_PARAMETER_VALUE,
    TEMPORARILY_UNAVAILABLE,
)

from heart_reader.errors import TrackingError
from heart_reader.interrupt import InterruptedBySignal
from heart_reader.tracking.delivery.leftover import send_left
from heart_reader.tracking.delivery.outage import PATIENCE, is_outage
from heart_reader.tracking.delivery.spool import Spool, spool_folder
from heart_reader.tracking.runs import Run, open_run, set_up_tracking
from heart_reader.tracking.session import open_spool
from registry.doctor import examine as doctor
from tests.tracking.processes import FOREIGN, SMALL, Store, Trained, duplicates, words
from tests.tracking.servers import SECONDS_TO_START, Proxy, Server

pytest_plugins = ["tests.tracking.trained"]
MOMENT = 0.5  # seconds that an epoch may wait, on a busy machine


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(Store(tmp_path_factory.mktemp("server")))
    made.start()
    yield made
    made.kill()


@pytest.fixture(scope="module")
def proxy(server: Server) -> Iterator[Proxy]:
    made = Proxy(server.port)
    yield made
    made.down()


@pytest.fixture
def client(
    server: Server, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[MlflowClient]:
    """Of the server itself; what the test logs goes through the proxy."""
    for name in FOREIGN:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", proxy.url)
    monkeypatch.setenv("HEART_READER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HEART_READER_PATIENCE", "120")
    mlflow.tracking.fluent._active_experiment_id = None
    PATIENCE.renew()
    set_up_tracking()
    proxy.requests.clear()
    yield MlflowClient(server.url)
    proxy.forgive()


def history(client: MlflowClient, run: Run, metric: str = "loss") -> list[tuple[int, float]]:
    return [(p.step, p.value) for p in client.get_metric_history(run.run_id, metric)]


def status(client: MlflowClient, run: Run) -> str:
    return str(client.get_run(run.run_id).info.status)


def log(run: Run, steps: range, metrics: int = 30) -> float:
    """Logs as many metrics as an epoch has; gives the longest wait."""
    waits = []
    for step in steps:
        begun = time.perf_counter()
        values = {f"val/{i}": step + i / 100 for i in range(metrics - 1)}
        run.log_metrics({"loss": 1 / (step + 1), **values}, step)
        waits.append(time.perf_counter() - begun)
    return max(waits)


EXPECTED = [(step, 1 / (step + 1)) for step in range(50)]


# ---------------------------------------------------------------- answers that are lost


def test_a_request_whose_answer_is_lost_is_repeated_and_nothing_is_doubled(client, proxy):
    proxy.lose("runs/log-batch", 4)
    with open_run("lost answers") as run:
        for step in range(6):
            log(run, range(step, step + 1))
            run.flush()
    assert history(client, run) == EXPECTED[:6]
    assert duplicates(client, run.run_id) == {}
    assert status(client, run) == "FINISHED"
    assert list(spool_folder().iterdir()) == []


def test_a_run_whose_making_was_not_answered_is_made_once(client, proxy):
    proxy.lose("runs/create")
    with open_run("made once") as run:
        pass
    experiment = client.get_run(run.run_id).info.experiment_id
    names = [found.info.run_name for found in client.search_runs([experiment])]
    made = [path for path in proxy.requests if "runs/create" in path]
    assert len(made) == 1 and names.count("made once") == 1
    assert status(client, run) == "FINISHED"


# ---------------------------------------------------------------- outages


def test_training_goes_on_while_the_server_is_away_and_everything_arrives_in_order(client, proxy):
    with open_run("outage") as run:
        log(run, range(5))
        proxy.down()
        assert log(run, range(5, 45)) < MOMENT
        time.sleep(1)
        proxy.up()
        log(run, range(45, 50))
        assert run.last_step("loss") == 49  # it waits until all is sent
    assert history(client, run) == EXPECTED
    assert duplicates(client, run.run_id) == {}


@pytest.mark.parametrize("code", [503, 429])
def test_a_server_that_says_later_is_asked_later(client, proxy, code):
    with open_run("busy") as run:
        proxy.refuse("log-batch", code)
        assert log(run, range(3)) < MOMENT
        time.sleep(0.5)
        proxy.forgive()
    assert history(client, run) == EXPECTED[:3]


def test_what_the_server_refuses_is_an_error_at_once(client, proxy):
    with pytest.raises(TrackingError, match="INVALID_PARAMETER_VALUE"), open_run("bad") as run:
        run.flush()
        proxy.refuse("log-batch", 400)
        proxy.requests.clear()
        log(run, range(1))
        try:
            run.flush()
        finally:
            asked = [path for path in proxy.requests if "log-batch" in path]
            proxy.forgive()
    assert len(asked) == 1
    assert status(client, run) == "FAILED"


def test_artifacts_wait_for_the_server(client, proxy, tmp_path):
    (tmp_path / "a.bin").write_bytes(bytes(range(256)) * 4000)
    with open_run("artifacts") as run:
        proxy.lose("mlflow-artifacts", 3)
        run.log_file(tmp_path / "a.bin", "folder")
        proxy.lose("mlflow-artifacts", 3)
        run.upload_soon(tmp_path / "a.bin", "soon")
    for folder in ("folder", "soon"):
        local = client.download_artifacts(run.run_id, f"{folder}/a.bin", str(tmp_path))
        assert Path(local).read_bytes() == (tmp_path / "a.bin").read_bytes()


def test_who_waits_in_vain_stops_waiting(client, proxy, monkeypatch):
    monkeypatch.setenv("HEART_READER_PATIENCE", "1")
    begun = time.monotonic()
    with pytest.raises(TrackingError), open_run("in vain") as run:
        proxy.down()
        run.set_tags({"a": "b"})
    proxy.up()
    assert 1 < time.monotonic() - begun < 60
    PATIENCE.renew()
    monkeypatch.setenv("HEART_READER_PATIENCE", "60")
    assert doctor.treat(doctor.examine(False), fix=True) == []
    assert status(client, run) == "FAILED"


def test_a_signal_ends_a_run_within_seconds_and_keeps_what_was_not_sent(client, proxy, capsys):
    begun = time.monotonic()
    with pytest.raises(InterruptedBySignal), open_run("signal") as run:
        proxy.down()
        log(run, range(2), metrics=1)
        raise InterruptedBySignal(15)
    assert time.monotonic() - begun < 60  # of the 120 that it would have waited
    assert "2 points and its end wait in" in capsys.readouterr().err
    proxy.up()
    PATIENCE.renew()
    assert doctor.treat(doctor.examine(False), fix=True) == []
    assert status(client, run) == "KILLED" and history(client, run) == EXPECTED[:2]


def test_a_run_that_could_not_be_sent_says_how_and_doctor_sends_it(
    client, proxy, monkeypatch, capsys
):
    monkeypatch.setenv("HEART_READER_PATIENCE", "1")
    with (
        pytest.raises(TrackingError, match=r"wait in .*doctor -P fix=true$") as raised,
        open_run("unsent") as run,
    ):
        log(run, range(4))
        run.flush()
        proxy.down()
        log(run, range(4, 9))
    assert len(str(raised.value).splitlines()) == 1
    ended = time.time() * 1000
    proxy.up()
    assert status(client, run) == "RUNNING" and len(history(client, run)) == 4
    PATIENCE.renew()
    time.sleep(1)

    findings = [found for found in doctor.examine(False) if found.name == run.run_id]
    assert [each.problem for each in findings] == [
        "150 points and the end (FINISHED) were never sent"
    ]
    assert doctor.treat(findings, fix=False) == []
    assert "nothing was changed" in capsys.readouterr().out
    assert status(client, run) == "RUNNING" and len(history(client, run)) == 4

    assert doctor.treat(doctor.examine(False), fix=True) == []
    found = client.get_run(run.run_id)
    assert found.info.status == "FINISHED" and found.info.end_time <= ended
    assert history(client, run) == EXPECTED[:9] and duplicates(client, run.run_id) == {}
    assert list(spool_folder().iterdir()) == []
    assert [each for each in doctor.examine(False) if each.kind in {"run", "spool"}] == []


# ---------------------------------------------------------------- the spool


def points(steps: range) -> list[Metric]:
    return [Metric("loss", 1 / (step + 1), 1000 + step, step) for step in steps]


def test_a_line_that_a_crash_tore_is_left_out_and_the_rest_is_kept(tmp_path):
    spool = Spool(tmp_path / "run")
    spool.append(points(range(3)))
    with pytest.raises(TrackingError, match="run run is being written by another process"):
        Spool(tmp_path / "run")
    spool.close()
    with (tmp_path / "run" / "points.jsonl").open("ab") as file:
        file.write(b'[["loss",0.25,1003,3')
    again = Spool(tmp_path / "run")
    again.append(points(range(4, 5)))
    found, end = again.pending()
    assert [point.step for point in found] == [0, 1, 2, 4]
    again.mark_sent(end)
    again.close()
    assert Spool(tmp_path / "run").empty


def test_values_come_back_to_the_last_digit(tmp_path):
    spool = Spool(tmp_path / "run")
    values = [0.1 + 0.2, 1e-300, 1 / 3, 2.0**60]
    spool.append([Metric("a", value, 1, i, model_id="m-1") for i, value in enumerate(values)])
    found, _ = spool.pending()
    assert [(point.value, point.step, point.model_id) for point in found] == [
        (value, i, "m-1") for i, value in enumerate(values)
    ]


def test_more_points_than_one_request_takes_go_in_several(client):
    with open_run("many") as run:
        run.log_metrics({f"m{i}": float(i) for i in range(2500)}, 0)
    assert len(client.get_run(run.run_id).data.metrics) == 2500


def test_steps_that_the_run_logged_elsewhere_are_left_out(client, server):
    with open_run("elsewhere") as run:
        log(run, range(4), metrics=1)
    spool = open_spool(run.run_id)
    spool.append(points(range(2, 6)))  # other timestamps
    assert send_left(MlflowClient(server.url), spool) == 2
    spool.remove()
    assert sorted(history(client, run)) == EXPECTED[:6]


# ---------------------------------------------------------------- what an outage is


def http_error(code: int) -> requests.HTTPError:
    answer = requests.Response()
    answer.status_code = code
    return requests.HTTPError(f"{code}", response=answer)


TWO_AT_ONCE = (
    '(psycopg2.errors.UniqueViolation) duplicate key value violates unique constraint "dataset_pk"'
)
POSTGRES_GONE = "(psycopg2.DatabaseError) server closed the connection unexpectedly"


@pytest.mark.parametrize(
    ("error", "outage"),
    [
        (requests.ConnectionError("refused"), True),
        (requests.ReadTimeout("60 s"), True),
        (requests.exceptions.MissingSchema("no http"), False),
        (http_error(500), True),
        (http_error(502), True),
        (http_error(429), True),
        (http_error(403), False),
        (http_error(404), False),
        (MlflowException("away", TEMPORARILY_UNAVAILABLE), True),
        (MlflowException(POSTGRES_GONE, BAD_REQUEST), True),
        (MlflowException(TWO_AT_ONCE, BAD_REQUEST), True),
        (MlflowException("too long", BAD_REQUEST), False),
        (MlflowException("the run is deleted", INVALID_PARAMETER_VALUE), False),
        (ConnectionRefusedError(), True),
        (PermissionError("artifacts"), False),
        (FileNotFoundError("artifacts"), False),
    ],
)
def test_what_is_tried_again(error, outage):
    assert is_outage(error) == outage


# ---------------------------------------------------------------- a real training


# Requests of a training that change something, whose first answer is lost.
ANSWERS = ("runs/create", "runs/log-inputs", "mlflow/logged-models$", "registered-models/create")
ANSWERS += ("model-versions/create", "registered-models/alias", "runs/log-batch", "runs/update")


def hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of each file."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_training_whose_server_is_killed_on_the_way_has_every_epoch_and_artifact(
    server: Server, trained: Trained, tmp_path: Path
):
    store = Store(tmp_path)
    store.cache.mkdir()
    for name in ("demo", "packs", "features"):
        (store.cache / name).symlink_to(trained.store.cache / name)
    options = words(SMALL | {"backbone": "se_resnet1d"})
    lossy = Proxy(server.port)
    for pattern in ANSWERS:
        lossy.lose(pattern)
    started = store.train(*options, MLFLOW_TRACKING_URI=lossy.url)
    try:
        started.wait_until(lambda: "epoch 2/" in started.output())
        server.kill()
        started.wait_until(lambda: "going on without the store" in started.output())
        server.start()
        assert started.process.wait(SECONDS_TO_START) == 0, started.output()
    finally:
        started.process.kill()
        lossy.down()
    assert "the store is back after" in started.output()
    for pattern in ANSWERS:
        assert any(re.search(pattern, path) for path in lossy.requests), pattern

    client = MlflowClient(server.url, server.url)
    experiment = client.get_experiment_by_name("heart-reader")
    (run,) = client.search_runs([experiment.experiment_id], "tags.backbone = 'se_resnet1d'")
    assert run.info.status == "FINISHED"
    steps = [point.step for point in client.get_metric_history(run.info.run_id, "train/loss")]
    assert steps == list(range(3))
    assert duplicates(client, run.info.run_id) == {}
    folder = server.objects / run.info.experiment_id / run.info.run_id / "artifacts"
    (tmp_path / "downloaded").mkdir()
    downloaded = client.download_artifacts(run.info.run_id, "", str(tmp_path / "downloaded"))
    assert hashes(Path(downloaded)) == hashes(folder)
    undisturbed = hashes(trained.store.artifact(trained.run.info.run_id, ""))
    # Checkpoints hold how long each epoch took, the configuration where its data is, a bill of
    # materials which run it is of.
    own = ("checkpoints/", "config", "sbom")
    same = [name for name in undisturbed if not name.startswith(own)]
    assert hashes(folder).keys() == undisturbed.keys() and len(same) > 5
    assert [name for name in same if hashes(folder)[name] != undisturbed[name]] == []
    (version,) = client.search_model_versions(f"run_id = '{run.info.run_id}'")
    name = "heart-reader-se_resnet1d"
    assert client.get_model_version_by_alias(name, "candidate").version == version.version
    assert len(client.search_logged_models([run.info.experiment_id])) == 1
    assert run.data.tags["model"] == f"models:/{name}/{version.version}"
