"""The table as a folder of Parquet files: each is there whole or not at all."""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from heart_reader.errors import DataError
from heart_reader.files import written_whole
from heart_reader.predictions.columns import NAMES, NESTED
from heart_reader.predictions.journal import Row
from heart_reader.predictions.place import Place

SUFFIX = ".parquet"
MOST_SMALL, SMALL = 32, 5_000  # files of fewer rows than that; more of them become one


class ParquetFolder:
    """Rows of answers in a folder.

    Args:
        place: of it.
    """

    def __init__(self, place: Place) -> None:
        self.place, self.folder = place, Path(place.address)

    def add(self, rows: Sequence[Row]) -> int:
        """Adds rows as a file, and bounds the folder; how many of the oldest went.

        Raises:
            DataError: the folder can't be written.
        """
        try:
            if rows:
                self._write(rows)
            self._join_small()
            return self._drop_oldest()
        except OSError as error:
            raise DataError(f"{self.place} can't be written: {error.strerror}") from error

    def newest(
        self, model: str, role: str, limit: int, skip: int = 0, since: int = 0
    ) -> list[Row]:
        """As of `SqlTable.newest`."""
        found: list[Row] = []
        seen: set[str] = set()
        for path in reversed(self._files()):
            # A kill between joining and removing leaves rows in two files.
            rows = _read(
                path, [("model", "==", model), ("role", "==", role), ("time", ">=", since)]
            )
            found += [row for row in rows if row["id"] not in seen]
            seen |= {str(row["id"]) for row in rows}
        found.sort(key=lambda row: row["time"], reverse=True)
        return found[skip : skip + limit]

    def close(self) -> None:
        """Nothing is open."""

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob(f"[0-9]*{SUFFIX}"))

    def _write(self, rows: Sequence[Row], name: str = "") -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        kinds = {"time": pa.int64(), "position": pa.int64(), "decade": pa.int64(),
                 "novelty": pa.float64()}  # fmt: skip
        schema = pa.schema([(each, kinds.get(each, pa.string())) for each in NAMES])
        flat = [_flat(row) for row in rows]
        stem = name or f"{rows[0]['time']:012d}-{rows[0]['id']}"
        with written_whole(self.folder / f"{stem}{SUFFIX}") as temporary:
            pq.write_table(pa.Table.from_pylist(flat, schema), temporary)

    def _join_small(self) -> None:
        small = [path for path, n in self._sizes() if n < SMALL]
        if len(small) <= MOST_SMALL:
            return
        rows = {str(row["id"]): row for path in small for row in _read(path)}
        self._write(list(rows.values()), f"{small[0].stem}-{len(rows)}")
        for path in small:
            path.unlink(missing_ok=True)

    def _drop_oldest(self) -> int:
        sizes = list(self._sizes())
        left, n_dropped = sum(n for _, n in sizes), 0
        for path, n in sizes:
            if left - n < self.place.most_rows:
                break
            path.unlink(missing_ok=True)
            left, n_dropped = left - n, n_dropped + n
        return n_dropped

    def _sizes(self) -> Iterator[tuple[Path, int]]:
        import pyarrow.parquet as pq

        for path in self._files():
            with suppress(FileNotFoundError):  # another process joined it with others
                yield path, int(pq.read_metadata(path).num_rows)


def _flat(row: Row) -> dict[str, Any]:
    return {name: json.dumps(v) if name in NESTED else v for name, v in row.items()}


def _read(path: Path, wanted: list[tuple[str, str, Any]] | None = None) -> list[Row]:
    import pyarrow.parquet as pq

    try:
        rows = pq.read_table(path, filters=wanted).to_pylist()
    except FileNotFoundError:
        return []
    return [
        {name: json.loads(v) if name in NESTED else v for name, v in row.items()} for row in rows
    ]
