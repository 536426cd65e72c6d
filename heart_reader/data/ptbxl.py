"""PTB-XL: leads, superclasses, folds and metadata.

Wagner et al., "PTB-XL, a large publicly available electrocardiography dataset",
Scientific Data 2020. https://doi.org/10.1038/s41597-020-0495-6
"""

import ast
import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from heart_reader.errors import DataError, did_you_mean

SUPERCLASSES = ("NORM", "MI", "STTC", "CD", "HYP")
LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
SAMPLING_RATE = 100  # Hz
N_TIMES = 1000  # 10 s at 100 Hz

TRAIN_FOLDS = (1, 2, 3, 4, 5, 6, 7, 8)
VALIDATION_FOLD = 9
TEST_FOLD = 10

METADATA_FILE = "ptbxl_database.csv"
STATEMENTS_FILE = "scp_statements.csv"

AGE_OVER_89 = 300.0  # what PTB-XL writes for everyone over 89, to protect them
AGE_OVER_89_YEARS = 90.0

_NEEDED = ("patient_id", "age", "sex", "scp_codes", "strat_fold", "filename_lr")


def load_metadata(root: Path) -> pd.DataFrame:
    """Read ``ptbxl_database.csv`` into a frame indexed by ``ecg_id``, sorted.

    ``scp_codes`` becomes ``dict[str, float]`` (code -> likelihood in percent), ``patient_id`` and
    ``strat_fold`` int64. ``age`` stays as written (300 for over 89, see `age_years`); ``sex`` is
    0.0 (male), 1.0 (female) or NaN where it isn't known.

    Raises:
        DataError: The file or a column is missing, or a row breaks a rule; names file, row, value.
    """
    path = root / METADATA_FILE
    frame = read_table(path)
    missing = [name for name in ("ecg_id", *_NEEDED) if name not in frame.columns]
    if missing:
        raise DataError(
            f"{path}: column {missing[0]!r} is missing{did_you_mean(missing[0], frame.columns)}: "
            f"PTB-XL 1.0.3 has it; fetch the file again"
        )
    frame["ecg_id"] = _whole_numbers(frame["ecg_id"], path, "ecg_id", frame.index + 2, "line")
    _refuse_duplicates(frame["ecg_id"], path)
    frame = frame.set_index("ecg_id").sort_index()
    for column in ("patient_id", "strat_fold"):
        frame[column] = _whole_numbers(frame[column], path, column, frame.index, "ecg_id")
    _check_folds(frame["strat_fold"], path)
    _check_record_names(frame["filename_lr"], path)
    frame["age"] = _checked_age(frame["age"], path)
    frame["sex"] = _checked_sex(frame["sex"], path)
    frame["scp_codes"] = pd.Series(
        [_parse_codes(text, path, ecg_id) for ecg_id, text in frame["scp_codes"].items()],
        index=frame.index,
        dtype=object,
    )
    return frame


