"""A backup of the running platform: databases and objects, with a hash of everything.

python -m deploy.backups.backup --folder .platform/backups --keep 7   # named by the time
python -m deploy.backups.backup --to FOLDER

The databases come first, each as one snapshot, then the objects: what a row names had been stored
before the row was written, so that nothing that the databases know is missing among the objects.
"""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg2

from deploy.backups.shelf import AUTO, MANIFEST, Shelf, how_many, shelf_options
from deploy.stores.databases import OWNERS, digests, superuser
from deploy.stores.objects import Objects
from heart_reader.cli.entry import run_entry
from heart_reader.errors import ConfigError
from heart_reader.files import sha256_of

OBJECTS = "objects.tar"


def main(words: Sequence[str]) -> None:
    """Writes the folder; it has its name only once it is whole."""
    options = shelf_options(words, "to", ("keep",))
    shelf, keep = Shelf(options["folder"]), how_many(options.get("keep", "0"))
    named = options["to"] != AUTO
    target = Path(options["to"]).resolve() if named else shelf.next()
    if target.exists():
        raise ConfigError(f"{target} is there already: name another folder")
    print(f"{target}: {summary(write_backup(target))}")
    if not named:
        for old in shelf.rotate(keep):
            print(f"{old}: removed, newer ones are kept")


def write_backup(target: Path) -> dict[str, Any]:
    """A whole backup, and what is in it."""
    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(0o700, parents=True)  # it holds password hashes
    except OSError as error:
        raise ConfigError(f"a backup can't be written to {target}: {error.strerror}") from error
    manifest: dict[str, Any] = {"made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    manifest["databases"] = {name: dump(name, partial) for name in OWNERS}
    manifest["objects"] = Objects.from_environment().save(partial / OBJECTS)
    manifest["files"] = {path.name: sha256_of(path) for path in sorted(partial.iterdir())}
    (partial / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    partial.rename(target)
    return manifest


def dump(database: str, folder: Path) -> dict[str, str]:
    """Writes ``DATABASE.dump``, and gives the digests of its tables in the very same snapshot."""
    password = os.environ["POSTGRES_PASSWORD"]
    opened = psycopg2.connect(dbname=database, user=superuser(), password=password)
    try:
        opened.set_session(isolation_level="REPEATABLE READ", readonly=True)
        with opened.cursor() as at:
            at.execute("SELECT pg_export_snapshot()")
            (snapshot,) = at.fetchone()
            command = ["pg_dump", "--format=custom", "--no-owner", "--no-privileges"]
            command += [f"--snapshot={snapshot}", f"--username={superuser()}"]
            command += [f"--file={folder / database}.dump", database]
            run_tool(command)
            return digests(at)
    finally:
        opened.close()


def run_tool(command: list[str]) -> None:
    """One of PostgreSQL's programs, as the superuser.

    Raises:
        ConfigError: it failed.
    """
    environment = os.environ | {"PGPASSWORD": os.environ["POSTGRES_PASSWORD"]}
    done = subprocess.run(command, env=environment, text=True, capture_output=True)
    if done.returncode:
        raise ConfigError(f"{command[0]} failed: {done.stderr.strip()}")


def summary(manifest: dict[str, Any]) -> str:
    """What is in a backup, in a line."""
    rows = sum(int(d.split()[0]) for t in manifest["databases"].values() for d in t.values())
    size = sum(int(each.split()[0]) for each in manifest["objects"].values())
    return (
        f"{rows:,} rows of {len(manifest['databases'])} databases, "
        f"{len(manifest['objects']):,} objects of {size / 1e6:,.1f} MB"
    )


if __name__ == "__main__":
    raise SystemExit(run_entry(main))
