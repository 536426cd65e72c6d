"""A new SQLite store that nobody sees before it is whole.

python -m heart_reader.tracking.fresh       # where MLFLOW_TRACKING_URI, or MLflow's default, says

MLflow makes its tables in the file itself, migration by migration. Two that begin at once fail in
each other's tables, and one that is killed leaves a file that no start can open.
"""

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

import mlflow
from mlflow.store.db.utils import _all_tables_exist
from mlflow.store.tracking import DEFAULT_LOCAL_FILE_AND_ARTIFACT_PATH
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import create_engine

from heart_reader.cli.entry import run_entry
from heart_reader.errors import TrackingError
from heart_reader.files import expanded_uri, sqlite_file

HOLD = ("runs", "registered_models", "traces")  # whoever has rows in these has something to lose


def main(words: Sequence[str]) -> None:
    """Makes the store where it is an SQLite file that isn't there."""
    make_store(expanded_uri(mlflow.get_tracking_uri()))


def make_store(uri: str) -> None:
    """Makes an SQLite store that isn't there, tables and all, and then gives it its name."""
    path = sqlite_file(uri)
    if path is None or path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with _one_at_once(path):
        for left in path.parent.glob(f"{path.name}.new-*"):
            left.unlink(missing_ok=True)  # of a process that was killed here
        if path.exists():
            return
        beside = path.with_name(f"{path.name}.new-{os.getpid()}")
        try:
            address = f"sqlite:///{quote(str(beside.absolute()))}"
            store = SqlAlchemyStore(address, DEFAULT_LOCAL_FILE_AND_ARTIFACT_PATH)  # type: ignore[no-untyped-call]
            store.engine.dispose()
            # Never over a file that MLflow itself has begun meanwhile.
            with contextlib.suppress(FileExistsError):
                os.link(beside, path)
        finally:
            beside.unlink(missing_ok=True)


@contextmanager
def _one_at_once(path: Path) -> Iterator[None]:
    with path.with_name(f"{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the kernel takes it back when a process dies
        yield


# ---------------------------------------------------------------- what a kill left


def half_made(uri: str) -> bool:
    """Whether an SQLite store lacks tables and holds nothing: MLflow was killed making it."""
    path = sqlite_file(uri)
    if path is None or not path.is_file():
        return False
    engine = create_engine(f"sqlite:///{quote(str(path.absolute()))}")
    try:
        return not _all_tables_exist(engine) and not _holds_anything(path)  # type: ignore[no-untyped-call]
    finally:
        engine.dispose()


def _holds_anything(path: Path) -> bool:
    with closing(sqlite3.connect(path)) as connection:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
        return any(
            connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone()
            for table in HOLD
            if table in tables
        )


def set_aside(uri: str) -> Path:
    """Moves a half-made store out of the way, and makes a whole one.

    Raises:
        TrackingError: it isn't half-made.
    """
    path = sqlite_file(uri)
    if path is None or not half_made(uri):
        raise TrackingError(f"store {uri} isn't half-made: it is left as it is")
    aside = path.with_name(f"{path.name}.half-made")
    os.replace(path, aside)
    make_store(uri)
    return aside


if __name__ == "__main__":
    raise SystemExit(run_entry(main))
