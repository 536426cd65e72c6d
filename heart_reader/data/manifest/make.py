"""A manifest of a folder: every file opened and checked, labels from WFDB headers.

PhysioNet's Challenges of 2020 and 2021 write ``#Dx:`` with SNOMED CT codes, ``#Age:`` and
``#Sex:`` into the header (https://moody-challenge.physionet.org/2021/).
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import yaml

from heart_reader.config.yaml_files import read_yaml
from heart_reader.data.formats import read_recording
from heart_reader.data.formats.families.wfdb_header import Header, parse_header
from heart_reader.data.signals.own import to_windows
from heart_reader.data.spec import SignalConfig
from heart_reader.errors import DataError, shortened
from heart_reader.files import written_whole
from heart_reader.progress import progress
from heart_reader.tasks.task import class_key

SNOMED = Path(__file__).parents[2] / "tasks" / "snomed.yaml"
TASK_FILE = "task.yaml"
DX = re.compile(r"^dx\s*:\s*(.*)$", re.IGNORECASE)
# What lies beside records and is none, by suffix, and by name in any case.
NO_RECORDS = {
    ".atr", ".qrs", ".md", ".yaml", ".yml", ".pdf", ".png", ".jpg", ".html", ".py", ".zip", ".gz",
}  # fmt: skip
NO_NAMES = re.compile(r"records.*|annotators|licen[cs]e.*|readme.*|sha256sums.*|\..*")


@dataclass(frozen=True)
class Found:
    """A record of a folder.

    Attributes:
        file: relative to the folder.
        age, sex: years; 0 male, 1 female; NaN where the file doesn't say it.
        codes: of its diagnoses, SNOMED CT.
        defect: why it can't be used, "" where it can.
    """

    file: str
    age: float
    sex: float
    codes: tuple[str, ...]
    defect: str


def find_records(folder: Path, signal: SignalConfig, skip: Sequence[Path] = ()) -> list[Found]:
    """Every record under a folder, opened and checked.

    Args:
        folder: looked through to the bottom.
        signal: what a record is to become.
        skip: files that are none.

    Raises:
        DataError: there is no such folder, or no file in it that may be a record.
    """
    if not folder.is_dir():
        raise DataError(f"data must be a folder to make a manifest of, but is {folder}")
    files = candidates(folder, skip)
    if not files:
        raise DataError(f"{folder} holds no file that may be an ECG")
    return [_found(folder, path, signal) for path in progress(files, "reading records", "record")]


def candidates(folder: Path, skip: Sequence[Path] = ()) -> list[Path]:
    """Files that may be records: of WFDB the headers alone, and none of segments."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    paths = [p for p in paths if not any(_hidden(part) for part in p.relative_to(folder).parts)]
    headers = {path for path in paths if path.suffix.lower() == ".hea"}
    parts, companions = set(skip), {path.with_suffix("") for path in headers}
    for path in headers:
        header = _header(path)
        if header is not None:
            parts |= {path.with_name(f"{each.record}.hea") for each in header.segments}
            parts |= {path.with_name(each.file) for each in header.signals}
    return [
        path
        for path in paths
        if path not in parts
        and path.suffix.lower() not in NO_RECORDS
        and (path in headers or path.with_suffix("") not in companions)
        and not NO_NAMES.fullmatch(path.name.lower())
        and not _is_table(path)
    ]


def _is_table(path: Path) -> bool:
    """Whether a file is a manifest, or one of those that lie beside one."""
    if path.suffix.lower() != ".csv":
        return False
    with path.open("rb") as file:
        columns = file.readline(4096).decode("utf-8-sig", "replace").strip().split(",")
    beside = path.name.endswith((".folds.csv", ".defects.csv"))
    return beside or "file" in [column.strip() for column in columns]


def _hidden(name: str) -> bool:
    return name.startswith(".")


