"""Tables as files, by their suffix: Parquet, CSV, or JSON Lines; written row by row."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from heart_reader.errors import DataError
from heart_reader.files import written_whole

Row = Mapping[str, Any]
Columns = Mapping[str, type]  # str, float, int or bool; every value may be missing
Write = Callable[[Sequence[Row]], None]


def require_suffix(option: str, path: Path) -> None:
    """Refuses a table that has no writer, before anything is read.

    Raises:
        DataError: another suffix.
    """
    if path.suffix.lower() not in WRITERS:
        raise DataError(f"{option} must end with {', '.join(WRITERS)}, but is {path}")


@contextmanager
def table_file(path: Path, columns: Columns) -> Iterator[Write]:
    """A function that adds rows to a table, which appears as a whole at the end."""
    with written_whole(path) as temporary, WRITERS[path.suffix.lower()](temporary, columns) as add:
        yield add


@contextmanager
def _parquet(path: Path, columns: Columns) -> Iterator[Write]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {str: pa.string(), float: pa.float64(), int: pa.int64(), bool: pa.bool_()}
    schema = pa.schema([(name, kinds[kind]) for name, kind in columns.items()])
    with pq.ParquetWriter(path, schema) as writer:
        yield lambda rows: writer.write_table(pa.Table.from_pylist(list(rows), schema))


@contextmanager
def _csv(path: Path, columns: Columns) -> Iterator[Write]:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(columns))
        writer.writeheader()
        yield writer.writerows


@contextmanager
def _json_lines(path: Path, columns: Columns) -> Iterator[Write]:
    with path.open("w", encoding="utf-8") as file:

        def add(rows: Sequence[Row]) -> None:
            for row in rows:
                file.write(json.dumps({name: row.get(name) for name in columns}) + "\n")

        yield add


WRITERS = {".parquet": _parquet, ".csv": _csv, ".jsonl": _json_lines}
