"""SIGINT and SIGTERM as an exception, so that clean-up runs."""

import math
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SECONDS_FOR_CLEAN_UP = 10.0
SECONDS_TO_LEAVE = 20.0  # behind the main thread's end


class InterruptedBySignal(BaseException):
    """SIGINT or SIGTERM arrived; not an ``Exception``, so that no handler swallows it."""

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.signum = signum


@contextmanager
def signals_raise() -> Iterator[None]:
    """SIGINT and SIGTERM raise `InterruptedBySignal` in the main thread while inside.

    A second signal doesn't interrupt the clean-up that the first one began, unless seconds have
    passed: Python swallows what is raised inside a weakref callback, and then nothing was begun.
    """
    heard = -math.inf

    def handle(signum: int, frame: FrameType | None) -> None:
        nonlocal heard
        if time.monotonic() - heard > SECONDS_FOR_CLEAN_UP:
            heard = time.monotonic()
            raise InterruptedBySignal(signum)

    previous = {each: signal.signal(each, handle) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in previous.items():
            signal.signal(each, handler)


def leave_for_sure(code: int) -> None:
    """Ends the process with a code, should it not end by itself once its main thread has.

    A signal may arrive while a library starts a thread; nobody then tells that thread to stop, and
    Python waits for it for ever.
    """

    def watch() -> None:
        threading.main_thread().join()
        time.sleep(SECONDS_TO_LEAVE)
        os._exit(code)

    threading.Thread(target=watch, daemon=True).start()
