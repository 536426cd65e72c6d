"""Text tables: a column or a row for each lead, written in any of the usual ways."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from heart_reader.data.formats.asked import Asked
from heart_reader.data.formats.families.csv_columns import clock_rate, columns_of, rate_of
from heart_reader.data.formats.families.csv_dialect import (
    HEAD,
    Dialect,
    is_number,
    read_dialect,
    split,
)
from heart_reader.data.formats.limits import MOST_SAMPLES, require_samples
from heart_reader.data.formats.matrix import Matrix, aligned, from_matrix
from heart_reader.data.formats.person import age_of, sex_of
from heart_reader.data.ptbxl import LEADS
from heart_reader.data.recordings.recording import Recording
from heart_reader.errors import DataError

KIND = "CSV"
PIECE = 2**20  # characters of a line that are looked at at once


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
    names, units, clock, notes = columns_of(name, dialect)
    said = clock_rate(dialect, clock) if clock is not None else None
    fs, more = rate_of(name, dialect, asked, said)
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
    if table.empty:
        raise DataError(f"{name} has no line of numbers")
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
    fs, notes = rate_of(name, dialect, asked, None)
    names: list[str] = []
    rows: list[NDArray[np.float64]] = []
    total = 0
    with path.open(encoding=dialect.encoding, errors="replace") as file:
        for _ in range(dialect.skip):
            file.readline(HEAD)
        wanted = asked.n_times(fs, MOST_SAMPLES)
        while len(rows) < 64 and (line := _line(name, file, wanted, dialect, len(rows))):
            lead, values, n_fields = line
            if n_fields:
                names.append(lead)
                rows.append(values)
                total = max(total, n_fields)
            require_samples(name, max(1, len(rows)), total if asked.seconds is None else wanted)
    samples = aligned(rows)
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


def _line(
    name: str, file: Any, n: int, dialect: Dialect, row: int
) -> tuple[str, NDArray[np.float64], int] | None:
    """A lead's name, its first ``n`` values, and how many it has; fields are held in pieces."""
    lead, begun, parts, count, held, empty = "", False, list[NDArray[np.float64]](), 0, 0, 0
    for fields in _pieces(file, dialect):
        count += len(fields)
        left = next((k for k, field in enumerate(reversed(fields)) if field), len(fields))
        empty = left if left < len(fields) else empty + left
        if fields and not begun:
            begun = True
            if not is_number(fields[0], dialect.decimal):
                lead, fields, count = fields[0], fields[1:], count - 1
        parts.append(_as_numbers(name, fields[: n - held], dialect, row))
        held += len(parts[-1])
    if not parts:
        return None
    count = max(0, count - empty)  # behind the last value of the line
    return lead, np.concatenate(parts)[:count], count


def _pieces(file: Any, dialect: Dialect) -> Iterator[list[str]]:
    """The fields of a line, a million letters at a time."""
    rest, ends = "", False
    while not ends and (text := file.readline(PIECE)):
        ends = text.endswith("\n")
        fields = split(rest + text, dialect.separator)
        whole = ends or (dialect.separator is None and text[-1].isspace())
        rest = "" if whole or not fields else fields.pop()
        yield fields
    if rest:
        yield [rest]


def _as_numbers(name: str, fields: list[str], dialect: Dialect, row: int) -> NDArray[np.float64]:
    if dialect.decimal == ",":
        fields = [field.replace(",", ".") for field in fields]
    try:
        return np.array([float(field) if field else np.nan for field in fields])
    except ValueError as error:
        raise DataError(
            f"{name} has a value that is no number in row {row + 1}: {error}"
        ) from error
