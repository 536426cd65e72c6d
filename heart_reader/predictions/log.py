"""The log of answers: a line in a file before an answer leaves, and a thread that files it.

What is wrong with a log never becomes an answer's trouble: it is said once on stderr, and again
when it is well.
"""

import atexit
import os
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from heart_reader.errors import DataError
from heart_reader.predictions.columns import Answered, complete
from heart_reader.predictions.journal import Journal, Row, taken, waiting
from heart_reader.predictions.place import PARQUET, Place, find_place

SECONDS = 2.0  # between two looks of the thread
PARQUET_SECONDS = 60.0  # a file each time
LONGEST_PAUSE = 300.0  # seconds, where the table can't be reached
AT_ONCE = 5_000  # rows of one transaction, about


class Table(Protocol):
    """Where rows are kept: a database's table, or a folder."""

    def add(self, rows: Sequence[Row]) -> int:
        """Adds rows, each once; how many of the oldest went for them."""

    def newest(
        self, model: str, role: str, limit: int, skip: int = 0, since: int = 0
    ) -> list[Row]:
        """Rows of a model, the newest first."""

    def close(self) -> None:
        """Lets go of what is open."""


class Log:
    """Logs what this process answers.

    Args:
        place: where to.
        background: whether a thread moves lines to the table; else `collect` does.
    """

    def __init__(self, place: Place, background: bool = True) -> None:
        self.place, self.background = place, background
        self.journal = Journal(place.journal)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._said: set[str] = set()
        self._table: Table | None = None  # of whoever moves

    def add(self, answers: Sequence[Answered]) -> None:
        """Keeps answers; they are safe from a kill of this process when it returns."""
        if self.background and self._thread is None:
            self._begin()
        try:
            n_dropped = self.journal.append([vars(each) for each in answers])
        except OSError as error:
            self._say("lost", f"answers aren't logged: {error.filename}: {error.strerror}")
            return
        if n_dropped:
            self._say("dropped", f"the oldest answers that waited for {self.place} were dropped")

    def close(self) -> None:
        """Files what is left."""
        self._stop.set()
        self.journal.close()
        if self._thread is not None:
            self._thread.join(LONGEST_PAUSE)
            self._thread = None
        self._move()
        if self._table is not None:
            self._table.close()
            self._table = None

    def _begin(self) -> None:
        self._thread = threading.Thread(target=self._watch, name="predictions", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def _watch(self) -> None:
        usual = PARQUET_SECONDS if self.place.kind == PARQUET else SECONDS
        pause = usual
        while not self._stop.wait(pause):
            self.journal.close()
            pause = usual if self._move() else min(2 * pause, LONGEST_PAUSE)

    def _move(self) -> bool:
        """Whether everything that could be taken is in the table now."""
        try:
            self._table = self._table or open_table(self.place)
            n_old = collect(self.place, self._table)
        except DataError as error:
            self._say("away", f"answers wait in {self.place.journal}: {error}")
            return False
        if "away" in self._said:
            self._said.discard("away")
            print(f"{self.place}: answers are logged again", file=sys.stderr, flush=True)
        if n_old:
            self._say("full", f"{self.place} holds {self.place.most_rows:,} answers: from now on "
                      "the oldest go")  # fmt: skip
        return True

    def _say(self, what: str, line: str) -> None:
        if what not in self._said:
            self._said.add(what)
            print(line, file=sys.stderr, flush=True)


def collect(place: Place, table: Table | None = None) -> int:
    """Moves what waits on this machine, of processes that are gone too, into the table.

    Args:
        place: of the table.
        table: where it is open.

    Returns:
        How many of the oldest rows went, for want of room.

    Raises:
        DataError: the table can't be written; what waits goes on waiting.
    """
    files = waiting(place.journal)
    if not files:
        return 0
    used = table or open_table(place)
    try:
        return sum(_move_file(path, used) for path in files)
    finally:
        if table is None:
            used.close()


def _move_file(path: Path, table: Table) -> int:
    with taken(path) as rows:
        good = [row for row in rows or [] if complete(dict(row))]
        parts = range(0, len(good), AT_ONCE)
        return sum(table.add(good[start : start + AT_ONCE]) for start in parts)


def open_table(place: Place) -> Table:
    """The table of a place."""
    # SQLAlchemy and PyArrow take half a second to import.
    if place.kind == PARQUET:
        from heart_reader.predictions.folders import ParquetFolder

        return ParquetFolder(place)
    from heart_reader.predictions.tables import SqlTable

    return SqlTable(place)


_logs: dict[tuple[int, Place, bool], Log] = {}
_making = threading.Lock()


def find_log(background: bool = True) -> Log | None:
    """This process's log where the environment names a place, else ``None``.

    Raises:
        ConfigError: it names what is no place.
    """
    place = find_place()
    if place is None:
        return None
    key = (os.getpid(), place, background)  # a fork has neither the thread nor the file's lock
    with _making:
        if key not in _logs:
            _logs[key] = Log(place, background)
        return _logs[key]


def now() -> int:
    """Whole seconds since 1970."""
    return int(time.time())
