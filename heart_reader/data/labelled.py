"""Records with their labels, before any signal is read: a tree of PTB-XL, or the user's own."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from heart_reader.data import ptbxl
from heart_reader.data.manifest import is_manifest, read_manifest
from heart_reader.data.signals.own import Source
from heart_reader.errors import ConfigError, DataError
from heart_reader.tasks.file import OwnTask, read_task
from heart_reader.tasks.ptbxl import (
    CLASS_OF,
    LABELS,
    Statement,
    TaskConfig,
    is_file,
    ptbxl_task,
    read_statements,
    statement_labels,
)
from heart_reader.tasks.task import UNKNOWN, Task, class_key, default_task

FOLD_SEED = 0  # of the folds that a manifest is given: kept beside it, whatever the run's seed
TASK_FILE = "task.yaml"  # beside a manifest: what its labels mean


@dataclass(frozen=True)
class Labelled:
    """Row i of every field is the same record.

    Attributes:
        root: the folder of a tree, or the manifest.
        metadata: indexed by ``ecg_id``, with ``patient_id``, ``strat_fold``, ``age``, ``sex``;
            of a tree with all that PTB-XL says, of a manifest with ``file`` and ``row``.
        y_true: (n_records, n_classes), 0, 1 or `UNKNOWN`.
        task: whose classes they are.
    """

    root: Path
    metadata: pd.DataFrame
    y_true: NDArray[np.uint8]
    task: Task

    @property
    def is_own(self) -> bool:
        """Whether they are from a manifest."""
        return "file" in self.metadata

    def some(self, rows: NDArray[np.intp]) -> "Labelled":
        """Some of them; a row may be there several times."""
        return replace(self, metadata=self.metadata.iloc[rows], y_true=self.y_true[rows])

    def source(self, name: str) -> Source:
        """Where their files are; of a tree those that column ``name`` says."""
        if self.is_own:
            return Source(self.root, self.metadata[["file", "row"]])
        files = [str(self.root / f"{each}") for each in self.metadata[name]]
        frame = pd.DataFrame({"file": files, "row": 0}, index=self.metadata.index)
        return Source(self.root, frame)

    def counted(self) -> NDArray[np.bool_]:
        """Which records count, (n_records,): the task may drop those without any class.

        Nobody learns from a record of which nothing is known.
        """
        known = (self.y_true != UNKNOWN).any(axis=1)
        labelled = (self.y_true == 1).any(axis=1)
        return np.asarray(known & (labelled | (self.task.unlabelled == "keep")))


def read_labelled(
    root: Path, asked: TaskConfig, min_likelihood: float, folds: Sequence[int]
) -> Labelled:
    """The labelled records of some folds.

    Raises:
        DataError, ConfigError: what is wrong with the tree, the manifest or the task.
    """
    if is_manifest(str(root)):
        return _of_folds(read_all(root, asked, min_likelihood), folds)
    return _of_tree(root, asked, min_likelihood, folds)


def read_all(root: Path, asked: TaskConfig, min_likelihood: float) -> Labelled:
    """Every labelled record, whatever its fold; what was assumed goes to stderr.

    Raises:
        DataError, ConfigError: what is wrong with the tree, the manifest or the task.
    """
    if not is_manifest(str(root)):
        return _of_tree(root, asked, min_likelihood, None)
    found = read_manifest(root, _own_task(asked), FOLD_SEED)
    for note in found.notes:
        print(f"note: {note}", file=sys.stderr)
    y_true = np.where(found.known, found.y_true, np.uint8(UNKNOWN))
    return Labelled(found.path, found.records, y_true, _kept(found.task, asked))


def task_name(root: str, asked: TaskConfig) -> str:
    """By which the registry knows the task that a configuration asks for.

    Raises:
        ConfigError: a task file that can't be read.
    """
    if is_file(asked.name):
        return read_task(Path(asked.name)).task.name
    if asked.name == LABELS:
        return class_key(Path(root).stem)
    return asked.name


def data_name(root: str) -> str:
    """What runs call the data: "ptbxl" for a tree, demo or not, else the manifest's own name."""
    return Path(root).stem if is_manifest(root) else "ptbxl"


