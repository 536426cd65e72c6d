"""A SQLite store moves up to a real server: PostgreSQL, artifacts through the server."""

import hashlib
import shutil
import signal
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import chdir, closing
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag, ViewType
from sqlalchemy import create_engine, text

from registry.migrate import move as migrate
from registry.migrate.files import local_folder
from registry.migrate.rows import is_empty, new_place
from tests.registry.fleet import log_foreign
from tests.tracking.processes import FOREIGN, Call, Store, words
from tests.tracking.servers import Server
from tests.tuning.postgres import free_port, running

pytest_plugins = ["tests.tracking.trained"]
MODEL, RESERVED = "foreign", "heart-reader-s4"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Two experiments, nested runs, a deleted one, data sets, a model with three versions."""
    store = Store(tmp_path_factory.mktemp("source"))
    with pytest.MonkeyPatch.context() as patch, chdir(store.folder):
        for name in FOREIGN:
            patch.delenv(name, raising=False)
        patch.setenv("MLFLOW_TRACKING_URI", store.uri)
        mlflow.set_tracking_uri(store.uri)
        client = store.client
        experiments = ["0", client.create_experiment("heart-reader", tags={"team": "ä"})]
        parent = fill(client, experiments[1], 0, None)
        fill(client, experiments[1], 1, parent)
        client.delete_run(fill(client, experiments[0], 2, None))
        client.create_registered_model(MODEL, tags={"kind": "test"}, description="a card")
        versions = [log_foreign(store, MODEL) for _ in range(3)]
        client.set_registered_model_alias(MODEL, "champion", versions[0])
        client.set_model_version_tag(MODEL, versions[0], "members", f"x/1,{parent}")
        client.delete_model_version(MODEL, versions[1])
        mlflow.set_tracking_uri(None)
    return store


def fill(client: MlflowClient, experiment: str, number: int, parent: str | None) -> str:
    tags = {} if parent is None else {"mlflow.parentRunId": parent}
    run = client.create_run(experiment, start_time=1000 + number, tags=tags, run_name=f"r{number}")
    run_id = run.info.run_id
    points = [Metric("val/auc", 1 / (step + 3), 5000 + step, step) for step in range(40)]
    points += [Metric("tiny", 1e-300 * (step + 1), 5000, step) for step in range(3)]
    client.log_batch(run_id, points, [Param("lr", "1e-3")], [RunTag("note", "ü" * 3000)])
    data = Dataset("ptbxl", "digest", "local", "/data", profile='{"n": 1}')
    client.log_inputs(run_id, [DatasetInput(data, [InputTag("mlflow.data.context", "training")])])
    for name in ("a.txt", "plots/roc curve.txt", "plots/deep/ü.bin"):
        client.log_text(run_id, f"{name} {number}", name)
    client.set_terminated(run_id, "KILLED" if number else "FINISHED", end_time=9000 + number)
    return str(run_id)


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with running() as postgres:
        yield postgres.create("tracking")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, database: str) -> Iterator[Server]:
    made = Server(Store(tmp_path_factory.mktemp("server")), database=database)
    made.start()
    for name in (RESERVED, MODEL):  # as a team's platform has some from the start
        MlflowClient(made.url, made.url).create_registered_model(name, description="theirs")
    yield made
    made.kill()


@pytest.fixture(autouse=True)
def target_is_forgotten() -> Iterator[None]:
    yield
    mlflow.set_tracking_uri(None)


def options(source: Store, server: Server) -> list[str]:
    return words({"source": source.uri, "target": server.url, "database": server.database})


def files(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def everything(client: MlflowClient) -> dict[str, object]:
    """What a client sees of a store, artifact addresses aside."""
    experiments = client.search_experiments(ViewType.ALL)
    ids = [each.experiment_id for each in experiments]
    seen: dict[str, object] = {
        f"experiment {each.experiment_id}": (each.name, each.tags) for each in experiments
    }
    for run in client.search_runs(ids, run_view_type=ViewType.ALL):
        info = {k: v for k, v in dict(run.info).items() if k != "artifact_uri"}
        seen[run.info.run_id] = (info, run.data.to_dictionary(), run.inputs.to_dictionary())
        for key in run.data.metrics:
            points = client.get_metric_history(run.info.run_id, key)
            seen[f"{run.info.run_id} {key}"] = [(p.step, p.timestamp, p.value) for p in points]
    for model in client.search_registered_models():
        # Numbers in SQL stores, text from a server.
        aliases = {key: str(value) for key, value in model.aliases.items()}
        seen[model.name] = (aliases, model.tags, model.description, model.creation_timestamp)
    for found in client.search_model_versions():
        seen[f"{found.name}/{found.version}"] = (found.source, found.run_id, found.tags)
    return seen


# ---------------------------------------------------------------- one story, in the order of tests


def test_a_run_that_is_running_is_refused(source: Store, server: Server, call: Call):
    run = source.client.create_run("0")
    called = call(migrate.main, source, *options(source, server))
    (line,) = called.errors
    assert called.code == 1 and run.info.run_id in line and "doctor" in line
    source.client.set_terminated(run.info.run_id)
    source.client.delete_run(run.info.run_id)


def test_one_that_is_killed_leaves_an_empty_target_and_goes_on(
    source: Store, server: Server, database: str
):
    command = [sys.executable, "-m", "registry.migrate.move", *options(source, server)]
    started = source.start(command)
    started.wait_until(lambda: any(path.is_file() for path in server.objects.rglob("*")))
    assert started.signal(signal.SIGKILL) == -signal.SIGKILL
    with create_engine(database).connect() as target:
        assert is_empty(target)


def test_everything_arrives(source: Store, server: Server, call: Call):
    called = call(migrate.main, source, *options(source, server))
    assert called.code == 0, called.err
    assert "done: the target has everything" in called.out
    theirs = MlflowClient(server.url, server.url)
    found = everything(theirs)
    assert found.pop(RESERVED)[2] == "theirs"  # type: ignore[index]
    assert found == everything(source.client)
    ours = files(source.folder / "mlruns")
    assert len(ours) > 15 and files(server.objects) == ours
    run = next(r for r in theirs.search_runs(["1"]) if r.info.run_name == "r1")
    local = theirs.download_artifacts(run.info.run_id, "plots/deep/ü.bin")
    assert Path(local).read_text() == "plots/deep/ü.bin 1"
    assert run.info.artifact_uri == f"mlflow-artifacts:/1/{run.info.run_id}/artifacts"


def test_its_model_loads_from_the_server_without_the_source(
    source: Store, server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    away = shutil.move(source.folder / "mlruns", tmp_path / "away")
    try:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
        mlflow.set_tracking_uri(server.url)
        model = mlflow.pyfunc.load_model(f"models:/{MODEL}@champion")
        assert model.predict(["NORM"]) == ["NORM"]
    finally:
        shutil.move(away, source.folder / "mlruns")


def test_again_it_copies_nothing(source: Store, server: Server, call: Call):
    before = {path: path.stat().st_mtime_ns for path in server.objects.rglob("*")}
    called = call(migrate.main, source, *options(source, server))
    assert called.code == 0, called.err
    assert "0 of them sent now" in called.out and "nothing to copy" in called.out
    assert {path: path.stat().st_mtime_ns for path in server.objects.rglob("*")} == before


def test_the_server_goes_on_with_ids_of_its_own(source: Store, server: Server, call: Call):
    theirs = MlflowClient(server.url, server.url)
    assert theirs.create_experiment("new") == "2"
    run = theirs.create_run("1")
    theirs.log_metric(run.info.run_id, "val/auc", 0.5)
    theirs.log_text(run.info.run_id, "x", "x.txt")
    made = theirs.create_model_version(MODEL, f"runs:/{run.info.run_id}/x", run.info.run_id)
    assert str(made.version) == "4"
    called = call(migrate.main, source, *options(source, server))
    assert called.code == 0 and "0 of them sent now" in called.out


def test_an_artifact_that_was_damaged_is_sent_again(source: Store, server: Server, call: Call):
    damaged = next(path for path in server.objects.rglob("a.txt"))
    right = damaged.read_bytes()
    damaged.write_bytes(b"wrong")
    called = call(migrate.main, source, *options(source, server))
    assert called.code == 0 and " 1 of them sent now" in called.out
    assert damaged.read_bytes() == right


def test_another_store_is_refused_by_a_target_in_use(
    source: Store, server: Server, call: Call, tmp_path: Path
):
    other = Store(tmp_path)
    run = other.client.create_run("0")
    other.client.set_terminated(run.info.run_id)
    before = everything(MlflowClient(server.url, server.url))
    (line,) = call(migrate.main, other, *options(other, server)).errors
    assert "the target is in use" in line and "1 of runs" in line
    assert everything(MlflowClient(server.url, server.url)) == before


def test_another_schema_is_refused(source: Store, server: Server, call: Call, tmp_path: Path):
    old = Store(tmp_path)
    shutil.copy(source.folder / "mlflow.db", tmp_path / "mlflow.db")
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as opened, opened:
        opened.execute("UPDATE alembic_version SET version_num = 'older'")
    (line,) = call(migrate.main, old, *options(old, server)).errors
    assert "schema older" in line and "mlflow db upgrade" in line


def test_a_database_that_is_away_is_one_line(source: Store, server: Server, call: Call):
    nowhere = f"postgresql+psycopg2://x@127.0.0.1:{free_port()}/x"
    given = words({"source": source.uri, "target": server.url, "database": nowhere})
    called = call(migrate.main, source, *given)
    assert called.code == 1 and len(called.errors) == 1
    assert "Connection refused" in called.errors[0]


def test_no_table_of_mlflow_is_forgotten(database: str):
    """What isn't copied is named; a table that a newer MLflow brings is noticed here."""
    from registry.migrate.rows import LEFT_OUT, tables

    with create_engine(database).connect() as opened:
        found = opened.execute(
            text("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        )
        names = {row[0] for row in found}
    assert names == {table.name for table in tables()} | LEFT_OUT | {"alembic_version"}


def test_addresses():
    places = {"/a/mlruns/10": "mlflow-artifacts:/10", "/a/mlruns/1": "mlflow-artifacts:/1"}
    assert new_place("/a/mlruns/10/x", places) == "mlflow-artifacts:/10/x"
    assert new_place("/a/mlruns/1/x", places) == "mlflow-artifacts:/1/x"
    assert new_place("/a/mlruns/100/x", places) == "/a/mlruns/100/x"
    assert new_place("models:/m-1", places) == "models:/m-1"
    assert new_place(None, places) is None
    assert local_folder("mlflow-artifacts:/1", Path("/s")) == Path("/s/1")
    assert local_folder("file:///a/b", Path("/s")) == Path("/a/b")
    assert local_folder("s3://a/b", Path("/s")) is None
