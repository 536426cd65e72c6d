"""What every entry point does alike: dotted options, one line per error, exit codes."""

import math
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from heart_reader.errors import ConfigError, HeartReaderError
from heart_reader.usage import usage

SECONDS_FOR_CLEAN_UP = 10.0


class HelpAsked(Exception):  # noqa: N818 - nothing is wrong
    """``--help`` is among the options."""


class InterruptedBySignal(BaseException):
    """SIGINT or SIGTERM arrived; not an ``Exception``, so that no handler swallows it."""

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.signum = signum


def run_entry(main: Callable[[], None], *defaults: Path) -> int:
    """Runs an entry point and gives the exit code: 0, 1 for an error, 128 + n for a signal.

    Args:
        main: reads its options with `dotted_options`.
        defaults: YAML files whose keys are options too, for ``--help``.
    """
    try:
        with signals_raise():
            main()
    except HelpAsked:
        home = main.__globals__
        print(usage(home["__doc__"], home["__spec__"].name, defaults))
    except HeartReaderError as error:
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)
        return 1
    except InterruptedBySignal as stop:
        print(f"stopped by {stop}", file=sys.stderr)
        return 128 + stop.signum
    return 0


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


def dotted_options(words: Sequence[str]) -> dict[str, str]:
    """``["--training.epochs", "4", "--seed=1"]`` as ``{"training.epochs": "4", "seed": "1"}``.

    Raises:
        HelpAsked: one of the options is ``--help``.
        ConfigError: a word that is no option, or an option without a value.
    """
    options: dict[str, str] = {}
    queue = list(words)
    while queue:
        word = queue.pop(0)
        if word == "--help":
            raise HelpAsked
        if not word.startswith("--") or len(word) == 2:
            raise ConfigError(
                f"unexpected argument {word!r}: options look like --training.epochs 4"
            )
        key, equals, value = word[2:].partition("=")
        if not equals:
            if not queue:
                raise ConfigError(f"option {word!r} has no value")
            value = queue.pop(0)
        options[key] = value
    return options
