"""What `prepare` found, by fold and class, on a terminal."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from heart_reader.data import ptbxl
from heart_reader.data.quality import DOUBTFUL, UNUSABLE, Quality, scale_note
from heart_reader.errors import SHOWN
from heart_reader.tasks.task import MANY, Task, default_task


@dataclass(frozen=True)
class CheckedTree:
    """What `prepare` saw of a tree or a manifest; records by ``ecg_id``."""

    metadata: pd.DataFrame
    task: Task
    labels: np.ndarray  # (n_records, n_classes), 0, 1 or UNKNOWN
    absent_folds: tuple[int, ...]
    digest: str
    defects: dict[int, str]
    warnings: dict[int, str]
    quality: dict[int, Quality]  # of the packed records; they stay in, whatever it is


def print_checked(tree: CheckedTree, console: Console) -> None:
    """The table of folds and classes, then the warnings and defects."""
    task = tree.task
    many = _too_wide(tree, console.width)
    what = "superclass" if task == default_task() else f"class of task {task.name}"
    table = Table(title="Records by fold" if many else f"Records by fold and {what}")
    for heading in ("fold", "n", *(() if many else task.classes), "none"):
        table.add_column(heading, justify="right")
    for heading in (DOUBTFUL, UNUSABLE):
        table.add_column(heading, justify="right", min_width=len(heading))
    folds = tree.metadata["strat_fold"].to_numpy()
    for fold in (*ptbxl.TRAIN_FOLDS, ptbxl.VALIDATION_FOLD, ptbxl.TEST_FOLD):
        if fold in tree.absent_folds:
            table.add_row(str(fold), "not in this tree")
        else:
            ids = tree.metadata.index[folds == fold]
            counts = _counts(tree.labels[folds == fold], many)
            table.add_row(str(fold), *counts, *_verdict_counts(tree.quality, ids))
    there = ~np.isin(folds, tree.absent_folds)
    table.add_section()
    verdicts = _verdict_counts(tree.quality, tree.metadata.index[there])
    table.add_row("all", *_counts(tree.labels[there], many), *verdicts)
    console.print(table)
    if many:
        console.print(_class_table(tree))
    n_patients = tree.metadata["patient_id"][there].nunique()
    console.print(f"{n_patients} patients, none in two of train, validation and test")
    _print_some(console, "warning", tree.warnings, tree.metadata)
    _print_some(console, "left out", tree.defects, tree.metadata)
    for verdict in (UNUSABLE, DOUBTFUL):
        _print_some(console, verdict, _reasons(tree.quality, verdict), tree.metadata)
    note = scale_note(np.array([each.qrs_mv for each in tree.quality.values()]))
    if note is not None:
        console.print(escape(f"warning: {note}"), soft_wrap=True)
    console.print(f"folds 1 to 9 are packed, digest {tree.digest}", soft_wrap=True)


def _too_wide(tree: CheckedTree, width: int) -> bool:
    """Whether a column a class is more than a reader, or the terminal, takes in."""
    digits = len(str(len(tree.labels)))
    cells = [max(len(name), digits) for name in ("fold", "", *tree.task.classes, "none")]
    cells += [len(DOUBTFUL), len(UNUSABLE)]
    return tree.task.n_classes > MANY or sum(cells) + 3 * len(cells) + 1 > width


def _counts(labels: np.ndarray, many: bool) -> list[str]:
    positive = labels == 1
    by_class = () if many else positive.sum(axis=0)
    columns = [len(labels), *by_class, (positive.sum(axis=1) == 0).sum()]
    return [str(int(n)) for n in columns]


def _class_table(tree: CheckedTree) -> Table:
    """A row a class, where they are too many for columns."""
    table = Table("class", "meaning", title=f"Records of task {tree.task.name} by class")
    folds = tree.metadata["strat_fold"].to_numpy()
    parts = {
        "folds 1 to 8": np.isin(folds, ptbxl.TRAIN_FOLDS),
        "fold 9": folds == ptbxl.VALIDATION_FOLD,
        "fold 10": (folds == ptbxl.TEST_FOLD) & ~np.isin(folds, tree.absent_folds),
    }
    for heading in parts:
        table.add_column(heading, justify="right")
    counts = np.stack([(tree.labels[rows] == 1).sum(axis=0, dtype=int) for rows in parts.values()])
    for name, title, row in zip(
        tree.task.classes, tree.task.titles, counts.T.tolist(), strict=True
    ):
        table.add_row(escape(name), escape(title), *map(str, row))
    return table


def _verdict_counts(quality: dict[int, Quality], ids: pd.Index) -> list[str]:
    """How many are doubtful, and unusable; nothing where none was judged, as in fold 10."""
    judged = [quality[i].verdict for i in ids if i in quality]
    return [str(judged.count(each)) if judged else "" for each in (DOUBTFUL, UNUSABLE)]


def _reasons(quality: dict[int, Quality], verdict: str) -> dict[int, str]:
    return {i: "; ".join(q.reasons) for i, q in quality.items() if q.verdict == verdict}


def _print_some(
    console: Console, kind: str, records: dict[int, str], metadata: pd.DataFrame
) -> None:
    """A manifest's records by the names that its owner gave them."""
    names = metadata.get("record_id", metadata.index.to_series())
    for ecg_id, why in list(records.items())[:SHOWN]:
        console.print(escape(f"{kind}: record {names[ecg_id]}, {why}"), soft_wrap=True)
    if len(records) > SHOWN:
        console.print(f"{kind}: {len(records) - SHOWN} more")
