"""Errors that a user can act on: each message names the thing, the rule and the value."""

import difflib
from collections.abc import Iterable, Sequence

SHOWN = 10  # things of one kind that a message names one by one; it counts the rest
LONGEST = 1000  # characters of a line that is printed


class HeartReaderError(Exception):
    """Base of every error that an entry point prints as one line and exits 1 on."""


class ConfigError(HeartReaderError):
    """A configuration key or value that is not legal."""


class DataError(HeartReaderError):
    """A data set, record or feature table that breaks its contract."""


class DivergenceError(DataError):
    """A training whose loss is no number any more."""


class ModelError(HeartReaderError):
    """A bundle or registered model that can't be loaded or used as asked."""


class RefusedByGateError(ModelError):
    """A model that loses more than it may: the same data and settings refuse it again."""


class TrackingError(HeartReaderError):
    """A tracking store, run or registry that can't do what was asked."""


def did_you_mean(name: str, legal: Iterable[str]) -> str:
    """``", did you mean 'x'?"`` for the legal name nearest to ``name``, or ``""``.

    >>> did_you_mean("inceptoin1d", ["inception1d", "se_resnet1d"])
    ", did you mean 'inception1d'?"
    """
    near = difflib.get_close_matches(name, list(legal), n=1)
    return f", did you mean {near[0]!r}?" if near else ""


def readable(line: str) -> str:
    """A line of a message without the middle of a value that nobody would read.

    >>> readable("x must be a number, but is " + "9" * 5000)[495:550]
    '99999... (4,027 characters left out) ...999999999999999'
    >>> readable("short")
    'short'
    """
    if len(line) <= LONGEST:
        return line
    left_out = f"... ({len(line) - LONGEST:,} characters left out) ..."
    return line[: LONGEST // 2] + left_out + line[-LONGEST // 2 :]


def shortened(lines: Sequence[str], what: str) -> list[str]:
    """The first of some lines, and how many more there are of what.

    >>> shortened(["a", "b"], "files"), shortened(["a"] * 12, "files")[-1]
    (['a', 'b'], 'and 2 more files')
    """
    more = len(lines) - SHOWN
    return [*lines[:SHOWN], *([f"and {more} more {what}"] if more > 0 else [])]
