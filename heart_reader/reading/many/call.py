"""Any number of files into one table: in chunks, over all cores, going on where it was killed."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from heart_reader.bundle.folders import folder_digest
from heart_reader.bundle.kinds import AnyBundle
from heart_reader.bundle.provenance import git_commit
from heart_reader.data.demo.marks import is_synthetic, marked
from heart_reader.errors import DataError
from heart_reader.progress import progress
from heart_reader.project import REPOSITORY
from heart_reader.reading.logged import collect_waiting, folder_of
from heart_reader.reading.many.files import files_of
from heart_reader.reading.many.journal import Journal
from heart_reader.reading.many.pool import Pool, n_processes
from heart_reader.reading.many.worker import rows_of, start
from heart_reader.reading.read import Refused, checked_person
from heart_reader.reading.tables.files import table_file
from heart_reader.reading.tables.rows import refused_row, result_columns

CHUNK = 32  # files: as many as are delineated together, and half of a pass of the network
# What an answer depends on beside the model and the code.
ASKED = ("fs", "unit", "gain", "features", "age", "sex")
ENDED = "its reading ended the process: killed, or out of memory"


def read_many(options: argparse.Namespace, bundle: AnyBundle, model: str) -> None:
    """Writes ``options.out``.

    Raises:
        DataError: the table is there already, or some files were refused.
    """
    checked_person(options)
    journal_path = options.out.with_name(f".{options.out.name}.begun")
    if options.out.exists() and not journal_path.exists():
        raise DataError(f"{options.out} is there already: remove it, or name another --out")
    names = files_of(options.records)
    with folder_of(bundle, model) as folder:
        digest = folder_digest(folder)[:16]
        named = marked(model, is_synthetic(bundle.provenance))
        versions = {"model": named, "model_digest": digest, "code": code_version()}
        asked = {name: getattr(options, name) for name in ASKED}
        journal = Journal(journal_path, {**versions, **asked})
        _answer(journal, names, options, folder, versions)
    collect_waiting()
    columns = result_columns(bundle.task.classes, list(versions))
    n_files = n_refused = 0
    with table_file(options.out, columns) as add:
        for rows in journal.chunks():
            add(rows)
            n_files += len(rows)
            n_refused += sum(row["refused"] is not None for row in rows)
    journal.path.unlink()
    print(f"{options.out}: {n_files:,} files", file=sys.stderr)
    if n_refused:
        raise DataError(
            f"{n_refused:,} of {n_files:,} files were refused: see the column refused of "
            f"{options.out}"
        )


def _answer(
    journal: Journal,
    names: Sequence[str],
    options: argparse.Namespace,
    folder: Path,
    versions: Mapping[str, str],
) -> None:
    done = set(journal.begin())
    if done:
        print(f"{len(done):,} of {len(names):,} files are done: going on", file=sys.stderr)
    todo = [name for name in names if name not in done]
    chunks = [todo[k : k + CHUNK] for k in range(0, len(todo), CHUNK)]
    if not chunks:
        return
    # Only what reading needs crosses to other processes.
    asked = argparse.Namespace(**{name: getattr(options, name) for name in ASKED})
    work = partial(rows_of, options=asked, versions=versions)
    with Pool(min(n_processes(), len(chunks)), start, (str(folder),)) as pool:
        answered = pool.answered(chunks, work, partial(_lost, versions=versions))
        bar = progress(chunks, "reading ECGs", f"x {CHUNK} files")
        for _, rows in zip(bar, answered, strict=True):
            journal.add(rows)


def _lost(name: str, versions: Mapping[str, str]) -> Mapping[str, object]:
    return refused_row(Refused(name, f"{name} can't be read: {ENDED}"), versions)


def code_version() -> str:
    """Of this program: its release and, of a checkout, the commit."""
    try:
        release = version("heart-reader")
    except PackageNotFoundError:  # a checkout that isn't installed
        release = "0"
    return f"{release} {git_commit(REPOSITORY)}"
