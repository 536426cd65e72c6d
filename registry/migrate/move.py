"""Moving up: a local SQLite store, artifacts and all, to the empty store of a team's server.

python -m registry.migrate.move --source sqlite:///mlflow.db --target http://127.0.0.1:5000 \
    --database postgresql+psycopg2:///mlflow

Artifacts go first, through the server, and are compared by hash; then all rows, in one
transaction of the server's database. So a migration that was interrupted leaves a store that is
still empty, and the next call goes on. What is there already is compared, never copied twice.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import mlflow
from mlflow.store.db.base_sql_model import Base
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection, create_engine, select
from sqlalchemy.exc import SQLAlchemyError

from heart_reader.cli.entry import dotted_options, run_entry
from heart_reader.errors import ConfigError, DataError, TrackingError
from heart_reader.files import sqlite_file
from heart_reader.tracking.delivery.outage import limit_retries, require_reachable, store_errors
from registry.migrate.files import copy_files, local_folder
from registry.migrate.rows import TableDifference, compare, copy_rows, is_empty, left_out, revision

REQUIRED = ("source", "target", "database")


def main(words: Sequence[str]) -> None:
    """Reads the options, copies what is missing, and prints the comparison."""
    options = dotted_options(words)
    artifacts = options.pop("artifacts", "auto")
    if set(options) != set(REQUIRED):
        wanted = ", ".join(f"--{name}" for name in REQUIRED)
        raise ConfigError(f"migrate takes {wanted} and maybe --artifacts, not {sorted(options)}")
    path = source_file(options["source"])
    served_from = path.parent / "mlartifacts" if artifacts == "auto" else Path(artifacts)
    limit_retries()
    os.environ["MLFLOW_TRACKING_URI"] = options["target"]
    mlflow.set_tracking_uri(options["target"])
    with store_errors():
        require_reachable(options["target"])
    try:
        migrate(path, options["database"], served_from)
    except SQLAlchemyError as error:
        first = str(error).strip().splitlines()[0]
        raise TrackingError(
            f"a database failed: {first}; the target's is as it was: mend it, and call again"
        ) from error


def source_file(address: str) -> Path:
    """The file of ``sqlite:///PATH``.

    Raises:
        ConfigError: another address, or no such file.
    """
    path = sqlite_file(address)
    if path is None or not path.is_file():
        raise ConfigError(
            f"source must be sqlite:///FILE of a store that is there, but is {address!r}"
        )
    return path.resolve()


def migrate(path: Path, database: str, served_from: Path) -> None:
    """Copies and compares.

    Raises:
        ConfigError: the two don't fit together, or the target is in use.
        DataError: something arrived otherwise than it was.
    """
    read_only = f"sqlite:///file:{path}?mode=ro&uri=true"
    with (
        create_engine(read_only).connect() as source,
        create_engine(database).connect() as target,
    ):
        require_same_schema(source, target)
        require_quiet(source)
        places = new_places(source, target)
        empty = is_empty(target)
        if not empty:
            require_own(source, target, places)
        folders = {folder_of(old, served_from): new for old, new in places.items()}
        copied = copy_files({folder: new for folder, new in folders.items() if folder.is_dir()})
        print(
            f"artifacts: {copied.files:,} files of {copied.bytes / 1e6:,.1f} MB, "
            f"{copied.sent:,} of them sent now; all SHA-256 equal",
            flush=True,
        )
        target.rollback()  # what was read until now is no part of the transaction that writes
        if empty:
            copy_rows(source, target, places)
            report(list(compare(source, target, places)), source)
            target.commit()
            print("done: the target has everything", flush=True)
        else:
            report(list(compare(source, target, places)), source, in_use=True)
            print("nothing to copy: the target has had everything before", flush=True)


# ---------------------------------------------------------------- before


def require_same_schema(source: Connection, target: Connection) -> None:
    """Rows fit only where both databases have the same tables.

    Raises:
        ConfigError: they don't.
    """
    ours, theirs = revision(source), revision(target)
    if ours != theirs:
        raise ConfigError(
            f"the source has schema {ours}, the target {theirs}: bring the older one up to date "
            "with mlflow db upgrade ADDRESS"
        )


def require_quiet(source: Connection) -> None:
    """Nobody could end a run that is copied while it is RUNNING.

    Raises:
        ConfigError: there is one.
    """
    runs = Base.metadata.tables["runs"]
    wanted = select(runs.c.run_uuid).where(runs.c.status == "RUNNING")
    found = [row[0] for row in source.execute(wanted)]
    if found:
        raise ConfigError(
            f"{len(found)} runs of the source are RUNNING ({found[0]}, ...): let them end, or "
            "close what a crash left behind: mlflow run . -e doctor -P fix=true"
        )


def new_places(source: Connection, target: Connection) -> dict[str, str]:
    """Each experiment's folder of artifacts, and its address in the target; the longest first."""
    experiments = Base.metadata.tables["experiments"]
    columns = select(experiments.c.experiment_id, experiments.c.artifact_location)
    given = target.execute(columns.where(experiments.c.experiment_id == 0)).one_or_none()
    if given is None:
        raise ConfigError("the target has no experiment 0: start its server once, then call again")
    root = given[1].removesuffix("/0")
    places = {old: f"{root}/{number}" for number, old in source.execute(columns)}
    return dict(sorted(places.items(), key=lambda each: -len(each[0])))


def folder_of(location: str, served_from: Path) -> Path:
    """An experiment's artifacts on this machine.

    Raises:
        ConfigError: they are elsewhere.
    """
    folder = local_folder(location, served_from)
    if folder is None:
        raise ConfigError(f"artifacts at {location} aren't on this machine: copy them by hand")
    return folder


def require_own(source: Connection, target: Connection, places: Mapping[str, str]) -> None:
    """A target in use is fine only where everything is there already.

    Raises:
        ConfigError: it isn't.
    """
    missing = [found for found in compare(source, target, places) if found.missing]
    if missing:
        rows = ", ".join(f"{each.missing} of {each.table}" for each in missing[:3])
        raise ConfigError(
            f"the target is in use, and lacks rows of the source ({rows}): migrate fills an empty "
            "store only, since IDs are kept. Nothing was changed"
        )


# ---------------------------------------------------------------- after


def report(found: list[TableDifference], source: Connection, in_use: bool = False) -> None:
    """Prints the comparison.

    Raises:
        DataError: rows that are missing, or others than they were; those of a target that is in
            use may have changed since.
    """
    table = Table("table", "rows", "missing", "changed", title="Source and target")
    for each in found:
        if each.rows:
            table.add_row(each.table, f"{each.rows:,}", str(each.missing), str(each.changed))
    Console().print(table)
    for name, rows in left_out(source).items():
        print(f"left out: {rows} rows of {name}, which only their own server can read", flush=True)
    wrong = [each.table for each in found if each.missing or (each.changed and not in_use)]
    if wrong:
        raise DataError(f"rows of {', '.join(wrong)} arrived otherwise; the target is as it was")


if __name__ == "__main__":
    raise SystemExit(run_entry(main))
