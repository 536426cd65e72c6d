"""A manifest: the user's own records and labels, a row a record, as CSV or Parquet.

| column | holds |
|---|---|
| `file` | the ECG, relative to the manifest |
| `record_id` | unique; the row's number where the column is missing |
| `patient_id` | whose it is; each record is its own patient where the column is missing |
| `fold` | 1 to 10 (8 folds to train, 9 to validate, 10 to test); assigned once where missing |
| `age`, `sex` | years, 0 to 120 (300: over 89); 0, m, male or 1, f, female; empty: unknown |
| `labels` | codes with `;` between them; or else |
| a column a class | 1, 0, or empty: unknown, left out of the loss and of every metric |
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from heart_reader.data.manifest.columns import (
    Problems,
    ages,
    as_numbers,
    files_of,
    folds_of,
    patients,
    record_ids,
    sexes,
)
from heart_reader.data.manifest.folds import kept_folds
from heart_reader.data.ptbxl import part_of_fold
from heart_reader.errors import DataError, did_you_mean
from heart_reader.tasks.file import OwnTask, name_problems
from heart_reader.tasks.task import Task, class_key

SUFFIXES = (".csv", ".parquet")
KNOWN = ("file", "record_id", "patient_id", "fold", "age", "sex", "labels")


@dataclass(frozen=True)
class Manifest:
    """Labelled records of the user's own; row i of every field is the same record.

    Attributes:
        path: of the manifest.
        task: what its labels say.
        records: ``record_id`` (the user's, as text), ``file`` (absolute path as text),
            ``row`` (the line in the file), ``patient_id`` (int64), ``strat_fold`` (int64),
            ``age``, ``sex`` (NaN: unknown);
            indexed by ``ecg_id``, the user's ``record_id`` where all are whole numbers, else 1 to
            n_records.
        y_true: (n_records, n_classes), 0 or 1; 0 where unknown.
        known: (n_records, n_classes), false where a label is unknown.
        notes: what was assumed, in words.
    """

    path: Path
    task: Task
    records: pd.DataFrame
    y_true: NDArray[np.uint8]
    known: NDArray[np.bool_]
    notes: tuple[str, ...]


def is_manifest(root: str) -> bool:
    """Whether ``data`` names a manifest rather than a folder."""
    return Path(root).suffix.lower() in SUFFIXES


def read_manifest(path: Path, own: OwnTask | None, seed: int) -> Manifest:
    """The records of a manifest, checked; folds are assigned and kept where there are none.

    Args:
        path: of a CSV or Parquet file.
        own: what the labels mean; ``None``: a class for each label there is.
        seed: of the folds that are assigned.

    Raises:
        DataError: the file can't be read; every rule that is broken, together.
    """
    frame = _read(path)
    problems, notes = Problems(path), []
    _check_columns(frame, own, problems)
    problems.raise_any()
    own = own if own is not None else _task_of(frame, path)
    y_true, known = _labels(frame, own, problems)
    records = pd.DataFrame({"record_id": record_ids(frame, problems)})
    records["file"] = files_of(frame, path.parent, problems)
    records["row"] = np.arange(len(frame)) + 2  # as an editor counts: the header is line 1
    records["age"], records["sex"] = ages(frame, problems), sexes(frame, problems)
    records["patient_id"] = patients(frame, problems)
    if "patient_id" not in frame:
        notes.append(
            f"{path} has no column 'patient_id': each record is taken for a patient of its own, "
            "so that a patient in two folds can't be ruled out"
        )
    if "fold" in frame:
        records["strat_fold"] = folds_of(frame, problems)
        problems.raise_any()
    else:
        problems.raise_any()
        records["strat_fold"], note = kept_folds(path, records, y_true, seed)
        notes.append(note)
    _check_parts(records, problems)
    problems.raise_any()
    return Manifest(path, own.task, _indexed(records), y_true, known, tuple(notes))


def _read(path: Path) -> pd.DataFrame:
    try:
        if path.suffix.lower() == ".parquet":
            frame = pd.read_parquet(path)
            return frame.astype(object).where(frame.notna(), "").map(_as_text)
        # As text: pandas would read 007 as 7 and NA, a code, as nothing.
        # The header is a line like the others: pandas would take a longer row's first cells away.
        table = pd.read_csv(
            path, header=None, dtype=str, keep_default_na=False, encoding="utf-8-sig"
        )
        frame = table.iloc[1:].reset_index(drop=True).fillna("").map(str.strip)
        return frame.set_axis(table.iloc[0].str.strip(), axis=1)
    except (OSError, ValueError) as error:  # pandas' parser errors are ValueErrors
        why = " ".join(str(error).split())
        raise DataError(f"manifest {path.absolute()} can't be read: {why}") from error


def _as_text(value: object) -> str:
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value) if whole else value).strip()  # type: ignore[call-overload]


def _check_columns(frame: pd.DataFrame, own: OwnTask | None, problems: Problems) -> None:
    names = [str(name) for name in frame.columns]
    if "file" not in names:
        problems.lines.append(f"column 'file' is missing{did_you_mean('file', names)}")
    if len(frame) == 0:
        problems.lines.append("it has no records")
    for name in sorted({name for name in names if names.count(name) > 1}):
        problems.lines.append(f"column {name!r} is there {names.count(name)} times")
    if "labels" in names:
        return
    classes = [name for name in names if name not in KNOWN]
    missing = [] if own is None else [c for c in own.task.classes if c not in names]
    for name in missing:
        problems.lines.append(
            f"class {name!r} of task {own.task.name!r} has no column"  # type: ignore[union-attr]
            f"{did_you_mean(name, classes)} (and there is no column 'labels')"
        )
    if own is None and not classes:
        problems.lines.append("it has neither a column 'labels' nor a column for a class")


def _task_of(frame: pd.DataFrame, path: Path) -> OwnTask:
    if "labels" in frame:
        classes = sorted({code for text in frame["labels"] for code in _codes(text)})
    else:
        classes = [str(name) for name in frame.columns if name not in KNOWN]
    if not classes:
        raise DataError(f"{path}: no record has a label; a task needs at least one class")
    names = tuple(classes)
    name = class_key(path.stem)
    if problems := name_problems(name):
        raise DataError(
            f"{path}: a task is named after its manifest, and {problems[0]}; or give task=FILE"
        )
    return OwnTask(Task(name, names, names, names, "keep"), {name: name for name in names})


def _codes(text: str) -> list[str]:
    return [code.strip() for code in text.split(";") if code.strip()]


def _labels(
    frame: pd.DataFrame, own: OwnTask, problems: Problems
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    if "labels" in frame:
        y_true = _from_codes(frame["labels"], own.task.classes, own.class_of, problems)
        return y_true, np.ones(y_true.shape, np.bool_)
    columns = [frame[name] for name in own.task.classes]
    for column in columns:
        bad = np.flatnonzero(~column.isin(("0", "1", "", "0.0", "1.0")))
        problems.add(list(bad), str(column.name), "a label is 0, 1 or empty", column[bad].tolist())
    text = np.column_stack([column.to_numpy(str) for column in columns])
    return np.char.startswith(text, "1").astype(np.uint8), text != ""


def _from_codes(
    column: "pd.Series[str]",
    classes: Sequence[str],
    class_of: Mapping[str, str],
    problems: Problems,
) -> NDArray[np.uint8]:
    """Codes that no class stands for are left out: a file of Challenge labels has many."""
    place = {name: i for i, name in enumerate(classes)}
    y_true = np.zeros((len(column), len(classes)), np.uint8)
    for row, text in enumerate(column):
        for code in _codes(text):
            if code in class_of:
                y_true[row, place[class_of[code]]] = 1
    if len(column) and not y_true.any():
        problems.lines.append(
            f"column 'labels': no code stands for a class (known codes: {', '.join(class_of)})"
        )
    return y_true


def _check_parts(records: pd.DataFrame, problems: Problems) -> None:
    """A patient may be in one of train, validation and test only."""
    part = records["strat_fold"].map(part_of_fold)
    n_parts = part.groupby(records["patient_id"]).nunique()
    for patient in n_parts.index[n_parts > 1]:
        rows = np.flatnonzero(records["patient_id"] == patient)
        folds = sorted(set(records["strat_fold"].iloc[rows]))
        names = ", ".join(records["record_id"].iloc[rows])
        problems.lines.append(
            f"rows {', '.join(str(row + 2) for row in rows)}: a patient may be in one of train, "
            f"validation and test only, but the patient of records {names} is in folds "
            f"{', '.join(map(str, folds))}"
        )


def _indexed(records: pd.DataFrame) -> pd.DataFrame:
    numbers = as_numbers(records["record_id"])
    return records.set_axis(pd.Index(numbers, name="ecg_id"), axis=0)
