"""Metrics on their way to the tracking store, in a file: what a crash or an outage can't lose.

MLflow's SQL stores hold a point under the key (run, metric, timestamp, step, value): the same one
sent twice is one. A point's timestamp is settled when it is written here, so that a request whose
answer was lost may be repeated.
"""

import fcntl
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlflow.entities import Metric

from heart_reader.errors import TrackingError
from heart_reader.files import cache_folder

POINTS, SENT, ABOUT = "points.jsonl", "sent", "about.json"
POINTS_PER_REQUEST = 900  # MLflow takes 1,000 things in one, tags included


def spool_folder() -> Path:
    """Where the spools of all runs of this machine lie, one folder each."""
    return cache_folder() / "spool"


class Spool:
    """One run's points, in the order in which they were logged, and how far they were sent.

    Only one process at a time has it open; the lock is gone when that process is.

    Args:
        folder: of this run; made where it is missing.

    Raises:
        TrackingError: another process has it open.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._file = (folder / POINTS).open("ab")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._file.close()
            raise TrackingError(
                f"run {folder.name} is being written by another process on this machine"
            ) from error
        self.sent = int(self._read(SENT) or 0)
        self.written = self._cut_torn_line()

    def _read(self, name: str) -> str:
        path = self.folder / name
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def _cut_torn_line(self) -> int:
        """A process that died while it wrote leaves half a line."""
        whole = (self.folder / POINTS).read_bytes().rfind(b"\n") + 1
        self._file.truncate(whole)
        return whole

    # ---------------------------------------------------------------- points

    @property
    def empty(self) -> bool:
        """Whether all that was written was sent."""
        return self.sent >= self.written

    def append(self, points: Sequence[Metric]) -> None:
        """Writes points behind the others; the process may die at once."""
        rows = [[p.key, p.value, p.timestamp, p.step, p.model_id] for p in points]
        self._file.write(json.dumps(rows, separators=(",", ":")).encode() + b"\n")
        self._file.flush()
        self.written = self._file.tell()

    def pending(self) -> tuple[list[Metric], int]:
        """The points for the next request, and how far the file is sent with them."""
        points: list[Metric] = []
        with (self.folder / POINTS).open("rb") as file:
            file.seek(self.sent)
            end = self.sent
            while end < self.written:
                line = file.readline()
                rows = json.loads(line)
                if points and len(points) + len(rows) > POINTS_PER_REQUEST:
                    break
                points += [Metric(k, v, t, step, model_id=m) for k, v, t, step, m in rows]
                end += len(line)
        return points, end

    def count(self) -> int:
        """How many points wait."""
        with (self.folder / POINTS).open("rb") as file:
            file.seek(self.sent)
            return sum(len(json.loads(line)) for line in file)

    def mark_sent(self, end: int) -> None:
        """The store has everything up to here."""
        replace_text(self.folder / SENT, str(end))
        self.sent = end

    # ---------------------------------------------------------------- about the run

    def about(self) -> dict[str, Any]:
        """What `describe` wrote."""
        found: dict[str, Any] = json.loads(self._read(ABOUT) or "{}")
        return found

    def describe(self, **facts: object) -> None:
        """Facts for whoever finds the spool: the store's address, how the run ended."""
        replace_text(self.folder / ABOUT, json.dumps({**self.about(), **facts}, indent=1))

    # ---------------------------------------------------------------- the end

    def close(self) -> None:
        """Lets go of it; what wasn't sent stays."""
        if self.empty and self.about().get("status") is None:
            self.remove()
        self._file.close()

    def remove(self) -> None:
        """Nobody needs it any more."""
        if self.folder.exists():
            for name in (SENT, ABOUT, POINTS):
                (self.folder / name).unlink(missing_ok=True)
            self.folder.rmdir()
        self._file.close()


def replace_text(path: Path, text: str) -> None:
    """Writes a small file as a whole or not at all."""
    beside = path.with_suffix(".new")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, path)
