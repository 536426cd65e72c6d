"""A backup of a platform that runs, restored into one that is empty, compared from outside.

Covers: deploy.backups.*, deploy.tool.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.running.supervisor import Supervisor
from deploy.stores.databases import OWNERS
from deploy.stores.postgres import programs
from deploy.up import prepare
from tests.deploy.running import Platform, User


def rows(platform: Platform, database: str) -> list[str]:
    """All data of a database as pg_dump writes it, whatever the order."""
    own = platform.tools_environment()
    words = ["--data-only", "--inserts", "--username=postgres", database]
    done = subprocess.run(
        [str(programs() / "pg_dump"), *words],
        env={**os.environ, **own, "PGPASSWORD": own["POSTGRES_PASSWORD"]},
        capture_output=True,
        text=True,
        check=True,
    )
    # Newer pg_dumps frame their output in a random word.
    lines = done.stdout.splitlines()
    return sorted(line for line in lines if not line.startswith(("\\restrict", "\\unrestrict")))


def objects(platform: Platform) -> dict[str, str]:
    """Hash of each object, read by S3."""
    client, found = platform.s3(), {}
    for page in client.get_paginator("list_objects_v2").paginate(Bucket="mlflow"):
        for item in page.get("Contents", []):
            body = client.get_object(Bucket="mlflow", Key=item["Key"])["Body"].read()
            found[item["Key"]] = hashlib.sha256(body).hexdigest()
    return found


@pytest.fixture(scope="module")
def backup(platform: Platform, trained: list[str], folder: Path) -> Path:
    """Taken while the platform runs."""
    target = folder / "backup"
    done = platform.tool("backup", TO=str(target))
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture(scope="module")
def empty(folder: Path) -> Iterator[Platform]:
    """A platform that was never started."""
    made = Platform(folder / "other")
    made.prepare()
    yield made
    shutil.rmtree(folder / "other", ignore_errors=True)


def test_a_damaged_backup_is_refused(backup: Path, empty: Platform, folder: Path):
    damaged = folder / "damaged"
    shutil.copytree(backup, damaged)
    with (damaged / "objects.tar").open("r+b") as file:
        file.seek(1000)
        file.write(b"?")
    done = empty.tool("restore", FROM=str(damaged))
    assert done.returncode == 1
    assert "files of the backup: 1 of 4 differ, such as objects.tar" in done.stderr
    shutil.rmtree(damaged)


def test_what_is_restored_is_what_there_was(
    platform: Platform, backup: Path, empty: Platform, monkeypatch: pytest.MonkeyPatch
):
    assert oct(backup.stat().st_mode)[-3:] == "700"
    done = empty.tool("restore", FROM=str(backup))
    assert done.returncode == 0, done.stderr
    monkeypatch.setenv("HOME", str(empty.state))
    services, _ = prepare(empty.state)
    with Supervisor(services, empty.state, ["postgres", "objects"]).running():
        assert objects(empty) == objects(platform)
        for database in OWNERS:
            assert rows(empty, database) == rows(platform, database), database
        manifest = json.loads((backup / "manifest.json").read_text())
        assert len(manifest["objects"]) == len(objects(empty)) > 50
    again = empty.tool("restore", FROM=str(backup))
    assert again.returncode == 1
    assert "the platform isn't empty: bucket mlflow has objects" in again.stderr


def test_nothing_is_restored_under_a_running_server(platform: Platform, ada: User, backup: Path):
    done = platform.tool("restore", FROM=str(backup))
    assert done.returncode == 1
    assert "stop the platform's server first" in done.stderr
    assert ada.ask("GET", "api/2.0/mlflow/experiments/get?experiment_id=1").status_code == 200


def test_backups_are_named_by_the_time_and_the_oldest_go(platform: Platform, backup: Path):
    shelf = platform.state / "backups"
    taken = []
    for _ in range(2):
        done = platform.tool("backup", KEEP="1")
        assert done.returncode == 0, done.stderr
        (found,) = shelf.iterdir()
        taken.append(found.name)
        assert done.stdout.startswith(f"{found}: ")
    assert re.fullmatch(r"\d{8}-\d{6}", taken[0]) and taken[0] < taken[1]
    assert "removed, newer ones are kept" in done.stdout
    manifests = [json.loads((f / "manifest.json").read_text()) for f in (found, backup)]
    assert len(manifests[0]["objects"]) >= len(manifests[1]["objects"]) > 50


def test_a_running_platform_is_not_emptied_and_none_without_being_sure(
    platform: Platform, ada: User, empty: Platform, backup: Path
):
    done = platform.tool("empty", SURE="yes")
    assert done.returncode == 1 and "is running already" in done.stderr
    done = empty.tool("empty")
    assert done.returncode == 1 and "make empty SURE=yes" in done.stderr
    (empty.state / "backups" / "20260101-000000").mkdir(parents=True)
    secrets = (empty.state / "env").read_text()
    done = empty.tool("empty", SURE="yes")
    assert done.returncode == 0, done.stderr
    left = {path.name for path in empty.state.iterdir()}
    assert not {"postgres", "objects"} & left and {"env", "backups"} <= left
    assert (empty.state / "env").read_text() == secrets
    assert [*(empty.state / "backups").iterdir()]
    assert ada.ask("GET", "api/2.0/mlflow/experiments/get?experiment_id=1").status_code == 200


def test_a_backup_is_never_written_over(platform: Platform, backup: Path):
    done = platform.tool("backup", TO=str(backup))
    assert done.returncode == 1 and f"{backup} is there already" in done.stderr
