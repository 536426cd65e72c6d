"""What every entry point does alike: dotted options, one line per error, exit codes."""

import errno
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from heart_reader.cli.endings import Ended, ended
from heart_reader.cli.usage import usage
from heart_reader.errors import ConfigError, HeartReaderError, readable
from heart_reader.interrupt import InterruptedBySignal, leave_for_sure, signals_raise

TRUTH = {"true": True, "false": False}


class HelpAsked(Exception):  # noqa: N818 - nothing is wrong
    """``--help`` is among the options."""


def run_entry(
    main: Callable[[Sequence[str]], None], *defaults: Path, words: Sequence[str] | None = None
) -> int:
    """Runs an entry point and gives the exit code: 0, 1 for an error, 128 + n for a signal.

    Args:
        main: takes the words of the command line; `dotted_options` makes options of them.
        defaults: YAML files whose keys are options too, for ``--help``.
        words: of the command line; ``None``: those that the process was started with.
    """
    how = Ended("it ended without a word")
    try:
        with signals_raise():
            main(sys.argv[1:] if words is None else words)
        how = Ended(None)
    except HelpAsked:
        how = Ended(None, refused=True)
        home = main.__globals__
        print(usage(home["__doc__"], home["__spec__"].name, defaults))
    except HeartReaderError as error:
        how = Ended(f"{type(error).__name__}: {error}", refused=isinstance(error, ConfigError))
        for line in str(error).splitlines():
            print(f"error: {readable(line)}", file=sys.stderr)
        return 1
    except InterruptedBySignal as stop:
        how = Ended(None, stopped=True)
        print(f"stopped by {stop}", file=sys.stderr)
        leave_for_sure(128 + stop.signum)
        return 128 + stop.signum
    except BrokenPipeError:
        how = Ended(None, stopped=True)
        return reader_is_gone()
    except OSError as error:
        if error.filename is None and error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        how = Ended(f"{type(error).__name__}: {error}")
        what = "" if error.filename is None else f"{error.filename}: "
        print(f"error: {what}{error.strerror}", file=sys.stderr)
        return 1
    except SystemExit as stop:
        how = Ended(f"exit code {stop.code}" if stop.code else None)
        raise
    finally:
        ended(how)
    return 0


def reader_is_gone() -> int:
    """The exit code where who reads the output has gone, as ``| head`` does; nothing more is
    written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return 128 + signal.SIGPIPE


def asks_for_help(words: Sequence[str]) -> bool:
    """Whether ``--help`` is an option, not the value of one."""
    try:
        dotted_options(words)
    except HelpAsked:
        return True
    except ConfigError:
        return False  # the command itself says what is wrong
    return False


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


def as_words(options: Mapping[str, str]) -> list[str]:
    """Options as a command line has them.

    >>> as_words({"training.epochs": "4"})
    ['--training.epochs', '4']
    """
    return [word for key, value in options.items() for word in (f"--{key}", value)]


def truth(name: str, word: str) -> bool:
    """``true`` or ``false``, as an option has it.

    Raises:
        ConfigError: another word.
    """
    if word.lower() not in TRUTH:
        raise ConfigError(f"option {name!r} must be true or false, but is {word!r}")
    return TRUTH[word.lower()]
