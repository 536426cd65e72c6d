"""Text tables: a column or a row for each lead, written in any of the usual ways."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from heart_reader.data.formats.asked import Asked
from heart_reader.data.formats.csv_dialect import (
    HEAD,
    Dialect,
    are_counted,
    is_number,
    read_dialect,
    split,
)
from heart_reader.data.formats.lead_names import lead_of
from heart_reader.data.formats.limits import require_samples
from heart_reader.data.formats.matrix import Matrix, from_matrix
from heart_reader.data.formats.person import age_of, sex_of
from heart_reader.data.formats.units import unit_of
from heart_reader.data.ptbxl import LEADS
from heart_reader.data.recording import Recording
from heart_reader.errors import DataError

KIND = "CSV"
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


def read_csv(name: str, path: Path, asked: Asked) -> Recording:
    """The table of a text file.

    Raises:
        DataError: no sampling rate, a value that is no number, or columns that nobody named.
    """
    with path.open("rb") as file:
        dialect = read_dialect(file.read(HEAD), name)
    if dialect.wide:
        return _read_wide(name, path, dialect, asked)
    return _read_tall(name, path, dialect, asked)


def _read_tall(name: str, path: Path, dialect: Dialect, asked: Asked) -> Recording:
    names, units, clock, notes = _columns(name, dialect)
    said = _clock_rate(dialect, clock) if clock is not None else None
    fs, more = _rate(name, dialect, asked, said)
    wanted = [column for column, text in enumerate(names) if text is not None]
    total = _count_lines(path, dialect)
    require_samples(name, len(wanted), asked.n_times(fs, total))
    table = _numbers(name, path, dialect, wanted, asked.n_times(fs, total))
    return from_matrix(
        Matrix(
            name=name,
            kind=KIND,
            names=tuple(names[column] or "" for column in wanted),
            samples=table.T,
            units=tuple(units[column] for column in wanted),
            fs=fs,
            seconds=total / fs,
            age=age_of(dialect.comments),
            sex=sex_of(dialect.comments),
            notes=(*notes, *more),
        ),
        asked,
    )


def _count_lines(path: Path, dialect: Dialect) -> int:
    """Rows of numbers, by their line ends."""
    count, last = 0, b"\n"
    with path.open("rb") as file:
        while block := file.read(2**22):
            count += block.count(b"\n")
            last = block[-2:]
    return max(0, count + (b"\n" not in last) - dialect.skip)


def _columns(
    name: str, dialect: Dialect
) -> tuple[list[str | None], list[str | None], int | None, list[str]]:
    """Name (``None``: no lead's) and unit of each column, which is the clock, and notes."""
    n_columns = max((len(row) for row in dialect.first), default=len(dialect.header or ()))
    while n_columns and dialect.first and all(_empty(row, n_columns - 1) for row in dialect.first):
        n_columns -= 1  # a comma at the end of every line
    if dialect.header is not None and not are_counted(dialect.header):
        return _named(dialect, n_columns)
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
    dialect: Dialect, n_columns: int
) -> tuple[list[str | None], list[str | None], int | None, list[str]]:
    names: list[str | None] = []
    units: list[str | None] = []
    clock = None
    header = list(dialect.header or ())[:n_columns]
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


def _clock_rate(dialect: Dialect, clock: int) -> float | None:
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


def _rate(
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


def _numbers(
    name: str, path: Path, dialect: Dialect, columns: list[int], n_rows: int
) -> NDArray[np.float64]:
    """Values (n_rows, len(columns)), NaN where a field is empty."""
    width = max((len(row) for row in dialect.first), default=max(columns, default=0) + 1)
    try:
        table = pd.read_csv(
            path,
            sep=r"\s+" if dialect.separator is None else dialect.separator,
            header=None,
            names=list(range(max(width, max(columns, default=0) + 1))),
            usecols=columns,
            index_col=False,
            skiprows=dialect.skip,
            nrows=n_rows,
            decimal=dialect.decimal,
            encoding=dialect.encoding,
            na_values=["-", "none", "None"],
            comment="#",
            skipinitialspace=True,
        )
    except (OSError, ValueError) as error:
        said = " ".join(str(error).split())[:200]
        raise DataError(f"{name} can't be read: {said}") from error
    for column in table:
        if not pd.api.types.is_numeric_dtype(table[column].dtype):
            _say_what_is_no_number(name, table[column], dialect)
    return table.to_numpy(np.float64)


def _say_what_is_no_number(name: str, column: "pd.Series[Any]", dialect: Dialect) -> None:
    bad = column.notna() & pd.to_numeric(column, errors="coerce").isna()
    row = int(np.argmax(bad.to_numpy()))
    raise DataError(
        f"{name} has a value that is no number: {str(column.iloc[row])[:40]!r} in line "
        f"{dialect.skip + row + 1}"
    )


# ---------------------------------------------------------------- a line for each lead


def _read_wide(name: str, path: Path, dialect: Dialect, asked: Asked) -> Recording:
    fs, notes = _rate(name, dialect, asked, None)
    names: list[str] = []
    rows: list[NDArray[np.float64]] = []
    total = 0
    with path.open(encoding=dialect.encoding, errors="replace") as file:
        for _ in range(dialect.skip):
            file.readline(HEAD)
        while len(rows) < 64 and (line := _line(file, asked.n_times(fs, 2**31), dialect)):
            lead, values, n_fields = line
            if n_fields:
                names.append(lead)
                rows.append(_as_numbers(name, values, dialect, len(rows)))
                total = max(total, n_fields)
    length = max((len(row) for row in rows), default=0)
    samples = np.full((len(rows), length), np.nan)
    for row, lead in zip(samples, rows, strict=True):
        row[: len(lead)] = lead
    if not any(names):
        if len(rows) != len(LEADS):
            raise DataError(f"{name} must have {len(LEADS)} rows, but has {len(rows)}")
        names, notes = list(LEADS), [*notes, "a row for each lead, taken as I to V6"]
    return from_matrix(
        Matrix(
            name=name,
            kind=KIND,
            names=tuple(names),
            samples=samples,
            units=(None,) * len(rows),
            fs=fs,
            seconds=total / fs,
            age=age_of(dialect.comments),
            sex=sex_of(dialect.comments),
            notes=tuple(notes),
        ),
        asked,
    )


def _line(file: Any, n: int, dialect: Dialect) -> tuple[str, list[str], int] | None:
    """A lead's name, its first ``n`` fields, and how many it has; the rest is read past."""
    text = file.readline(32 * n)
    if not text:
        return None
    fields = split(text, dialect.separator)
    while fields and not fields[-1]:
        fields.pop()
    count = len(fields)
    while not text.endswith("\n") and (text := file.readline(2**20)):
        count += len(text.split(dialect.separator)) - 1
    if fields and not is_number(fields[0], dialect.decimal):
        return fields[0], fields[1 : n + 1], count - 1
    return "", fields[:n], count


def _as_numbers(name: str, fields: list[str], dialect: Dialect, row: int) -> NDArray[np.float64]:
    if dialect.decimal == ",":
        fields = [field.replace(",", ".") for field in fields]
    try:
        return np.array([float(field) if field else np.nan for field in fields])
    except ValueError as error:
        raise DataError(
            f"{name} has a value that is no number in row {row + 1}: {error}"
        ) from error
