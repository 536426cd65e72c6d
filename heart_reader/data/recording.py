"""Single ECGs from outside, WFDB or CSV, as a model reads them: 12 leads, 10 s, 100 Hz, mV."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.signal import resample_poly

from heart_reader.data.ptbxl import LEADS, N_TIMES, SAMPLING_RATE
from heart_reader.errors import DataError, did_you_mean

# Factors to mV for the units that headers name.
UNITS = {"mv": 1.0, "uv": 1e-3, "µv": 1e-3, "v": 1e3}


@dataclass(frozen=True)
class Recording:
    """One ECG.

    Attributes:
        name: as the user gave it.
        signal: float32 mV (n_leads, n_times), ``LEADS`` in order, 10 s at 100 Hz.
        age: years, NaN where unknown.
        sex: 0 male, 1 female, NaN where unknown.
        notes: what was done to it that the reader should know.
    """

    name: str
    signal: NDArray[np.float32]
    age: float
    sex: float
    notes: tuple[str, ...]


def read_recording(path: str, fs: float | None) -> Recording:
    """An ECG from a WFDB record (with or without .hea) or a CSV file of 12 columns in mV.

    Args:
        path: the record or file.
        fs: sampling rate of a CSV file in Hz; a WFDB header has its own.

    Raises:
        DataError: a file missing or damaged, leads missing, less than 10 s, or no sampling rate.
    """
    if path.endswith(".csv"):
        return _read_csv(path, fs)
    return _read_wfdb(path.removesuffix(".hea").removesuffix(".dat"))


def to_model_input(
    name: str, samples: NDArray[np.floating[Any]], leads: Sequence[str], fs: float
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Leads in order, 100 Hz, the first 10 s.

    Args:
        name: of the record, for messages.
        samples: mV (n_times, n_leads).
        leads: their names, in any order and case.
        fs: Hz.

    Returns:
        float32 (n_leads, n_times), and notes on what was done.
    """
    signal = samples[:, _lead_columns(name, leads)].T  # (n_leads, n_times)
    notes = []
    if not 50 <= fs <= 10_000:
        raise DataError(f"record {name} must have 50 to 10000 Hz, but has {fs:g} Hz")
    seconds = signal.shape[1] / fs
    if fs != SAMPLING_RATE:
        signal = _resample(name, signal, fs)
        notes.append(f"resampled from {fs:g} to {SAMPLING_RATE} Hz")
    if signal.shape[1] < N_TIMES:
        raise DataError(f"record {name} must last at least 10 s, but lasts {seconds:.2f} s")
    if signal.shape[1] > N_TIMES:
        notes.append(f"the first 10 of {seconds:g} s")
    return np.ascontiguousarray(signal[:, :N_TIMES], np.float32), tuple(notes)


def _resample(name: str, signal: NDArray[Any], fs: float) -> NDArray[Any]:
    if not np.isfinite(signal).all():
        raise DataError(f"record {name} has samples that are NaN or infinite")
    ratio = Fraction(SAMPLING_RATE / fs).limit_denominator(1000)
    # A constant edge instead of zeros: a lead with an offset would ring at both ends.
    return np.asarray(
        resample_poly(signal, ratio.numerator, ratio.denominator, axis=1, padtype="line")
    )


def _lead_columns(name: str, leads: Sequence[str]) -> list[int]:
    found = {lead.strip().lower(): column for column, lead in enumerate(leads)}
    missing = [lead for lead in LEADS if lead.lower() not in found]
    if missing:
        hint = did_you_mean(missing[0], leads)
        raise DataError(
            f"record {name} must have the leads {' '.join(LEADS)}, but lacks "
            f"{', '.join(missing)}{hint} (it has {', '.join(leads)})"
        )
    return [found[lead.lower()] for lead in LEADS]


# ---------------------------------------------------------------- formats


def _read_wfdb(path: str) -> Recording:
    import wfdb  # only here: the core runs without it

    if not Path(f"{path}.hea").exists():
        raise DataError(f"record {path}: there is no {path}.hea (nor is it a .csv file)")
    try:
        record = wfdb.rdrecord(path)
        samples = record.p_signal * [_unit_factor(path, unit) for unit in record.units]
    except (OSError, ValueError, IndexError, TypeError) as error:
        raise DataError(f"record {path} can't be read: {error}") from error
    signal, notes = to_model_input(path, samples, record.sig_name, record.fs)
    comments = "\n".join(record.comments)
    return Recording(path, signal, _age(comments), _sex(comments), notes)


def _unit_factor(path: str, unit: str) -> float:
    if unit.lower() not in UNITS:
        raise DataError(f"record {path} has the unit {unit!r}; known are {', '.join(UNITS)}")
    return UNITS[unit.lower()]


def _age(comments: str) -> float:
    found = re.search(r"\bage\W+(\d+)", comments, re.IGNORECASE)
    return float(found.group(1)) if found else float("nan")


def _sex(comments: str) -> float:
    found = re.search(r"\b(?:sex|gender)\W+([mf])", comments, re.IGNORECASE)
    return float("mf".index(found.group(1).lower())) if found else float("nan")


def _read_csv(path: str, fs: float | None) -> Recording:
    if fs is None:
        raise DataError(f"{path}: a CSV file doesn't say its sampling rate; give it with --fs")
    try:
        table = pd.read_csv(path, header=None, dtype=str)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} can't be read: {error}") from error
    if table.shape[1] != len(LEADS):
        raise DataError(f"{path} must have {len(LEADS)} columns, but has {table.shape[1]}")
    leads = list(LEADS)
    notes: tuple[str, ...] = ("no header: columns taken as I to V6",)
    if pd.to_numeric(table.iloc[0], errors="coerce").isna().all():
        leads, notes = table.iloc[0].tolist(), ()
        table = table.iloc[1:]
    try:
        samples = table.to_numpy(np.float64)
    except ValueError as error:
        raise DataError(f"{path} has a value that is no number: {error}") from error
    signal, more = to_model_input(path, samples, leads, fs)
    return Recording(path, signal, float("nan"), float("nan"), notes + more)
