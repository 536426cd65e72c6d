"""WFDB headers as files really have them; the grammar of the specification, read generously.

https://wfdb.io/spec/header-files.html. wfdb's own parser refuses a dot or a folder in the record's
name and a date before the time (PhysioNet's Challenge), and loses a unit that isn't ASCII.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from heart_reader.data.formats.limits import MOST_CHANNELS
from heart_reader.errors import DataError
from heart_reader.files import natural

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
MOST_GAIN = 1e12  # steps per unit, or units per step: no recorder comes near
_RATE = re.compile(rf"({_NUMBER})(?:/.*)?")
_FORMAT = re.compile(r"(\d+)(?:x(\d+))?(?::(\d+))?(?:\+(\d+))?")
_GAIN = re.compile(rf"({_NUMBER})(?:\(([-+]?\d+)\))?(?:/(\S+))?")
DEFAULT_FS = 250.0  # Hz, the specification's where a header has none


@dataclass(frozen=True)
class SignalLine:
    """One channel: where its samples are and what they mean.

    ``gain`` is 0 where the channel is uncalibrated; ``skew`` and ``n_per_frame`` are in samples.
    """

    file: str
    format: str
    n_per_frame: int
    skew: int
    offset: int  # bytes
    gain: float  # steps per unit
    baseline: int
    unit: str
    initial: int | None
    checksum: int | None
    lead: str


@dataclass(frozen=True)
class SegmentLine:
    """One segment of a record of several: a record of its own, ``~`` a gap."""

    record: str
    n_frames: int


@dataclass(frozen=True)
class Header:
    """``fs`` is in frames a second, ``n_frames`` 0 where the header doesn't say it."""

    fs: float | None
    n_frames: int
    signals: tuple[SignalLine, ...]
    segments: tuple[SegmentLine, ...]
    comments: tuple[str, ...]


def parse_header(content: bytes, name: str) -> Header:
    """The header of record ``name``.

    Raises:
        DataError: a line that breaks the grammar; the message quotes it.
    """
    lines = [line.strip() for line in _text(content).splitlines()]
    comments = tuple(line[1:].strip() for line in lines if line.startswith("#"))
    rest = [line for line in lines if line and not line.startswith("#")]
    if not rest:
        raise DataError(f"record {name} can't be read: its header is empty")
    words = rest[0].split()
    try:
        n_signals = int(words[1])
        fs = float(_matched(_RATE, words[2])[1]) if len(words) > 2 else None
        n_frames = int(words[3]) if len(words) > 3 else 0
    except (ValueError, IndexError):
        raise DataError(f"record {name} can't be read: record line {rest[0][:80]!r}") from None
    if not 0 < n_signals <= MOST_CHANNELS or n_frames < 0 or (fs is not None and not fs > 0):
        raise DataError(f"record {name} can't be read: record line {rest[0][:80]!r}")
    if _has_segments(words[0], rest[1:]):
        segments = tuple(_segment(line, name) for line in rest[1:])
        return Header(fs, n_frames, (), segments, comments)
    if len(rest) - 1 < n_signals:
        raise DataError(
            f"record {name} can't be read: its header claims {n_signals} signals and describes "
            f"{len(rest) - 1}"
        )
    signals = tuple(_signal(line, name) for line in rest[1 : n_signals + 1])
    return Header(fs, n_frames, signals, (), comments)


def is_header(head: bytes) -> bool:
    """Whether a file begins as a WFDB header: a record line, then a signal or segment line."""
    lines = [line.strip() for line in _text(head).splitlines()]
    words = [line.split() for line in lines if line and not line.startswith("#")][:2]
    if len(words) < 2 or len(words[0]) < 2 or len(words[1]) < 2:
        return False
    record, signal = words
    counts = re.fullmatch(r"\d+", record[1]) and all(_RATE.fullmatch(w) for w in record[2:3])
    return (
        bool(counts) and bool(_FORMAT.fullmatch(signal[1])) and not _NUMBERS.fullmatch(signal[0])
    )


_NUMBERS = re.compile(rf"{_NUMBER}[,;]?")


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _matched(pattern: re.Pattern[str], text: str) -> re.Match[str]:
    found = pattern.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return found


@lru_cache(maxsize=256)  # the leads of a data set share a handful of them
def _groups(pattern: re.Pattern[str], text: str) -> tuple[str | Any, ...]:
    return _matched(pattern, text).groups()


def _plausible(gain: float) -> float:
    if gain and not 1 / MOST_GAIN <= abs(gain) <= MOST_GAIN:
        raise ValueError(gain)
    return gain


def _has_segments(record: str, lines: list[str]) -> bool:
    """``NAME/3`` with three lines of two words; ``FOLDER/100`` is a record in a folder."""
    _, slash, count = record.rpartition("/")
    if not slash or natural(count) != len(lines):
        return False
    return all(len(line.split()) == 2 for line in lines)


def _segment(line: str, name: str) -> SegmentLine:
    record, word = line.split()
    n_frames = natural(word)
    if n_frames is None:
        raise DataError(f"record {name} can't be read: segment line {line[:80]!r}")
    return SegmentLine(record, n_frames)


def _signal(line: str, name: str) -> SignalLine:
    words = line.split(maxsplit=8)
    try:
        code, n_per_frame, skew, offset = _groups(_FORMAT, words[1])
        gain, baseline, unit = _groups(_GAIN, words[2]) if len(words) > 2 else ("0", None, None)
        zero = int(words[4]) if len(words) > 4 else 0
        return SignalLine(
            file=words[0],
            format=code,
            n_per_frame=int(n_per_frame or 1),
            skew=int(skew or 0),
            offset=int(offset or 0),
            gain=_plausible(float(gain)),
            baseline=zero if baseline is None else int(baseline),
            unit=unit or "mV",
            initial=int(words[5]) if len(words) > 5 else None,
            checksum=int(words[6]) & 0xFFFF if len(words) > 6 else None,
            lead=words[8] if len(words) > 8 else "",
        )
    except (ValueError, IndexError):
        raise DataError(f"record {name} can't be read: signal line {line[:80]!r}") from None
