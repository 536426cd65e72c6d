"""The six tasks of the PTB-XL benchmark, and the labels that SCP-ECG statements give for them.

Strodthoff et al., "Deep Learning for ECG Analysis: Benchmarks and Insights from PTB-XL", IEEE
JBHI 2021, https://doi.org/10.1109/JBHI.2020.3022989. Every statement counts, whatever its
likelihood; records without a label of the task are dropped there, kept in some later papers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from heart_reader.data.ptbxl import (
    METADATA_FILE,
    STATEMENTS_FILE,
    SUPERCLASSES,
    read_table,
)
from heart_reader.errors import ConfigError, DataError, did_you_mean
from heart_reader.tasks.task import Task, Unlabelled, default_task

# What the benchmark's sub-classes stand for; a sub-class of one statement has that one's title.
SUBCLASS_TITLES = {
    "LAFB/LPFB": "left anterior or posterior fascicular block",
    "_AVB": "AV block",
    "AMI": "anterior myocardial infarction",
    "IMI": "inferior myocardial infarction",
    "LMI": "lateral myocardial infarction",
    "ISCA": "ischemia in anterior or lateral leads",
    "ISCI": "ischemia in inferior leads",
    "STTC": "non-diagnostic ST/T changes",
}


LABELS = "labels"  # the task of a manifest without a task file: a class for each of its labels


@dataclass(frozen=True)
class TaskConfig:
    """What a model is to tell."""

    name: str  # a key of CLASS_OF, the path of a task file, or "labels"
    unlabelled: Unlabelled  # records without any class: "drop", or "keep" as negative for all

    def problems(self) -> list[str]:
        """The rules that types can't say."""
        return [f"name: {problem}" for problem in task_problems(self.name)]


def task_problems(name: str) -> list[str]:
    """What is wrong with the name of a task as a user typed it."""
    legal = name in CLASS_OF or name == LABELS or is_file(name)
    return [] if legal else [_unknown(name)]


def is_file(name: str) -> bool:
    """Whether a task's name is the path of a file that describes it."""
    return name.lower().endswith((".yaml", ".yml"))


@dataclass(frozen=True)
class Statement:
    """A line of ``scp_statements.csv``.

    Attributes:
        code: of SCP-ECG, such as ``IMI``.
        title: in words.
        superclass, subclass: of a diagnostic statement, else empty.
        form, rhythm: whether it says something of them.
    """

    code: str
    title: str
    superclass: str
    subclass: str
    form: bool
    rhythm: bool


# The class that a statement stands for in a task, or "" where it says nothing of it.
CLASS_OF: Mapping[str, Callable[[Statement], str]] = {
    "superdiagnostic": lambda s: s.superclass,
    "subdiagnostic": lambda s: s.subclass,
    "diagnostic": lambda s: s.code if s.superclass else "",
    "form": lambda s: s.code if s.form else "",
    "rhythm": lambda s: s.code if s.rhythm else "",
    "all": lambda s: s.code,
}


def read_statements(root: Path) -> dict[str, Statement]:
    """Every SCP-ECG statement of a PTB-XL tree by its code, in the order of the file.

    Raises:
        DataError: the file or a column is missing, or a diagnostic statement has no known
            superclass.
    """
    path = root / STATEMENTS_FILE
    frame = read_table(path)
    needed = ("description", "diagnostic", "form", "rhythm", "diagnostic_class")
    for name in (*needed, "diagnostic_subclass"):
        if name not in frame.columns:
            raise DataError(f"{path}: column {name!r} is missing; fetch the file again")
    statements = [
        _statement(code, row) for code, row in frame.set_index(frame.columns[0]).iterrows()
    ]
    for each in statements:
        if each.superclass and each.superclass not in SUPERCLASSES:
            raise DataError(
                f"{path}: diagnostic code {each.code!r} has diagnostic_class "
                f"{each.superclass!r}, which is none of {', '.join(SUPERCLASSES)}"
            )
    return {each.code: each for each in statements}