# ---------------------------------------------------------------- a manifest


def _own_task(asked: TaskConfig) -> OwnTask | None:
    if asked.name == LABELS:
        return None
    if is_file(asked.name):
        return read_task(Path(asked.name))
    if asked.name == default_task().name:
        task = default_task()
        return OwnTask(task, {name: name for name in task.classes})
    raise ConfigError(
        f"task {asked.name!r} is one of PTB-XL's statements, which a manifest doesn't have: "
        f"give task=FILE.yaml, or task={LABELS} for a class for each of its labels"
    )


def _kept(task: Task, asked: TaskConfig) -> Task:
    """Records without any class are kept where the task or the user says so."""
    return replace(task, unlabelled="keep") if asked.unlabelled == "keep" else task


def _of_folds(all_of_them: Labelled, folds: Sequence[int]) -> Labelled:
    require_parts(all_of_them, folds)
    return all_of_them.some(np.flatnonzero(all_of_them.metadata["strat_fold"].isin(folds)))


def require_parts(labelled: Labelled, folds: Sequence[int]) -> None:
    """Refuses a manifest without a record to train, to validate or to test with.

    Raises:
        DataError: of the parts that some folds belong to, one has no record.
    """
    fold = labelled.metadata["strat_fold"]
    for part in dict.fromkeys(map(ptbxl.part_of_fold, folds)):
        if not (fold.map(ptbxl.part_of_fold) == part).any():
            there = ", ".join(map(str, sorted(set(fold))))
            raise DataError(
                f"{labelled.root}: column 'fold': 1 to 8 train, 9 validates, 10 tests, but there "
                f"is no record of part {part} (folds {there}); without it they are assigned"
            )


# ---------------------------------------------------------------- a tree of PTB-XL


def _of_tree(
    root: Path, asked: TaskConfig, min_likelihood: float, folds: Sequence[int] | None
) -> Labelled:
    """``None`` for all folds."""
    metadata = ptbxl.load_metadata(root)
    ptbxl.check_patients_disjoint(metadata)
    if folds is not None:
        metadata = ptbxl.select_folds(metadata, folds)
    own = task_of_tree(root, asked)
    y_true = statement_labels(
        metadata, read_statements(root), own.task, min_likelihood, own.class_of
    )
    return Labelled(root, metadata, y_true, own.task)


def task_of_tree(root: Path, asked: TaskConfig) -> OwnTask:
    """A task, and the class of every statement that a tree of PTB-XL has, "" for none.

    Raises:
        DataError, ConfigError: what is wrong with the tree or the task.
    """
    statements = read_statements(root)
    if asked.name == LABELS:
        raise ConfigError(f"task={LABELS} is for manifests; {root} is a tree of PTB-XL")
    if is_file(asked.name):
        own, path = read_task(Path(asked.name)), Path(asked.name)
        return OwnTask(_kept(own.task, asked), _of_statements(own, path, statements))
    task = ptbxl_task(asked.name, statements, asked.unlabelled)
    return OwnTask(task, {code: CLASS_OF[task.name](each) for code, each in statements.items()})


def _of_statements(
    own: OwnTask, path: Path, statements: Mapping[str, Statement]
) -> dict[str, str]:
    """A class of the user's own for each statement, "" where there is none."""
    if not set(own.class_of) & set(statements):
        raise ConfigError(
            f"task file {path}: none of its codes ({', '.join(list(own.class_of)[:10])}) is a "
            f"statement of PTB-XL ({', '.join(list(statements)[:10])} and so on)"
        )
    return {code: own.class_of.get(code, "") for code in statements}
