"""Processes that answer chunks of files in order, whatever becomes of one of them."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from typing import Any

from heart_reader.reading.tables.files import Row

AHEAD = 2  # chunks that wait for each process: memory stays flat, and no core waits
MOST_PROCESSES = 8  # each holds the model and torch: half a GB

Work = Callable[[Sequence[str]], list[Row]]
Lost = Callable[[str], Row]


def n_processes() -> int:
    """One a core that this process may use."""
    return min(len(os.sched_getaffinity(0)), MOST_PROCESSES)


@dataclass
class Pool:
    """Attributes:
    n: processes.
    begin: what each runs first, with its arguments.
    """

    n: int
    begin: Callable[..., None]
    arguments: tuple[Any, ...]
    _open: ProcessPoolExecutor | None = field(default=None, init=False)

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *_: object) -> None:
        if self._open is not None:
            self._open.shutdown(wait=False, cancel_futures=True)

    def answered(
        self, chunks: Sequence[Sequence[str]], work: Work, lost: Lost
    ) -> Iterator[list[Row]]:
        """The rows of each chunk, in order.

        Args:
            chunks: names of files.
            work: answers one, in another process.
            lost: the row of a file at which a process ended, killed by it or for memory.
        """
        left = iter(chunks)
        waiting: deque[tuple[Sequence[str], Future[list[Row]]]] = deque()
        while True:
            while len(waiting) < AHEAD * self.n and (chunk := next(left, None)) is not None:
                waiting.append((chunk, self._submit(work, chunk)))
            if not waiting:
                return
            chunk, future = waiting.popleft()
            try:
                yield future.result()
            except BrokenProcessPool:
                self._restart()
                yield [row for name in chunk for row in self._alone(name, work, lost)]
                waiting = deque((each, self._submit(work, each)) for each, _ in waiting)

    def _submit(self, work: Work, chunk: Sequence[str]) -> "Future[list[Row]]":
        self._open = self._open or self._started(self.n)
        try:
            return self._open.submit(work, chunk)
        except BrokenProcessPool as error:
            broken: Future[list[Row]] = Future()
            broken.set_exception(error)
            return broken

    def _alone(self, name: str, work: Work, lost: Lost) -> list[Row]:
        try:
            return self._submit(work, [name]).result()
        except BrokenProcessPool:
            self._restart()
            return [lost(name)]

    def _restart(self) -> None:
        self.__exit__()
        self._open = None

    def _started(self, n: int) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            n, multiprocessing.get_context("spawn"), _begin, (self.begin, self.arguments)
        )


def _begin(begin: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    """Ctrl-C is the parent's to hear; where that is gone, so is this process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    begin(*arguments)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
