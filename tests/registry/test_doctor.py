"""What crashes leave behind, made by real ones: killed processes, files that were removed.

Covers: registry.doctor.models.
"""

import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

from heart_reader.tracking.delivery import lease
from heart_reader.tracking.delivery.outage import PATIENCE
from heart_reader.tracking.runs import set_up_tracking
from registry import claims
from registry.client import Registry
from registry.doctor import examine as doctor
from registry.doctor import runs as findings
from registry.doctor.runs import Remnant
from tests.registry.fleet import log_foreign
from tests.tracking.processes import FOREIGN, Call, Started, Store, duplicates

pytest_plugins = ["tests.tracking.trained"]
# A run that logs an epoch each time it is told to, and can be told to end.
TRAINING = """
import sys, time
from pathlib import Path
from heart_reader.cli.entry import run_entry
from heart_reader.tracking.runs import open_run, set_up_tracking

def main(words):
    set_up_tracking()
    with open_run(sys.argv[1]) as run:
        run.set_tags({"backbones": "se_resnet1d"})
        for epoch in range(5):
            run.log_metrics({"loss": 1 / (epoch + 1)}, epoch)
        print("logged", run.run_id, flush=True)
        while not Path(sys.argv[1]).exists():
            time.sleep(0.05)

raise SystemExit(run_entry(main))
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture(autouse=True)
def in_store(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in FOREIGN:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    monkeypatch.setenv("HEART_READER_CACHE", str(store.cache))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(store.folder)
    mlflow.tracking.fluent._active_experiment_id = None
    PATIENCE.renew()
    set_up_tracking()


@pytest.fixture
def client(in_store: None, store: Store) -> MlflowClient:
    return store.client


def look(kind: str) -> list[Remnant]:
    return [found for found in doctor.examine(False) if found.kind == kind]


def experiment(client: MlflowClient) -> str:
    return client.get_experiment_by_name("heart-reader").experiment_id


# ---------------------------------------------------------------- runs


@pytest.fixture
def two(store: Store) -> Iterator[dict[str, tuple[Started, str]]]:
    """Two trainings at the same point, one of them killed."""
    started = {
        name: store.start([sys.executable, "-c", TRAINING, name]) for name in ("alive", "killed")
    }
    for each in started.values():
        each.wait_until(lambda each=each: "logged" in each.output())
    started["killed"].signal(signal.SIGKILL)
    yield {
        name: (each, each.output().partition("logged ")[2][:32]) for name, each in started.items()
    }
    for each in started.values():
        if each.process.poll() is None:
            each.signal(signal.SIGKILL)


def test_a_killed_run_is_closed_and_sent_and_a_live_one_is_not_touched(
    two: dict[str, tuple[Started, str]], store: Store, client: MlflowClient, call: Call
):
    (alive, alive_id), (_, killed_id) = two["alive"], two["killed"]
    before = {run_id: client.get_run(run_id).to_dictionary() for run_id in (alive_id, killed_id)}

    told = call(doctor.main, store)
    assert told.code == 0 and killed_id in told.out and alive_id not in told.out
    assert f"mlflow run . -e train -P resume={killed_id}" in told.out
    assert "nothing was changed" in told.out
    assert client.get_run(killed_id).to_dictionary() == before[killed_id]

    done = call(doctor.main, store, "--fix", "true")
    assert done.code == 0, done.err
    killed = client.get_run(killed_id)
    assert killed.info.status == "KILLED" and killed.info.end_time <= time.time() * 1000
    assert "its process" in killed.data.tags["error"]
    steps = [point.step for point in client.get_metric_history(killed_id, "loss")]
    assert steps == list(range(5)) and duplicates(client, killed_id) == {}
    assert client.get_run(alive_id).info.status == "RUNNING"
    assert alive.process.poll() is None

    (store.folder / "alive").touch()
    assert alive.finish() == 0, alive.output()
    assert client.get_run(alive_id).info.status == "FINISHED"
    assert look("run") == [] and look("spool") == []


def test_the_lease_says_which_process_of_which_machine():
    mine = lease.my_lease()
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert lease.read_lease(str(mine)) == lease.Lease(
        round(mine.renewed, 3), mine.machine, mine.pid, mine.started
    )
    assert mine.alive and mine.fresh
    assert lease.Lease(0, mine.machine, mine.pid, "1").alive is False  # the ID was given again
    assert lease.Lease(0, mine.machine, gone.pid, "1").alive is False
    assert lease.Lease(0, "elsewhere:0:0", mine.pid, mine.started).alive is None
    assert lease.read_lease("soon") is None and lease.read_lease(None) is None


def with_lease(client: MlflowClient, age: float) -> str:
    """A run of a process on another machine."""
    found = lease.Lease(time.time() - age, "elsewhere:0:0", 1, "1")
    tags = {lease.TAG: str(found)}
    return str(client.create_run(experiment(client), tags=tags).info.run_id)


def test_a_run_of_another_machine_is_dead_when_its_lease_is_old_and_stays_so(client, monkeypatch):
    fresh, old, renewed = (with_lease(client, age) for age in (10, 1000, 1000))

    def renew(seconds: float) -> None:
        assert seconds > lease.SECONDS_BETWEEN_RENEWALS  # one that lives had the time to renew it
        client.set_tag(renewed, lease.TAG, str(lease.Lease(time.time(), "elsewhere:0:0", 1, "1")))

    monkeypatch.setattr(findings.time, "sleep", renew)
    found = findings.dead_runs(client)
    assert [each.name.rpartition(" ")[2] for each in found] == [old]
    assert found[0].repair() == "KILLED"
    monkeypatch.undo()
    for run_id in (fresh, renewed):
        assert client.get_run(run_id).info.status == "RUNNING"
        client.set_terminated(run_id)


def test_a_run_without_a_lease_is_told_and_closed_by_hand_only(client, store, call, monkeypatch):
    run_id = client.create_run(experiment(client), start_time=1).info.run_id
    begun = client.create_run(experiment(client)).info.run_id  # `mlflow run` is about to start us
    (found,) = look("run")
    assert found.name.endswith(run_id) and found.repair is None
    assert call(doctor.main, store, "--fix", "true").code == 0
    assert client.get_run(run_id).info.status == "RUNNING"
    assert call(doctor.main, store, "--close", run_id).code == 0
    assert client.get_run(run_id).info.status == "KILLED"
    assert client.get_run(begun).info.status == "RUNNING"
    client.set_terminated(begun)


def test_the_launchers_run_of_a_sync_that_was_killed_is_closed(client, store):
    """As `mlflow run` killed together with its `sync -P watch=true`."""
    run_id = client.create_run(experiment(client), start_time=1).info.run_id
    command = [sys.executable, "-m", "registry.sync.syncer", "--watch", "true"]
    started = store.start(command, MLFLOW_RUN_ID=run_id)
    started.wait_until(lambda: lease.TAG in client.get_run(run_id).data.tags)
    assert look("run") == []
    started.signal(signal.SIGKILL)
    (found,) = look("run")
    assert run_id in found.name and found.repair() == "KILLED"


@pytest.mark.parametrize("words", [("--fix", "maybe"), ("--mend", "true")])
def test_options_that_are_none(store, call, words):
    assert call(doctor.main, store, *words).code == 1


# ---------------------------------------------------------------- registry and artifacts


def test_a_version_without_its_files_is_tagged_until_they_are_back(client, store):
    client.create_registered_model("foreign")
    version = log_foreign(store, "foreign")
    client.set_registered_model_alias("foreign", "champion", version)
    assert look("version") == []
    model_id = client.get_model_version("foreign", version).source.rpartition("/")[2]
    folder = Path(client.get_logged_model(model_id).artifact_location.removeprefix("file://"))
    shutil.move(folder, store.folder / "away")
    (found,) = look("version")
    assert found.problem == "MLmodel is missing, and it is champion"
    assert "rollback=true" in found.command
    assert found.repair() == "tagged"
    assert client.get_model_version("foreign", version).tags == {"artifacts_missing": "MLmodel"}
    assert look("version")[0].repair is None
    shutil.move(store.folder / "away", folder)
    assert look("version")[0].repair() == "tag dropped"
    assert client.get_model_version("foreign", version).tags == {}
    assert look("version") == []


def test_an_alias_of_no_version_is_dropped(client, store):
    client.create_registered_model("aliased")
    with closing(sqlite3.connect(store.folder / "mlflow.db")) as database, database:
        database.execute(
            "INSERT INTO registered_model_aliases (name, alias, version, workspace) "
            "VALUES ('aliased', 'champion', 7, 'default')"
        )
    (found,) = look("alias")
    assert found.name == "aliased@champion" and "version 7" in found.problem
    assert found.repair() == "dropped"
    assert client.get_registered_model("aliased").aliases == {}


def test_folders_that_no_run_owns_are_told_and_deleted_on_demand_only(client, store):
    run = client.create_run(experiment(client))
    client.log_text(run.info.run_id, "x", "x.txt")
    client.set_terminated(run.info.run_id)
    client.delete_run(run.info.run_id)  # `mlflow gc` may still bring it back
    root = Path(run.info.artifact_uri.removeprefix("file://")).parents[1]
    lost = [root / ("0" * 32), root / "models" / ("m-" + "0" * 32)]
    for folder in lost:
        (folder / "artifacts").mkdir(parents=True)
    (root / "notes").mkdir()  # somebody's own
    assert sorted(found.name for found in look("artifacts")) == sorted(map(str, lost))
    assert all(found.repair is None for found in look("artifacts"))
    for found in doctor.examine(True):
        assert found.repair() == "deleted"
    assert not any(folder.exists() for folder in lost)
    assert (root / "notes").exists() and (root / run.info.run_id).exists()


def test_a_dead_claim_and_its_run_are_cleared(client):
    registry = Registry()
    dead = claims.acquire(registry, "heart-reader-ensemble", "ensemble", 0.01)
    alive = claims.acquire(registry, "heart-reader-ensemble", "promote-1", 60)
    run = client.create_run("0", tags={claims.RUN_TAG: dead.token})
    time.sleep(0.1)
    (found,) = look("claim")
    assert found.repair() == "cleared"
    assert client.get_run(run.info.run_id).info.status == "KILLED"
    left = claims.claims(registry, "heart-reader-ensemble")
    assert [claim.token for claim in left] == [alive.token]
    claims.release(registry, alive)


def test_a_store_in_which_all_is_well_says_so(store, call):
    told = call(doctor.main, store)
    assert (told.code, told.out) == (0, "all is well: nothing was left behind\n")
