"""The windows of long recordings as a table: what each says, and which were left out."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heart_reader.data.delineation import main_measurements
from heart_reader.reading.read import Record
from heart_reader.reading.records import Reader, Recorded
from heart_reader.reading.tables.files import Columns, Row, table_file
from heart_reader.reading.tables.rows import measured_columns, measured_values, probability_columns


def write_windows(
    path: Path, reader: Reader, recorded: Recorded, scores: NDArray[np.floating[Any]]
) -> None:
    """A row a window, those that were left out with their reason.

    Args:
        path: ends with ``.csv``, ``.parquet`` or ``.jsonl``.
        reader: that gave the scores.
        recorded: what was read.
        scores: of every window, (n_windows, n_classes).
    """
    columns: Columns = {
        "record": str,
        "start_s": float,
        "end_s": float,
        "used": bool,
        "left_out": str,
        "quality": str,
        **probability_columns(reader.task.classes),
        **measured_columns(),
    }
    with table_file(path, columns) as add:
        for record, recording in enumerate(recorded.recordings):
            rows = [
                *_read_rows(reader, recorded, record, scores),
                *_left_out_rows(reader, recording),
            ]
            add(sorted(rows, key=lambda row: float(row["start_s"])))


def _read_rows(
    reader: Reader, recorded: Recorded, record: int, scores: NDArray[np.floating[Any]]
) -> Iterator[Row]:
    recording, answer = recorded.recordings[record], recorded.answers[record]
    measured = main_measurements(recorded.measured)
    for row, start in zip(recorded.rows[record], recording.windows.starts, strict=True):
        quality = recorded.quality[row]
        said = scores[row].tolist() if quality.usable else [None] * reader.task.n_classes
        yield {
            "record": recording.name,
            "start_s": start,
            "end_s": start + reader.spec.seconds,
            "used": row in answer.used and quality.usable,
            "left_out": answer.unusable.get(row - answer.first),
            "quality": quality.verdict,
            **dict(zip(probability_columns(reader.task.classes), said, strict=True)),
            **measured_values(measured[row]),
        }


def _left_out_rows(reader: Reader, recording: Record) -> Iterator[Row]:
    for each in recording.windows.left_out:
        yield {
            "record": recording.name,
            "start_s": each.start,
            "end_s": each.start + reader.spec.seconds,
            "used": False,
            "left_out": each.reason,
        }
