"""Parquet tables with a column for each lead."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from heart_reader.data.formats.asked import Asked
from heart_reader.data.formats.bag import Bag, from_bag, rate_of
from heart_reader.data.formats.lead_names import lead_of
from heart_reader.data.formats.limits import (
    decoding,
    require_samples,
)
from heart_reader.data.recordings.recording import Recording
from heart_reader.errors import DataError


def is_parquet(path: Path, head: bytes) -> bool:
    """By its first four letters."""
    return head.startswith(b"PAR1")


def read_parquet(name: str, path: Path, asked: Asked) -> Recording:
    """A column for each lead; the rate from the file's own metadata."""
    import pyarrow.parquet as pq

    with decoding(name, "Parquet"), pq.ParquetFile(path) as file:
        schema = file.schema_arrow
        columns = [each for each in schema.names if lead_of(each) is not None]
        if not columns:
            has = ", ".join(schema.names[:15])
            raise DataError(f"{name} must have a column for each lead, but has {has}")
        values = {
            key.decode("latin-1"): value.decode("latin-1")
            for key, value in (schema.metadata or {}).items()
            if len(value) < 1000
        }
        total = file.metadata.num_rows
        fs = rate_of(name, Bag({}, values), asked)
        n = asked.n_times(fs, total)
        require_samples(name, len(columns), n)
        parts: list[NDArray[np.float64]] = []
        for batch in file.iter_batches(batch_size=65536, columns=columns):
            parts.append(batch.to_pandas().to_numpy(np.float64))
            if sum(map(len, parts)) >= n:
                break
        samples = np.concatenate(parts)[:n] if parts else np.empty((0, len(columns)))
    arrays = {column: samples[:, k] for k, column in enumerate(columns)}
    recording = from_bag(name, "Parquet", Bag(arrays, values | {"fs": fs}), asked)
    return replace(recording, seconds=total / fs)
