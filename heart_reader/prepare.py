"""Entry point ``prepare``: fetch or verify a PTB-XL tree or a manifest, pack its signals, count
its classes; make a manifest of a folder.

python -m heart_reader.prepare --data /path/to/ptb-xl --download true
python -m heart_reader.prepare --data records.csv
python -m heart_reader.prepare --data /path/to/folder --write records.csv
python -m heart_reader.prepare --data demo
python -m heart_reader.prepare --data /path/to/ptb-xl --clean true
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from heart_reader.cli.entry import dotted_options, run_entry, truth
from heart_reader.config.request import config_request
from heart_reader.data import ptbxl
from heart_reader.data.dataset import DataConfig, data_root, pack_of, source_of
from heart_reader.data.download import PHYSIONET, download
from heart_reader.data.labelled import Labelled, read_all, require_parts
from heart_reader.data.manifest import is_manifest
from heart_reader.data.manifest.columns import is_there
from heart_reader.data.manifest.make import describe, find_records, write_manifest
from heart_reader.data.quality.survey import survey
from heart_reader.data.signals.own import describe_own_defects, verify_own
from heart_reader.data.signals.pack import describe_defects, load_pack, verify
from heart_reader.data.signals.stale import remove_stale_packs
from heart_reader.data.signals.store import SignalPack
from heart_reader.data.spec import PTBXL_SIGNAL, SignalConfig
from heart_reader.errors import ConfigError, DataError
from heart_reader.files import cache_folder, user_path
from heart_reader.project import CONFIG_DEFAULTS
from heart_reader.tasks.ptbxl import TaskConfig
from heart_reader.trainings.checked import CheckedTree, print_checked

NONE = "none"


@dataclass(frozen=True)
class PrepareRequest:
    """What a user asks of ``prepare``.

    Attributes:
        data: which tree, manifest or folder.
        task: whose classes are counted.
        signal: what the records become.
        url: where to fetch what is missing from; ``None``: nothing is fetched.
        clean: removes packs whose tree is gone or changed.
        write: the manifest that is to be made of the folder ``data``; ``None``: none.
    """

    data: DataConfig
    task: TaskConfig
    signal: SignalConfig
    url: str | None
    clean: bool
    write: Path | None


def main(words: Sequence[str]) -> None:
    """Reads the options and does the work."""
    if "MLFLOW_RUN_ID" in os.environ:  # under `mlflow run`: the run that it opened is settled
        import heart_reader.tracking  # noqa: F401 - it is slow, and nothing else here needs it
    prepare(read_request(dotted_options(words)))


def read_request(options: Mapping[str, str]) -> PrepareRequest:
    """What the options ask for.

    Raises:
        ConfigError: a download of the demo, unknown options or values.
    """
    left = dict(options)
    fetch = truth("download", left.pop("download", "false"))
    clean = truth("clean", left.pop("clean", "false"))
    url, write = left.pop("url", PHYSIONET), left.pop("write", NONE)
    config = config_request(left).for_training()
    if fetch and config.data.root == "demo":
        raise ConfigError("download=true needs a folder to fetch to: give it as --data PATH")
    if fetch and is_manifest(config.data.root):
        raise ConfigError(f"download=true is for PTB-XL, but data is {config.data.root}")
    path = None if write == NONE else user_path(write)
    if path is not None and not is_manifest(str(path)):
        raise ConfigError(f"write must name a .csv or .parquet file, but is {write!r}")
    source = url if fetch else None
    return PrepareRequest(config.data, config.task, config.signal, source, clean, path)


def prepare(request: PrepareRequest) -> None:
    """Fetches, verifies, packs, prints the table, and clears the cache where that is asked for."""
    config, cache = request.data, cache_folder()
    if request.write is not None:
        make_manifest(request, request.write)
        return
    if request.url is not None:
        n_files = download(data_root(config, cache), request.url)
        print(f"{n_files} files are there and have the published hashes")
    print_checked(check(request, cache), Console())
    if request.clean:
        removed = remove_stale_packs(cache)
        print("\n".join(f"removed {line}" for line in removed) or "no old pack in the cache")


def make_manifest(request: PrepareRequest, path: Path) -> None:
    """A manifest of a folder, whose every file was opened.

    Raises:
        DataError: files that can't be used, unless they are to be left out.
    """
    folder = Path(request.data.root).absolute()
    if path.exists():
        raise DataError(f"{path} is there already: remove it, or write another")
    found = find_records(folder, request.signal)
    lines = describe(folder, found)
    if lines and request.data.on_defect == "error":
        n_bad = sum(bool(each.defect) for each in found)
        raise DataError(
            "\n".join(lines)
            + f"\n{n_bad} of {len(found)} files can't be used, and nothing was written: "
            "data.on_defect=skip leaves them out"
        )
    written = write_manifest(folder, found, path.absolute())
    n_labelled = sum(bool(each.codes) for each in found)
    for line in lines:
        print(f"left out: {line}")
    n_good = sum(not each.defect for each in found)
    print(f"{n_good} of {len(found)} files are records, {n_labelled} with labels")
    print("written: " + ", ".join(map(str, written)))


def check(request: PrepareRequest, cache: Path) -> CheckedTree:
    """Reads every record once, and packs those of folds 1 to 9.

    Raises:
        DataError, ConfigError: whatever is wrong with the data or the task.
    """
    config, root = request.data, data_root(request.data, cache)
    if not is_manifest(str(root)) and request.signal.spec == PTBXL_SIGNAL:
        return check_tree(root, config, request.task, cache)
    found = read_all(root, request.task, config.min_likelihood)
    require_parts(found, (*ptbxl.TRAIN_FOLDS, ptbxl.VALIDATION_FOLD))
    fold = found.metadata["strat_fold"].to_numpy()
    development = found.some(np.flatnonzero(fold != ptbxl.TEST_FOLD))
    test = found.some(np.flatnonzero(fold == ptbxl.TEST_FOLD))
    pack = pack_of(development, request.signal, cache, config.on_defect)
    source = source_of(test, request.signal)
    there = any(map(is_there, source.records["file"]))
    defects, warnings = verify_own(source, request.signal, progress=True) if there else ({}, {})
    if defects and config.on_defect == "error":
        raise DataError(describe_own_defects(source, defects))
    test_found = (defects, warnings) if there else None
    return seen(found, pack, test_found, request.signal.spec.leads)


def seen(
    found: Labelled,
    pack: SignalPack,
    of_test: tuple[dict[int, str], dict[int, str]] | None,
    leads: Sequence[str],
) -> CheckedTree:
    """All of it together.

    Args:
        found: every labelled record.
        pack: of folds 1 to 9.
        of_test: defects and warnings of fold 10, ``None`` where it isn't there.
        leads: of the pack.
    """
    defects, warnings = of_test or ({}, {})
    return CheckedTree(
        metadata=found.metadata,
        task=found.task,
        labels=found.y_true,
        absent_folds=() if of_test is not None else (ptbxl.TEST_FOLD,),
        digest=pack.digest,
        defects=pack.defects | defects,
        warnings=pack.warnings | warnings,
        quality=survey(pack, leads),
    )


def check_tree(root: Path, config: DataConfig, asked: TaskConfig, cache: Path) -> CheckedTree:
    """Verify every file of a tree and pack folds 1 to 9.

    Fold 10 is verified where it is there, but never packed: only ``evaluate`` opens it.

    Raises:
        DataError: Whatever is wrong with the tree.
    """
    found = read_all(root, asked, config.min_likelihood)
    metadata = found.metadata
    development = ptbxl.select_folds(metadata, (*ptbxl.TRAIN_FOLDS, ptbxl.VALIDATION_FOLD))
    pack = load_pack(root, development, cache, config.on_defect, progress=True)
    test = metadata[metadata["strat_fold"] == ptbxl.TEST_FOLD]
    there = any((root / f"{name}.hea").is_file() for name in test["filename_lr"])
    defects, warnings = verify(root, test, progress=True) if there else ({}, {})
    if defects and config.on_defect == "error":
        raise DataError(describe_defects(root, defects))
    test_found = (defects, warnings) if there else None
    return seen(found, pack, test_found, ptbxl.LEADS)


if __name__ == "__main__":
    raise SystemExit(run_entry(main, CONFIG_DEFAULTS))
