"""Answers on their way to the table: lines in files that outlive the process that wrote them.

A line is in the system's page cache before its answer leaves, so that a kill -9 loses none; only a
machine that stops does. A file is locked by the process that writes it, and the lock ends with
that process: whoever can lock a file may take what is in it, and remove it.
"""

import fcntl
import json
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Row = Mapping[str, Any]
SUFFIX = ".jsonl"
LARGEST = 8 * 2**20  # bytes of a file: then the next one
MOST_BYTES = 256 * 2**20  # that wait, where the table can't be reached: the oldest files go


@dataclass
class _File:
    path: Path
    descriptor: int
    size: int


class Journal:
    """The files of one process.

    Args:
        folder: of all processes that log to the same table.
        largest: bytes of a file.
        most_bytes: that all files may have.
    """

    def __init__(self, folder: Path, largest: int = LARGEST, most_bytes: int = MOST_BYTES) -> None:
        self.folder, self.largest, self.most_bytes = folder, largest, most_bytes
        self._lock = threading.Lock()
        self._open: _File | None = None
        self._n_files = 0

    def append(self, rows: Sequence[Row]) -> int:
        """Adds rows; when it returns, a kill doesn't lose them.

        Returns:
            How many files of others were dropped, for want of room.

        Raises:
            OSError: the disk is full, or the folder can't be written.
        """
        text = "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows).encode()
        with self._lock:
            file = self._open = self._open or self._new()
            n_written = os.write(file.descriptor, text)
            file.size += n_written
            full = file.size >= self.largest
            if full or n_written < len(text):
                self._close()
        if n_written < len(text):  # what stands there of a row is its file's last
            raise OSError(28, "no space left", str(file.path))
        return drop_oldest(self.folder, self.most_bytes) if full else 0

    def close(self) -> None:
        """Lets go of the file that is written, so that it can be taken."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._open is not None:
            os.close(self._open.descriptor)
            self._open = None

    def _new(self) -> _File:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._n_files += 1
        stem = f"{time.time_ns():020d}-{os.getpid()}-{self._n_files}"
        made, path = self.folder / f"{stem}.new", self.folder / f"{stem}{SUFFIX}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
        descriptor = os.open(made, flags, 0o600)
        # Locked before anybody can see it by the name of what may be taken.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        made.rename(path)
        return _File(path, descriptor, 0)


def waiting(folder: Path) -> list[Path]:
    """Files of the journal, the oldest first."""
    return sorted(folder.glob(f"*{SUFFIX}")) if folder.is_dir() else []


def drop_oldest(folder: Path, most_bytes: int) -> int:
    """Removes the oldest files until no more than so many bytes are left; how many it removed."""
    sizes = {path: path.stat().st_size for path in waiting(folder) if path.exists()}
    left, n_dropped = sum(sizes.values()), 0
    for path, size in sizes.items():
        if left <= most_bytes:
            break
        path.unlink(missing_ok=True)
        left, n_dropped = left - size, n_dropped + 1
    return n_dropped


@contextmanager
def taken(path: Path) -> Iterator[list[Row] | None]:
    """The rows of a file that nobody writes any more, while it is nobody else's.

    It is removed where the block ends well. ``None``: it is still written, taken, or gone.
    """
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        yield None
        return
    try:
        if not _locked(descriptor) or not path.exists():
            yield None
            return
        yield _rows(path)
        path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _rows(path: Path) -> list[Row]:
    rows: list[Row] = []
    for line in path.read_bytes().split(b"\n"):
        try:
            row = json.loads(line)
        except ValueError:  # half a line, of an answer that a kill kept from leaving
            continue
        if isinstance(row, dict):
            rows.append(row)
    return rows
