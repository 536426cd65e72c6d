"""Puts a backup into an empty platform, and compares everything with what the backup says.

python -m deploy.backups.restore --folder .platform/backups        # the newest one there
python -m deploy.backups.restore --from FOLDER
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from psycopg2 import sql

from deploy.backups.backup import OBJECTS, run_tool, summary
from deploy.backups.shelf import LATEST, MANIFEST, Shelf, shelf_options
from deploy.stores.databases import (
    MAIN,
    OWNERS,
    connect,
    digests,
    make_databases,
    superuser,
    users_of,
)
from deploy.stores.objects import Objects
from heart_reader.cli.entry import run_entry
from heart_reader.errors import ConfigError, DataError
from heart_reader.files import sha256_of


def main(words: Sequence[str]) -> None:
    """Checks the backup and the platform, restores, compares."""
    options = shelf_options(words, "from", ())
    named = options["from"] != LATEST
    folder = Path(options["from"]).resolve() if named else Shelf(options["folder"]).newest()
    manifest = read_manifest(folder)
    objects = Objects.from_environment()
    with connect(MAIN) as server:
        make_databases(server)
        if users_of(server, OWNERS):
            raise ConfigError("somebody uses the databases: stop the platform's server first")
    objects.make_bucket()
    require_empty(objects)
    for database, owner in OWNERS.items():
        restore(folder / f"{database}.dump", database, owner)
    objects.load(folder / OBJECTS)
    compare("objects", manifest["objects"], objects.digests())
    for database, expected in manifest["databases"].items():
        compare(f"tables of {database}", expected, tables(database))
    print(f"{folder}, restored and compared: {summary(manifest)}")


def read_manifest(folder: Path) -> dict[str, Any]:
    """What a backup holds.

    Raises:
        DataError: it isn't one, or a file of it isn't what it was.
    """
    file = folder / MANIFEST
    if not file.exists():
        raise DataError(f"{folder} is no backup: it has no {MANIFEST}")
    manifest: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    there = {path.name: sha256_of(path) for path in folder.iterdir() if path != file}
    compare("files of the backup", manifest["files"], there)
    return manifest


def require_empty(objects: Objects) -> None:
    """Nothing is ever overwritten.

    Raises:
        ConfigError: there are runs, models, studies or objects.
    """
    if next(objects.keys(), None) is not None:
        raise ConfigError(f"the platform isn't empty: bucket {objects.bucket} has objects")
    # Registered models without versions are there from the start.
    for database, table in (("mlflow", "runs"), ("mlflow", "model_versions"), ("studies", "*")):
        full = {n: d for n, d in tables(database).items() if table in (n, "*") and d[0] != "0"}
        if full:
            raise ConfigError(f"the platform isn't empty: database {database} has {min(full)}")


def tables(database: str) -> dict[str, str]:
    """The digests of a database's tables."""
    with connect(database) as opened, opened.cursor() as at:
        return digests(at)


def restore(dump: Path, database: str, owner: str) -> None:
    """A database as it was when it was dumped."""
    role = sql.Identifier(owner)
    with connect(database) as opened, opened.cursor() as at:
        at.execute("DROP SCHEMA public CASCADE")
        at.execute(sql.SQL("CREATE SCHEMA public AUTHORIZATION {}").format(role))
    command = ["pg_restore", "--no-owner", "--no-privileges", f"--role={owner}", "--exit-on-error"]
    run_tool([*command, f"--username={superuser()}", f"--dbname={database}", str(dump)])
    with connect(database) as opened, opened.cursor() as at:
        at.execute("ANALYZE")


def compare(what: str, expected: Mapping[str, str], there: Mapping[str, str]) -> None:
    """Says how many are equal.

    Raises:
        DataError: some differ, are missing, or are too many.
    """
    wrong = sorted(n for n in {*expected, *there} if expected.get(n) != there.get(n))
    if wrong:
        raise DataError(f"{what}: {len(wrong)} of {len(expected)} differ, such as {wrong[0]}")
    print(f"{what}: {len(expected)} equal")


if __name__ == "__main__":
    raise SystemExit(run_entry(main))
