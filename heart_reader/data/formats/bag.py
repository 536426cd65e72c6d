"""Named arrays and values, as NPZ, MAT, HDF5, Parquet and JSON files hold them, as an ECG.

What the field calls things is looked for: ``signal`` or ``val`` for the samples, ``fs`` for the
rate, ``leads`` for the names, ``unit`` for the unit; or an array for each lead.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heart_reader.data.formats.asked import Asked
from heart_reader.data.formats.lead_names import lead_of
from heart_reader.data.formats.limits import (
    require_rate,
    require_samples,
)
from heart_reader.data.formats.matrix import Matrix, from_matrix
from heart_reader.data.formats.person import UNKNOWN, age_of, plausible_age, sex_of_word
from heart_reader.data.ptbxl import LEADS
from heart_reader.data.recordings.recording import Recording
from heart_reader.errors import DataError

SIGNALS = ("signal", "signals", "ecg", "val", "p_signal", "tracings", "data", "x", "waveform")
RATES = ("fs", "sampling_rate", "sampling_frequency", "sample_rate", "samplingrate", "freq", "hz")
NAMES = ("leads", "lead_names", "sig_name", "channels", "channel_names", "columns")
UNIT = ("unit", "units")


@dataclass(frozen=True, eq=False)
class Bag:
    """Named values of one file; an array may be anything that has a shape and can be sliced."""

    arrays: Mapping[str, Any]
    values: Mapping[str, Any]


def from_bag(name: str, kind: str, bag: Bag, asked: Asked) -> Recording:
    """The ECG among named arrays.

    Args:
        name: of the file, for messages.
        kind: of file.
        bag: what it holds.
        asked: as ever; of an array of several records, which.

    Raises:
        DataError: no array that is an ECG, several records, no rate, or a shape without leads.
    """
    fs = rate_of(name, bag, asked)
    notes: list[str] = []
    by_lead = {key: array for key, array in bag.arrays.items() if lead_of(key) is not None}
    if len(by_lead) > 1 and all(len(array.shape) == 1 for array in by_lead.values()):
        names, total = tuple(by_lead), max(array.shape[0] for array in by_lead.values())
        n = asked.n_times(fs, total)
        require_samples(name, len(names), n)
        rows = [np.asarray(array[:n], np.float64) for array in by_lead.values()]
        samples = _stacked(name, rows)
    else:
        array = _signal(name, bag, asked.record)
        said = _names(bag)
        samples, total = _oriented(name, array, said, fs, asked)
        names = said or LEADS
        if not said:
            notes.append("no names of leads: taken as I to V6")
    unit = _word(bag, UNIT)
    return from_matrix(
        Matrix(
            name=name,
            kind=kind,
            names=names,
            samples=samples,
            units=(unit,) * len(names),
            fs=fs,
            seconds=total / fs,
            age=_age(bag),
            sex=_sex(bag),
            notes=tuple(notes),
        ),
        asked,
    )


def _stacked(name: str, rows: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    if len({len(row) for row in rows}) > 1:
        raise DataError(f"{name} has leads of different lengths")
    return np.stack(rows)


def _signal(name: str, bag: Bag, index: int | None) -> Any:
    """The array that holds the samples: by its name, else the only one of two or three axes."""
    arrays = {key.lower(): array for key, array in bag.arrays.items()}
    array = next((arrays[key] for key in SIGNALS if key in arrays), None)
    if array is None:
        large = [each for each in arrays.values() if len(each.shape) in (2, 3)]
        if len(large) != 1:
            has = ", ".join(list(bag.arrays)[:8]) or "none"
            raise DataError(f"{name} must have an array named signal, but has {has}")
        array = large[0]
    if len(array.shape) == 3:
        n = array.shape[0]
        if index is None and n != 1:
            raise DataError(f"{name} holds {n} records: name one as {name}#0 to {name}#{n - 1}")
        if index is not None and not 0 <= index < n:
            raise DataError(f"{name} holds {n} records, there is no #{index}")
        array = _Row(array, index or 0)
    if len(array.shape) != 2:
        raise DataError(f"{name} must hold an array of leads and times, but has {array.shape}")
    return array


@dataclass(frozen=True, eq=False)
class _Row:
    """One record of an array of several, sliced without reading the others."""

    array: Any
    index: int

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.array.shape[1:])

    def __getitem__(self, key: Any) -> Any:
        return self.array[(self.index, *(key if isinstance(key, tuple) else (key,)))]


def _oriented(
    name: str, array: Any, names: tuple[str, ...], fs: float, asked: Asked
) -> tuple[NDArray[np.float64], int]:
    """(n_leads, n_times), and how many times there are in the file."""
    n_leads = len(names) or len(LEADS)
    if n_leads not in array.shape:
        raise DataError(
            f"{name} must have {n_leads} leads along one axis, but its array is "
            f"{' x '.join(map(str, array.shape))}"
        )
    leads_first = array.shape[0] == n_leads
    total = array.shape[1] if leads_first else array.shape[0]
    n = asked.n_times(fs, total)
    require_samples(name, n_leads, n)
    part = array[:, :n] if leads_first else array[:n]
    samples = np.asarray(part, np.float64)
    return (samples if leads_first else samples.T), total


# ---------------------------------------------------------------- values beside the samples


def _value(bag: Bag, keys: Sequence[str]) -> Any:
    values = {key.lower(): value for key, value in bag.values.items()}
    return next((values[key] for key in keys if key in values), None)


def _word(bag: Bag, keys: Sequence[str]) -> str | None:
    value = _value(bag, keys)
    if isinstance(value, list) and value:
        value = value[0]
    return value.strip() if isinstance(value, str) and value.strip() else None


def _number(value: Any) -> float:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, str) and re.fullmatch(r"\s*\d+(\.\d+)?\s*", value):
        value = float(value)
    return float(value) if isinstance(value, int | float) else UNKNOWN


def rate_of(name: str, bag: Bag, asked: Asked) -> float:
    fs = _number(_value(bag, RATES))
    if fs == fs:  # a number
        require_rate(name, fs)
        return fs
    if asked.fs is None:
        raise DataError(f"{name} doesn't say its sampling rate; give it with --fs")
    require_rate(name, asked.fs)
    return asked.fs


def _names(bag: Bag) -> tuple[str, ...]:
    value = _value(bag, NAMES)
    if isinstance(value, str):
        value = re.split(r"[,;\s]+", value.strip())
    if isinstance(value, list) and value and all(isinstance(each, str) for each in value):
        return tuple(value)
    return ()


def _age(bag: Bag) -> float:
    value = _value(bag, ("age",))
    return age_of([f"age: {value}"]) if isinstance(value, str) else plausible_age(_number(value))


def _sex(bag: Bag) -> float:
    value = _value(bag, ("sex", "gender"))
    return sex_of_word(value) if isinstance(value, str) else UNKNOWN


def plain_bag(found: Mapping[str, Any]) -> Bag:
    """Arrays of more than one number as arrays; single numbers, words and lists of them apart."""
    arrays: dict[str, Any] = {}
    values: dict[str, Any] = {}
    for key, value in found.items():
        array = np.asarray(value)
        if array.dtype.kind in "iufb" and array.size > 1:
            arrays[key] = array
        elif array.dtype.kind in "iufb" and array.size == 1:
            values[key] = float(array.ravel()[0])
        elif array.dtype.kind in "US" and array.size < 1000:
            words = [
                w.decode("latin-1") if isinstance(w, bytes) else str(w) for w in array.ravel()
            ]
            values[key] = words[0] if array.size == 1 else [word.strip() for word in words]
    return Bag(arrays, values)


def _text(word: Any) -> str:
    return (word.decode("latin-1") if isinstance(word, bytes) else str(word)).strip()