def age_years(metadata: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Age of each record in years, ``(n_records,)``; 90 for PTB-XL's 300, NaN where missing."""
    age = metadata["age"].to_numpy(dtype=np.float64, copy=True)
    age[age == AGE_OVER_89] = AGE_OVER_89_YEARS
    return age


def select_folds(metadata: pd.DataFrame, folds: Iterable[int]) -> pd.DataFrame:
    """The records of ``folds``, in the order of ``metadata``.

    Raises:
        DataError: A fold has no record in this tree.
    """
    wanted = tuple(folds)
    there = set(metadata["strat_fold"].unique())
    for fold in wanted:
        if fold not in there:
            raise DataError(
                f"fold {fold} isn't in this tree: {METADATA_FILE} has no record of it "
                f"(it has folds {', '.join(str(f) for f in sorted(there)) or 'none'})"
            )
    return metadata[metadata["strat_fold"].isin(wanted)]


def part_of_fold(fold: int) -> str:
    """``train``, ``validation`` or ``test``."""
    return {VALIDATION_FOLD: "validation", TEST_FOLD: "test"}.get(fold, "train")


def check_patients_disjoint(metadata: pd.DataFrame) -> None:
    """Refuse a patient who is in two of train (1 to 8), validation (9) and test (10).

    Raises:
        DataError: Names the patient and the folds.
    """
    folds = metadata["strat_fold"]
    part = folds.map(part_of_fold)
    n_parts = part.groupby(metadata["patient_id"]).nunique()
    shared = n_parts.index[n_parts > 1]
    if len(shared):
        his = sorted(folds[metadata["patient_id"] == shared[0]].unique())
        raise DataError(
            f"{METADATA_FILE}: patient {shared[0]} is in folds {', '.join(map(str, his))}: "
            f"a patient may be in one of train, validation and test only "
            f"({len(shared)} such patients); use PTB-XL's own strat_fold"
        )


def read_table(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise DataError(
            f"no PTB-XL tree at {path.parent}: {path.name} is missing; fetch it with "
            f"`python -m heart_reader.prepare --data {path.parent} --download true`, "
            f"or use data=demo"
        )
    try:
        return pd.read_csv(path, low_memory=False)
    except (ValueError, OSError) as error:  # pandas' parser errors are ValueErrors
        raise DataError(f"{path} can't be read as CSV ({error}); fetch it again") from error


def _whole_numbers(
    column: "pd.Series[float]", path: Path, name: str, rows: "pd.Index[int]", row_name: str
) -> npt.NDArray[np.int64]:
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64)
    bad = np.flatnonzero(~(numbers == np.round(numbers)))  # NaN is unequal to itself
    if len(bad):
        raise DataError(
            f"{path}: {row_name} {rows[bad[0]]} has {name} {str(column.iloc[bad[0]])!r}, "
            f"which isn't a whole number; fetch the file again"
        )
    return numbers.astype(np.int64)


def _refuse_duplicates(ecg_id: "pd.Series[int]", path: Path) -> None:
    twice = ecg_id[ecg_id.duplicated()]
    if len(twice):
        raise DataError(
            f"{path}: ecg_id {twice.iloc[0]} is there {int((ecg_id == twice.iloc[0]).sum())} "
            f"times ({twice.nunique()} such ids): an ecg_id may be there once; remove the copies"
        )


def _check_folds(folds: "pd.Series[int]", path: Path) -> None:
    outside = folds[~folds.isin((*TRAIN_FOLDS, VALIDATION_FOLD, TEST_FOLD))]
    if len(outside):
        raise DataError(
            f"{path}: ecg_id {outside.index[0]} has strat_fold {outside.iloc[0]}: "
            f"a fold is 1 to 10; use PTB-XL's own strat_fold"
        )


def _check_record_names(names: "pd.Series[str]", path: Path) -> None:
    empty = names[names.isna()]
    if len(empty):
        raise DataError(
            f"{path}: ecg_id {empty.index[0]} has no filename_lr: it must name the record, like "
            f"'records100/00000/00001_lr'; fetch the file again"
        )


def _checked_age(column: "pd.Series[float]", path: Path) -> "pd.Series[float]":
    age = pd.to_numeric(column, errors="coerce").astype(np.float64)
    bad = column[(age.isna() & column.notna()) | (age < 0) | ((age > 120) & (age != AGE_OVER_89))]
    if len(bad):
        raise DataError(
            f"{path}: ecg_id {bad.index[0]} has age {str(bad.iloc[0])!r}: an age is 0 to 120 "
            f"years, 300 (PTB-XL's code for over 89) or empty; correct it"
        )
    return age


def _checked_sex(column: "pd.Series[float]", path: Path) -> "pd.Series[float]":
    bad = column[~(column.isin((0, 1)) | column.isna())]
    if len(bad):
        raise DataError(
            f"{path}: ecg_id {bad.index[0]} has sex {str(bad.iloc[0])!r}: "
            f"sex is 0 (male), 1 (female) or empty; correct it"
        )
    return column.astype(np.float64)


def _parse_codes(text: object, path: Path, ecg_id: object) -> dict[str, float]:
    try:
        codes = ast.literal_eval(str(text))
        if not isinstance(codes, dict):
            raise ValueError(f"not a dict but a {type(codes).__name__}")
        parsed = {str(code): float(likelihood) for code, likelihood in codes.items()}
        if not all(math.isfinite(likelihood) for likelihood in parsed.values()):
            raise ValueError("a likelihood that isn't finite")
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        shown = str(text)[:80]
        raise DataError(
            f"{path}: ecg_id {ecg_id} has scp_codes {shown!r}, which must be a dict of "
            f"code: likelihood, like {{'NORM': 100.0}} ({error}); fetch the file again"
        ) from error
    return parsed
