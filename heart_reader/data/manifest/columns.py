"""The columns of a manifest, each checked; what is wrong is gathered, row by row."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from heart_reader.data.manifest.stratified import N_FOLDS
from heart_reader.data.ptbxl import AGE_OVER_89
from heart_reader.errors import DataError, shortened

SEX = {"0": 0.0, "m": 0.0, "male": 0.0, "1": 1.0, "f": 1.0, "female": 1.0}


class Problems:
    """What is wrong with a manifest, gathered so that all of it is raised together."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[str] = []

    def add(self, rows: Sequence[int], column: str, rule: str, values: Sequence[object]) -> None:
        """The same rule broken in some rows, counted from 0 below the header."""
        for row, value in zip(rows, values, strict=True):
            # As an editor counts: the header is line 1.
            self.lines.append(f"row {row + 2}, column {column!r}: {rule}, but is {value!r}")

    def raise_any(self) -> None:
        """Raises the first of them, and how many there are.

        Raises:
            DataError: there are any.
        """
        if not self.lines:
            return
        lines = shortened(self.lines, "problems")
        raise DataError("\n".join(f"{self.path}: {line}" for line in lines))


def record_ids(frame: pd.DataFrame, problems: Problems) -> "pd.Series[str]":
    if "record_id" not in frame:
        return pd.Series([str(row + 1) for row in range(len(frame))])
    names = frame["record_id"]
    empty, twice = np.flatnonzero(names == ""), np.flatnonzero(names.duplicated() & (names != ""))
    problems.add(list(empty), "record_id", "a record needs an ID", names[empty].tolist())
    problems.add(list(twice), "record_id", "an ID may be there once", names[twice].tolist())
    return names


def files_of(frame: pd.DataFrame, folder: Path, problems: Problems) -> list[str]:
    paths = [str((folder / Path(name).expanduser()).absolute()) for name in frame["file"]]
    bad = [row for row, name in enumerate(frame["file"]) if not name or not is_there(paths[row])]
    shown = [paths[row] if frame["file"][row] else "" for row in bad]
    problems.add(bad, "file", "the file (or the WFDB record's header) must be there", shown)
    return paths


def is_there(path: str) -> bool:
    """Whether a path means a file, a WFDB record, or one record of a file of several."""
    try:
        one_of_several = re.sub(r"#\d{1,9}$", "", path)  # FILE#3
        return any(Path(each).is_file() for each in (path, f"{path}.hea", one_of_several))
    except (OSError, ValueError):  # a name that no file can have
        return False


def _numbers(column: "pd.Series[str]") -> NDArray[np.float64]:
    """NaN where empty; infinity where there is no number."""
    numbers = pd.to_numeric(column.replace("", "nan"), errors="coerce").to_numpy(np.float64)
    no_number = np.isnan(numbers) & ~column.str.lower().isin(("", "nan")).to_numpy()
    return np.asarray(np.where(no_number, np.inf, numbers), np.float64)


def ages(frame: pd.DataFrame, problems: Problems) -> NDArray[np.float64]:
    if "age" not in frame:
        return np.full(len(frame), np.nan)
    age = _numbers(frame["age"])
    bad = np.flatnonzero(~np.isnan(age) & ((age < 0) | (age > 120)) & (age != AGE_OVER_89))
    rule = "an age is 0 to 120 years, 300 (over 89) or empty"
    problems.add(list(bad), "age", rule, frame["age"][bad].tolist())
    return age


def sexes(frame: pd.DataFrame, problems: Problems) -> NDArray[np.float64]:
    if "sex" not in frame:
        return np.full(len(frame), np.nan)
    words = frame["sex"].str.lower().str.removesuffix(".0")
    bad = np.flatnonzero(~words.isin((*SEX, "")))
    rule = "sex is 0, m, male (male), 1, f, female (female) or empty"
    problems.add(list(bad), "sex", rule, frame["sex"][bad].tolist())
    return np.asarray(words.map(SEX), np.float64)


def patients(frame: pd.DataFrame, problems: Problems) -> NDArray[np.int64]:
    if "patient_id" not in frame:
        return np.arange(1, len(frame) + 1)
    names = frame["patient_id"]
    empty = np.flatnonzero(names == "")
    problems.add(list(empty), "patient_id", "a record needs its patient", names[empty].tolist())
    return as_numbers(names)


def as_numbers(names: "pd.Series[str]") -> NDArray[np.int64]:
    """The user's own numbers where all are whole ones, else 1 to n in the order of appearance."""
    if names.str.fullmatch(r"\d{1,18}").all():
        numbers = names.astype(np.int64)
        # 7 and 007 are two; and what travels with a bundle is of 32 bits.
        if numbers.nunique() == names.nunique() and numbers.max() < 2**31:
            return np.asarray(numbers, np.int64)
    return np.asarray(pd.factorize(names)[0] + 1, np.int64)


def folds_of(frame: pd.DataFrame, problems: Problems) -> NDArray[np.int64]:
    fold = _numbers(frame["fold"])
    bad = np.flatnonzero(~np.isin(fold, np.arange(1, N_FOLDS + 1)))
    problems.add(list(bad), "fold", "a fold is 1 to 10", frame["fold"][bad].tolist())
    return np.where(np.isin(fold, np.arange(1, N_FOLDS + 1)), fold, 0).astype(np.int64)
