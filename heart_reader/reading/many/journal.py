"""What is done of a long call, kept beside its table until that is whole.

A line for each chunk of files, written at once: a kill leaves whole chunks and perhaps half a
line, which is dropped. The first line says of what call they are.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from heart_reader.errors import DataError
from heart_reader.reading.tables.files import Row


@dataclass(frozen=True)
class Journal:
    """A file of done chunks.

    Attributes:
        path: of it.
        call: what the rows depend on: model, options, versions.
    """

    path: Path
    call: Mapping[str, Any]

    def begin(self) -> list[str]:
        """The names that are done; opens a new journal where there is none.

        Raises:
            DataError: it is of another call.
        """
        if not self.path.exists():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_bytes(_line(self.call))
            return []
        self._drop_half_a_line()
        with self.path.open("rb") as file:
            said = json.loads(file.readline() or b"{}")
        differs = [key for key in self.call if said.get(key) != self.call[key]]
        if differs:
            key = differs[0]
            raise DataError(
                f"{self.path} was begun with {key} {said.get(key)}, this call has "
                f"{self.call[key]}: remove it to begin anew"
            )
        return [str(row["record"]) for rows in self.chunks() for row in rows]

    def add(self, rows: Sequence[Row]) -> None:
        """A chunk that is done, on the disk when this returns."""
        with self.path.open("ab") as file:
            file.write(_line(list(rows)))
            file.flush()
            os.fsync(file.fileno())

    def chunks(self) -> Iterator[list[Row]]:
        """All that are done, in order."""
        with self.path.open("rb") as file:
            next(file)
            for line in file:
                yield json.loads(line)

    def _drop_half_a_line(self) -> None:
        size = self.path.stat().st_size
        with self.path.open("r+b") as file:
            whole = 0
            for line in file:
                whole += len(line) if line.endswith(b"\n") else 0
            if whole == 0:
                file.seek(0)
                file.truncate()
                file.write(_line(self.call))
            elif whole < size:
                file.truncate(whole)


def _line(value: Any) -> bytes:
    return json.dumps(value).encode() + b"\n"