def _header(path: Path) -> Header | None:
    try:
        return parse_header(path.read_bytes(), path.name)
    except (OSError, DataError):
        return None  # whoever reads the record says why


def _found(folder: Path, path: Path, signal: SignalConfig) -> Found:
    is_header = path.suffix.lower() == ".hea"
    name = path.relative_to(folder)
    file = (name.with_suffix("") if is_header else name).as_posix()
    try:
        recording = read_recording(str(folder / file))
        to_windows(recording, signal)
    except DataError as error:
        return Found(file, math.nan, math.nan, (), " ".join(str(error).split()))
    header = _header(path) if is_header else None
    comments = () if header is None else header.comments
    return Found(file, recording.age, recording.sex, codes_of(comments), "")


def codes_of(comments: Sequence[str]) -> tuple[str, ...]:
    """The codes behind ``Dx:``.

    >>> codes_of(["Age: 63", "Dx: 426783006,164889003"]), codes_of(["Dx: Unknown"])
    (('426783006', '164889003'), ())
    """
    found = [word for line in comments if (at := DX.match(line)) for word in at[1].split(",")]
    return tuple(dict.fromkeys(word.strip() for word in found if word.strip().isdigit()))


# ---------------------------------------------------------------- writing


def write_manifest(folder: Path, found: Sequence[Found], path: Path) -> list[Path]:
    """The manifest, and beside it a task of its codes and a table of what can't be used.

    A ``task.yaml`` that is there stays as it is.

    Returns:
        The files that were written.

    Raises:
        DataError: there is a manifest already, none of the records can be used, or the folder
            can't be written.
    """
    if path.exists():
        raise DataError(f"{path} is there already: remove it, or write another")
    usable = [each for each in found if not each.defect]
    if not usable:
        raise DataError(f"{folder}: none of {len(found)} files is a record that can be used")
    rows = [
        {
            "file": (folder / each.file).absolute().as_posix()
            if folder.absolute() != path.absolute().parent
            else each.file,
            "record_id": each.file,
            "age": "" if math.isnan(each.age) else f"{each.age:g}",
            "sex": "" if math.isnan(each.sex) else "mf"[int(each.sex)],
            "labels": ";".join(each.codes),
        }
        for each in usable
    ]
    written = [path]
    try:
        text = task_text(path.stem, usable)
        task = path.with_name(TASK_FILE)
        if text and not task.exists():
            with written_whole(task) as temporary:
                temporary.write_text(text, encoding="utf-8")
            written.append(task)
        bad = [(each.file, each.defect) for each in found if each.defect]
        if bad:
            table = path.with_name(f"{path.stem}.defects.csv")
            with written_whole(table) as temporary:
                pd.DataFrame(bad, columns=["file", "reason"]).to_csv(temporary, index=False)
            written.append(table)
        with written_whole(path) as temporary:
            frame = pd.DataFrame(rows)
            if path.suffix.lower() == ".parquet":
                frame.to_parquet(temporary, index=False)
            else:
                frame.to_csv(temporary, index=False)
    except OSError as error:
        raise DataError(f"{path} can't be written: {error}") from error
    return written


def task_text(name: str, found: Sequence[Found]) -> str:
    """A task file with a class for each code, the most frequent first; "" without codes."""
    counts = Counter(code for each in found for code in each.codes)
    if not counts:
        return ""
    known = read_yaml(SNOMED)
    classes = {}
    for code, _ in counts.most_common():
        short, title = known.get(code, (code, f"SNOMED CT {code}"))
        classes[short] = {"title": title, "codes": [code]}
    tree = {"name": f"{class_key(name)}_snomed", "unlabelled": "keep", "classes": classes}
    return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)


def describe(folder: Path, found: Sequence[Found]) -> list[str]:
    """A line for each of the first files that can't be used, and how many there are."""
    lines = [f"{folder / each.file}: {each.defect}" for each in found if each.defect]
    return shortened(lines, "files")
