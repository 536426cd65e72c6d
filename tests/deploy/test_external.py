"""A platform on a database and a store that others run: neither is started, both are used."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg2
import pytest

from deploy.stores.postgres import programs
from tests.deploy.running import LOADED, Platform, family, free_ports
from tests.tuning.postgres import Postgres

BUCKET = "theirs"
DBA = "dba"  # who may make roles and databases, and is no superuser: as managed databases have it


@pytest.fixture(scope="module")
def database(folder: Path) -> Iterator[Postgres]:
    """Somebody's PostgreSQL."""
    server = Postgres(folder / "database", free_ports(30)[-1])
    server.make()
    server.start()
    where = ["-h", "127.0.0.1", "-p", str(server.port), "-U", "postgres"]
    server.tool("createuser", *where, "--createrole", "--createdb", DBA)
    yield server
    server.kill()


@pytest.fixture(scope="module")
def other(platform: Platform, database: Postgres, folder: Path) -> Iterator[Platform]:
    """It uses another bucket of the first platform's store, as if that were Amazon's."""
    made, store = Platform(folder / "other-data"), platform.variables
    made.prepare(
        EXTERNAL_POSTGRES=f"127.0.0.1:{database.port}",
        POSTGRES_SUPERUSER=DBA,
        EXTERNAL_S3=f"http://127.0.0.1:{store['S3_PORT']}",
        S3_BUCKET=BUCKET,
        S3_ACCESS_KEY=store["S3_ACCESS_KEY"],
        S3_SECRET_KEY=store["S3_SECRET_KEY"],
    )
    started = made.start()
    yield made
    started.process.terminate()
    started.process.wait(LOADED)


def test_neither_is_started_and_both_are_used(
    platform: Platform, other: Platform, database: Postgres
):
    assert {path.name for path in (other.state / "pids").iterdir()} == {
        "migrate",
        "mlflow",
        "sync",
    }
    admin = other.admin
    body = {"experiment_id": "0"}
    made = admin.ask("POST", "api/2.0/mlflow/runs/create", body).json()["run"]["info"]
    path = made["artifact_uri"].removeprefix("mlflow-artifacts:/")
    put = f"api/2.0/mlflow-artifacts/artifacts/{path}/x.txt"
    assert admin.ask("PUT", put, "text").status_code == 200
    stored = platform.s3().get_object(Bucket=BUCKET, Key=f"{path}/x.txt")["Body"].read()
    assert stored == b'"text"'
    opened = psycopg2.connect(
        host="127.0.0.1", port=database.port, dbname="mlflow", user="mlflow",
        password=other.variables["MLFLOW_DATABASE_PASSWORD"],
    )  # fmt: skip
    with opened, opened.cursor() as at:
        at.execute("SELECT run_uuid FROM runs")
        assert at.fetchall() == [(made["run_id"],)]
    opened.close()


def test_they_are_backed_up_as_ours_are(other: Platform):
    done = other.tool("backup")
    assert done.returncode == 0, done.stderr
    assert "1 objects of" in done.stdout
    (made,) = (other.state / "backups").iterdir()
    listed = subprocess.run(
        [str(programs() / "pg_restore"), "--list", str(made / "mlflow.dump")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "TABLE DATA public runs" in listed.stdout
    shutil.rmtree(made)


def test_its_processes_are_the_servers_alone(other: Platform):
    names = {each.name() for each in family(other.pid("mlflow"))}
    assert not names & {"weed", "postgres"} and psutil.pid_exists(other.pid("sync"))
