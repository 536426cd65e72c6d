"""ECGs that come over a wire: samples with their rate, leads and unit, or a file's bytes."""

import argparse
import base64
import binascii
import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from heart_reader.data.formats.asked import Asked
from heart_reader.data.formats.limits import require_samples
from heart_reader.data.formats.matrix import Matrix, from_matrix
from heart_reader.data.formats.units import UNITS, unit_of
from heart_reader.data.lead_sets import LeadSet
from heart_reader.data.spec import SignalSpec
from heart_reader.errors import DataError, did_you_mean
from heart_reader.reading.read import Record, Refused, read_files, record_of

LARGEST_FILE = 20 * 2**20  # bytes
MOST_RECORDS = 256  # of a request


@dataclass(frozen=True)
class Beside:
    """What is said beside samples or files, of all of them; ``None`` where nothing is.

    Attributes:
        fs: Hz.
        leads: names, in the samples' order.
        unit: mV, uV, V or nV.
    """

    fs: float | None
    leads: tuple[str, ...] | None
    unit: str | None


def of_signals(
    signals: Sequence[Any], beside: Beside, spec: SignalSpec, sets: Sequence[LeadSet] = ()
) -> list[Record]:
    """Each of some signals (n_leads, n_times) as a model reads it; mV, and the model's own leads
    and rate, unless it is said otherwise.

    Raises:
        DataError: another shape, samples that aren't numbers, leads missing, too short.
    """
    _require_few(len(signals))
    return [_of_signal(row, each, beside, spec, sets) for row, each in enumerate(signals)]


def _of_signal(
    row: int, signal: Any, beside: Beside, spec: SignalSpec, sets: Sequence[LeadSet]
) -> Record:
    name, leads = f"signal {row}", beside.leads or spec.leads
    fs = float(spec.fs) if beside.fs is None else beside.fs
    samples = _numbers(name, signal, leads)
    require_samples(name, *samples.shape)
    bad = np.flatnonzero(~np.isfinite(samples).all(axis=1))
    if bad.size:
        raise DataError(f"{name}: lead {leads[bad[0]]} has samples that are NaN or infinite")
    matrix = Matrix(
        name=name,
        kind="samples",
        names=tuple(leads),
        samples=samples,
        units=(_unit(beside.unit),) * len(leads),
        fs=fs,
        seconds=samples.shape[1] / fs if fs > 0 else 0,
        age=math.nan,
        sex=math.nan,
        notes=(),
    )
    found = from_matrix(matrix, Asked(None, None, None, None, None))
    return record_of(found, spec, None, None, sets)


def _numbers(name: str, signal: Any, leads: Sequence[str]) -> "np.ndarray[Any, Any]":
    try:
        samples = np.asarray(signal, np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name} must hold numbers, as many of each lead: {error}") from error
    if samples.ndim != 2 or len(samples) != len(leads):
        raise DataError(
            f"{name} must have the shape ({len(leads)}, n_times), a row for each of "
            f"{' '.join(leads)}, but has {samples.shape}; params.leads names others"
        )
    return samples


def _unit(word: str | None) -> str:
    if word is None:
        return "mV"
    known = unit_of(word)
    if known is None:
        raise DataError(f"unit {word!r} is none of {', '.join(UNITS)}{did_you_mean(word, UNITS)}")
    return known


def of_files(
    files: Sequence[Any], beside: Beside, spec: SignalSpec, sets: Sequence[LeadSet] = ()
) -> list[Record]:
    """Each of some files' bytes in base64 as a model reads it.

    Raises:
        DataError: no base64, too large, or a file that can't be read.
    """
    _require_few(len(files))
    asked = argparse.Namespace(
        fs=beside.fs,
        unit=_unit(beside.unit) if beside.unit else None,
        gain=None,
        age=None,
        sex=None,
    )
    found = []
    with tempfile.TemporaryDirectory(prefix="heart-reader-") as folder:
        for row, text in enumerate(files):
            path = Path(folder) / f"file {row}"
            path.write_bytes(_bytes(path.name, text))
            (read,) = read_files([str(path)], asked, spec, sets)
            path.unlink()
            if isinstance(read, Refused):
                raise DataError(read.reason.replace(f"{folder}/", ""))
            found.append(read)
    return found


def _bytes(name: str, text: Any) -> bytes:
    if not isinstance(text, str):
        raise DataError(f"{name} must be a file's bytes in base64, but is a {type(text).__name__}")
    if len(text) > LARGEST_FILE * 4 / 3 + 4:
        raise DataError(f"{name} has more than {LARGEST_FILE // 2**20} MB")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DataError(f"{name} is no base64: {error}") from error


def _require_few(n: int) -> None:
    if n > MOST_RECORDS:
        raise DataError(f"a request may hold {MOST_RECORDS} records, but has {n}")
