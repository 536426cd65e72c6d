"""Opening a study's storage, and keeping a second worker away from an SQLite file."""

import fcntl
import os
import random
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy
from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import IntegrityError, ProgrammingError, SQLAlchemyError

from heart_reader.files import sqlite_file
from tuning.config import TuningConfig
from tuning.store.patient import PatientStorage, StudyError, is_outage, unreachable

TRIES = 5
# SQLSTATE 57P03 in words: libpq gives no code for a connection that was refused.
STARTING = ("starting up", "accepting connections", "in recovery mode", "shutting down")
MANY = "-P storage=postgresql+psycopg2://USER:PASSWORD@HOST/DATABASE"


def is_sqlite(url: str) -> bool:
    """Whether a storage is a file for one worker."""
    return url.startswith("sqlite")


@contextmanager
def opened_storage(config: TuningConfig) -> Iterator[PatientStorage]:
    """The storage of a configuration; an SQLite file is locked against a second worker.

    Raises:
        StudyError: it can't be reached, or an SQLite file has a worker already.
    """
    with _one_worker(config.storage):
        storage = connect(config)
        try:
            yield storage
        finally:
            storage.remove_session()
            storage.engine.dispose()


def connect(config: TuningConfig) -> PatientStorage:
    """The storage of a configuration, for reading.

    A server that is starting is waited for, one that isn't there is not: its address may be wrong.

    Raises:
        StudyError: it can't be reached, or its address isn't legal.
    """
    try:
        return _made_when_up(config)
    except (SQLAlchemyError, StorageInternalError, ImportError, RuntimeError) as error:
        try:
            shown = sqlalchemy.make_url(config.storage).render_as_string()
        except SQLAlchemyError:
            shown = config.storage
        raise StudyError(unreachable(shown, error)) from error


def _made_when_up(config: TuningConfig) -> PatientStorage:
    """The storage; a server that says that it isn't ready has ``outage`` seconds to be."""
    until = time.monotonic() + config.outage
    while True:
        try:
            return _made_by_one(config)
        except (SQLAlchemyError, StorageInternalError) as error:
            text = f"{error} {error.__cause__}"
            if time.monotonic() > until or not any(words in text for words in STARTING):
                raise
        print("storage is starting, waiting for it", file=sys.stderr)
        time.sleep(1)


def _made_by_one(config: TuningConfig) -> PatientStorage:
    """The storage; two workers may make the tables of a new database at once."""
    for _ in range(TRIES):
        try:
            return PatientStorage(config)
        except (ProgrammingError, IntegrityError, StorageInternalError) as error:
            if is_outage(error):
                raise
            time.sleep(random.uniform(0.1, 1.0))
    return PatientStorage(config)


@contextmanager
def _one_worker(url: str) -> Iterator[None]:
    """Holds an SQLite file's lock, which the kernel takes back when a process dies."""
    path = sqlite_file(url)
    if path is None:
        yield
        return
    lock = Path(f"{path}.worker")
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        file = lock.open("a+")
    except OSError as error:
        raise StudyError(f"storage {url} can't be written: {error.strerror}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise StudyError(
                f"storage {url} has a worker already ({file.read().strip()}), and SQLite is for "
                f"one: give all workers {MANY}"
            ) from None
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        yield  # the file stays: a lock on one that was removed would keep nobody out