def _statement(code: object, row: "pd.Series[str]") -> Statement:
    diagnostic = float(row["diagnostic"]) == 1
    return Statement(
        str(code),
        str(row["description"]),
        str(row["diagnostic_class"]) if diagnostic else "",
        str(row["diagnostic_subclass"]) if diagnostic else "",
        float(row["form"]) == 1,
        float(row["rhythm"]) == 1,
    )


def ptbxl_task(
    name: str, statements: Mapping[str, Statement], unlabelled: Unlabelled = "drop"
) -> Task:
    """One of the six tasks, with the classes that a tree's statements have.

    Raises:
        ConfigError: no task of that name.
    """
    if name not in CLASS_OF:
        raise ConfigError(_unknown(name))
    if name == default_task().name:
        return replace(default_task(), unlabelled=unlabelled)
    of: dict[str, list[Statement]] = {}
    for each in statements.values():
        if CLASS_OF[name](each):
            of.setdefault(CLASS_OF[name](each), []).append(each)
    classes = tuple(of)
    titles = tuple(_title(name, c, of[c][0]) for c in classes)
    return Task(name, classes, titles, tuple(_group(of[c][0]) for c in classes), unlabelled)


def _unknown(name: str) -> str:
    there = f"there are {', '.join(CLASS_OF)}, or FILE.yaml"
    return f"unknown task {name!r}{did_you_mean(name, CLASS_OF)} ({there})"


def _title(task: str, name: str, first: Statement) -> str:
    return SUBCLASS_TITLES.get(name, first.title) if task == "subdiagnostic" else first.title


def _group(statement: Statement) -> str:
    return statement.superclass or ("rhythm" if statement.rhythm else "form")


def statement_labels(
    metadata: pd.DataFrame,
    statements: Mapping[str, Statement],
    task: Task,
    min_likelihood: float,
    class_of: Mapping[str, str] | None = None,
) -> NDArray[np.uint8]:
    """Labels each record with the classes of its statements.

    Args:
        metadata: with ``scp_codes``, of `load_metadata`.
        statements: of `read_statements`.
        task: of `ptbxl_task`.
        min_likelihood: in percent, of diagnostic statements; those of form and rhythm have none
            (PTB-XL writes 0).
        class_of: the class of every code, "" for none; ``None``: as the benchmark has it.

    Returns:
        (n_records, n_classes), 0 or 1.

    Raises:
        DataError: a record has an SCP code that ``statements`` doesn't know.
    """
    column = {name: i for i, name in enumerate(task.classes)}
    if class_of is None:
        class_of = {code: CLASS_OF[task.name](each) for code, each in statements.items()}
    labels = np.zeros((len(metadata), len(task.classes)), np.uint8)
    for row, codes in enumerate(metadata["scp_codes"]):
        for code, likelihood in codes.items():
            if code not in statements:
                raise DataError(
                    f"{METADATA_FILE}: ecg_id {metadata.index[row]} has the SCP code {code!r}, "
                    f"which {STATEMENTS_FILE} doesn't have{did_you_mean(code, statements)}"
                )
            sure = likelihood >= min_likelihood or not statements[code].superclass
            if class_of[code] and sure:
                labels[row, column[class_of[code]]] = 1
    return labels


def statement_likelihoods(
    metadata: pd.DataFrame, task: Task, class_of: Mapping[str, str]
) -> NDArray[np.float32]:
    """How sure the reader of each record was of each class, (n_records, n_classes), 0 to 1.

    Of a class of several statements it is the surest. PTB-XL writes 0 for a statement whose
    likelihood isn't known, as of all of form and rhythm: the statement is there, so it is 1.

    Args:
        metadata: with ``scp_codes``, of `load_metadata`.
        task: of which the classes are.
        class_of: the class of every code, "" for none.
    """
    column = {name: i for i, name in enumerate(task.classes)}
    found = np.zeros((len(metadata), len(task.classes)), np.float32)
    for row, codes in enumerate(metadata["scp_codes"]):
        for code, likelihood in codes.items():
            if class_of[code]:
                at = row, column[class_of[code]]
                found[at] = max(found[at], likelihood / 100 if likelihood > 0 else 1.0)
    return found
