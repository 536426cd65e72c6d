"""Entry point ``prepare``: fetch or verify a PTB-XL tree, pack its signals, count its classes.

python -m heart_reader.prepare --data /path/to/ptb-xl --download true
python -m heart_reader.prepare --data demo
python -m heart_reader.prepare --data /path/to/ptb-xl --clean true
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from heart_reader.cache import cache_folder
from heart_reader.cli.entry import dotted_options, run_entry, truth
from heart_reader.config.load import CONFIG_DEFAULTS, load_config
from heart_reader.data import ptbxl
from heart_reader.data.dataset import DataConfig, data_root
from heart_reader.data.download import PHYSIONET, download
from heart_reader.data.quality import DOUBTFUL, UNUSABLE, Quality, scale_note
from heart_reader.data.quality.survey import survey
from heart_reader.data.signals.pack import describe_defects, load_pack, verify
from heart_reader.data.signals.stale import remove_stale_packs
from heart_reader.errors import ConfigError, DataError
from heart_reader.tasks.ptbxl import TaskConfig, ptbxl_task, read_statements, statement_labels
from heart_reader.tasks.task import MANY, Task, default_task

_SHOWN = 10  # warnings and defects printed one by one


@dataclass(frozen=True)
class Findings:
    """What `check_tree` saw; records by ``ecg_id``."""

    metadata: pd.DataFrame
    task: Task
    labels: np.ndarray  # (n_records, n_classes)
    absent_folds: tuple[int, ...]
    digest: str
    defects: dict[int, str]
    warnings: dict[int, str]
    quality: dict[int, Quality]  # of the packed records; they stay in, whatever it is


def main() -> None:
    """Reads the options, does the work, prints the table."""
    options = dotted_options(sys.argv[1:])
    fetch = truth("download", options.pop("download", "false"))
    clean = truth("clean", options.pop("clean", "false"))
    url = options.pop("url", PHYSIONET)
    overlay = "demo" if options.get("data", "demo") == "demo" else "default"
    whole = load_config(options.pop("config", overlay), options)
    config = whole.data
    if fetch:
        if config.root == "demo":
            raise ConfigError("download=true needs a folder to fetch to: give it as --data PATH")
        n_files = download(Path(config.root), url)
        print(f"{n_files} files are there and have the published hashes")
    cache = cache_folder()
    print_findings(check_tree(data_root(config, cache), config, whole.task, cache), Console())
    if clean:
        removed = remove_stale_packs(cache)
        print("\n".join(f"removed {line}" for line in removed) or "no old pack in the cache")


def check_tree(root: Path, config: DataConfig, asked: TaskConfig, cache: Path) -> Findings:
    """Verify every file of a tree and pack folds 1 to 9.

    Fold 10 is verified where it is there, but never packed: only ``evaluate`` opens it.

    Raises:
        DataError: Whatever is wrong with the tree.
    """
    metadata = ptbxl.load_metadata(root)
    ptbxl.check_patients_disjoint(metadata)
    statements = read_statements(root)
    task = ptbxl_task(asked.name, statements, asked.unlabelled)
    labels = statement_labels(metadata, statements, task, config.min_likelihood)
    development = ptbxl.select_folds(metadata, (*ptbxl.TRAIN_FOLDS, ptbxl.VALIDATION_FOLD))
    pack = load_pack(root, development, cache, config.on_defect, progress=True)
    test = metadata[metadata["strat_fold"] == ptbxl.TEST_FOLD]
    there = any((root / f"{name}.hea").is_file() for name in test["filename_lr"])
    defects, warnings = verify(root, test, progress=True) if there else ({}, {})
    if defects and config.on_defect == "error":
        raise DataError(describe_defects(root, defects))
    return Findings(
        metadata=metadata,
        task=task,
        labels=labels,
        absent_folds=() if there else (ptbxl.TEST_FOLD,),
        digest=pack.digest,
        defects=pack.defects | defects,
        warnings=pack.warnings | warnings,
        quality=survey(pack, ptbxl.LEADS),
    )


def print_findings(findings: Findings, console: Console) -> None:
    """The table of folds and classes, then the warnings and defects."""
    task = findings.task
    many = task.n_classes > MANY
    what = "superclass" if task == default_task() else f"class of task {task.name}"
    table = Table(title=f"Records by fold and {what}")
    for heading in ("fold", "n", *(() if many else task.classes), "none"):
        table.add_column(heading, justify="right")
    for heading in (DOUBTFUL, UNUSABLE):
        table.add_column(heading, justify="right", min_width=len(heading))
    folds = findings.metadata["strat_fold"].to_numpy()
    for fold in (*ptbxl.TRAIN_FOLDS, ptbxl.VALIDATION_FOLD, ptbxl.TEST_FOLD):
        if fold in findings.absent_folds:
            table.add_row(str(fold), "not in this tree")
        else:
            ids = findings.metadata.index[folds == fold]
            counts = _counts(findings.labels[folds == fold], many)
            table.add_row(str(fold), *counts, *_verdict_counts(findings.quality, ids))
    there = ~np.isin(folds, findings.absent_folds)
    table.add_section()
    verdicts = _verdict_counts(findings.quality, findings.metadata.index[there])
    table.add_row("all", *_counts(findings.labels[there], many), *verdicts)
    console.print(table)
    if many:
        console.print(_class_table(findings))
    n_patients = findings.metadata["patient_id"][there].nunique()
    console.print(f"{n_patients} patients, none in two of train, validation and test")
    _print_some(console, "warning", findings.warnings)
    _print_some(console, "left out", findings.defects)
    for verdict in (UNUSABLE, DOUBTFUL):
        _print_some(console, verdict, _reasons(findings.quality, verdict))
    note = scale_note(np.array([each.qrs_mv for each in findings.quality.values()]))
    if note is not None:
        console.print(escape(f"warning: {note}"), soft_wrap=True)
    console.print(f"folds 1 to 9 are packed, digest {findings.digest}", soft_wrap=True)


def _counts(labels: np.ndarray, many: bool) -> list[str]:
    by_class = () if many else labels.sum(axis=0)
    columns = [len(labels), *by_class, (labels.sum(axis=1) == 0).sum()]
    return [str(int(n)) for n in columns]


def _class_table(findings: Findings) -> Table:
    """A row a class, where they are too many for columns."""
    table = Table("class", "meaning", title=f"Records of task {findings.task.name} by class")
    folds = findings.metadata["strat_fold"].to_numpy()
    parts = {
        "folds 1 to 8": np.isin(folds, ptbxl.TRAIN_FOLDS),
        "fold 9": folds == ptbxl.VALIDATION_FOLD,
        "fold 10": (folds == ptbxl.TEST_FOLD) & ~np.isin(folds, findings.absent_folds),
    }
    for heading in parts:
        table.add_column(heading, justify="right")
    counts = np.stack([findings.labels[rows].sum(axis=0, dtype=int) for rows in parts.values()])
    for name, title, row in zip(
        findings.task.classes, findings.task.titles, counts.T.tolist(), strict=True
    ):
        table.add_row(escape(name), escape(title), *map(str, row))
    return table


def _verdict_counts(quality: dict[int, Quality], ids: pd.Index) -> list[str]:
    """How many are doubtful, and unusable; nothing where none was judged, as in fold 10."""
    judged = [quality[i].verdict for i in ids if i in quality]
    return [str(judged.count(each)) if judged else "" for each in (DOUBTFUL, UNUSABLE)]


def _reasons(quality: dict[int, Quality], verdict: str) -> dict[int, str]:
    return {i: "; ".join(q.reasons) for i, q in quality.items() if q.verdict == verdict}


def _print_some(console: Console, kind: str, records: dict[int, str]) -> None:
    for ecg_id, why in list(records.items())[:_SHOWN]:
        console.print(escape(f"{kind}: record {ecg_id}, {why}"), soft_wrap=True)
    if len(records) > _SHOWN:
        console.print(f"{kind}: {len(records) - _SHOWN} more")


if __name__ == "__main__":
    raise SystemExit(run_entry(main, CONFIG_DEFAULTS))
