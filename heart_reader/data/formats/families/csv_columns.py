"""Which column of a text table is which lead, in what unit, and how fast it was sampled."""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from heart_reader.data.formats.asked import Asked
from heart_reader.data.formats.families.csv_dialect import Dialect, are_counted, is_number
from heart_reader.data.formats.lead_names import lead_of
from heart_reader.data.formats.units import unit_of
from heart_reader.data.ptbxl import LEADS
from heart_reader.errors import DataError

_FS = re.compile(
    r"\b(?:fs|sampling[ _]?(?:rate|frequency)|sample[ _]?rate)\b[ \t]*(?:\(hz\))?"
    r"[ \t]*[:=,;]?[ \t]*"
    r"(\d+(?:\.\d+)?)[ \t]*(khz|hz)?(?=$|[\s,;])",
    re.IGNORECASE,
)
_UNIT = re.compile(r"\bunits?\b[ \t]*[:=,;]?[ \t]*(\S+)", re.IGNORECASE)
# "I (mV)", "I [uV]", "I_mV", "I/µV"
_NAME_AND_UNIT = re.compile(
    r"(.*?)\s*(?:[(\[]\s*([^)\]]+?)\s*[)\]]|[ _/.]([mun\u00b5\u03bc]V))", re.I
)
_CLOCKS = {"", "time", "t", "index", "idx", "sample", "samples", "timestamp", "n", "unnamed: 0"}
_SECONDS = {
    "s": 1.0,
    "sec": 1.0,
    "secs": 1.0,
    "second": 1.0,
    "seconds": 1.0,
    "ms": 1e-3,
    "us": 1e-6,
}


def columns_of(
    name: str, dialect: Dialect
) -> tuple[list[str | None], list[str | None], int | None, list[str]]:
    """Name (``None``: no lead's) and unit of each column, which is the clock, and notes."""
    n_columns = max((len(row) for row in dialect.first), default=len(dialect.header or ()))
    while n_columns and dialect.first and all(_empty(row, n_columns - 1) for row in dialect.first):
        n_columns -= 1  # a comma at the end of every line
    if dialect.header is not None and not are_counted(dialect.header):
        return _named(name, dialect, n_columns)
    clock = 0 if n_columns == len(LEADS) + 1 and _is_clock(dialect) else None
    if n_columns - (clock is not None) != len(LEADS):
        raise DataError(
            f"{name} must have {len(LEADS)} columns, but has {n_columns} (with a header that "
            "names its leads it may have others)"
        )
    names: list[str | None] = [*([None] if clock == 0 else []), *LEADS]
    what = "no header" if dialect.header is None else "a header of numbers"
    return names, [None] * n_columns, clock, [f"{what}: columns taken as I to V6"]


def _empty(row: Sequence[str], column: int) -> bool:
    return len(row) <= column or row[column] == ""


def _named(
    name: str, dialect: Dialect, n_columns: int
) -> tuple[list[str | None], list[str | None], int | None, list[str]]:
    names: list[str | None] = []
    units: list[str | None] = []
    clock = None
    header = list(dialect.header or ())
    while len(header) > n_columns and not header[-1]:
        header.pop()
    if dialect.first and n_columns == len(header) + 1 and _is_clock(dialect):
        header = ["", *header]  # R names its rows, and not the column of their names
    if dialect.first and n_columns > len(header):
        raise DataError(f"{name} has {n_columns} columns, but its header names {len(header)}")
    for column, field in enumerate(header):
        text, unit = _name_and_unit(field)
        if dialect.units and column < len(dialect.units) and unit is None:
            unit = dialect.units[column]
        if column == 0 and lead_of(text) is None and _clock_name(text):
            clock = 0
            names.append(None)
        else:
            names.append(text)
        units.append(unit)
    return names, units, clock, []


def _name_and_unit(field: str) -> tuple[str, str | None]:
    found = _NAME_AND_UNIT.fullmatch(field)
    unit = (found[2] or found[3]) if found else None
    if found is None or unit is None or (unit_of(unit) is None and unit.lower() not in _SECONDS):
        return field, None
    return found[1], unit


def _clock_name(text: str) -> bool:
    return text.strip().lower().split("_")[0].split(" ")[0] in _CLOCKS or "time" in text.lower()


def _is_clock(dialect: Dialect) -> bool:
    """Whether the first column rises by the same step in every row."""
    values = _clock_values(dialect)
    if len(values) < 3:
        return False
    steps = np.diff(values)
    return bool(steps.min() > 0 and np.ptp(steps) <= 0.01 * steps.max() + 1e-9)


def _clock_values(dialect: Dialect) -> NDArray[np.float64]:
    words = [row[0].replace(",", ".") for row in dialect.first if row]
    if not all(is_number(word, ".") and word for word in words):
        return np.empty(0)
    return np.array([float(word) for word in words])


def clock_rate(dialect: Dialect, clock: int) -> float | None:
    """Hz, where the column of times says its unit, or its steps can only be seconds."""
    values = _clock_values(dialect)
    if len(values) < 3 or not _is_clock(dialect):
        return None
    step = float((values[-1] - values[0]) / (len(values) - 1))
    title = dialect.header[clock].lower() if dialect.header else ""
    unit = _name_and_unit(title)[1] or title.rpartition("_")[2]
    if unit in _SECONDS:
        return 1 / (step * _SECONDS[unit])
    return 1 / step if step < 0.05 else None  # a step of 1 may be a sample or a millisecond


def rate_of(
    name: str, dialect: Dialect, asked: Asked, clock: float | None
) -> tuple[float, list[str]]:
    """Hz as the user says it, else as a comment or the column of times does."""
    found = [match for match in map(_FS.search, dialect.comments) if match]
    said = (
        float(found[0][1]) * (1e3 if (found[0][2] or "").lower() == "khz" else 1)
        if found
        else None
    )
    for source, value in (("a comment", said), ("the column of times", clock)):
        if value is None:
            continue
        value = round(value, 3)
        if asked.fs is None:
            return value, [f"{value:g} Hz from {source}"]
        if abs(value - asked.fs) > 0.01 * value:
            raise DataError(f"{name}: --fs says {asked.fs:g} Hz, {source} {value:g} Hz")
    if asked.fs is None:
        raise DataError(f"{name}: a CSV file doesn't say its sampling rate; give it with --fs")
    return asked.fs, []
