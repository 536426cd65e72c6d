"""The signals of a PTB-XL tree: packed once into a memory map, read at memory speed afterwards."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from heart_reader.data.signals.store import (
    Block,
    Ints,
    OnDefect,
    SignalPack,
    checked,
    packed,
    some_at_a_time,
)
from heart_reader.data.signals.wfdb_records import BLOCK_RECORDS, BlockReader
from heart_reader.data.spec import PTBXL_SIGNAL
from heart_reader.errors import DataError

_VERSION = 1  # of a pack's files; another number makes every pack anew


def load_pack(
    root: Path, records: pd.DataFrame, cache: Path, on_defect: OnDefect, progress: bool
) -> SignalPack:
    """The signals of ``records`` (rows of the metadata), packed into ``cache`` where they aren't.

    A pack belongs to the sizes and times of the record files: a file that changes makes a new
    one. It appears complete or not at all, and several processes may ask for it at once.

    Args:
        on_defect: ``"error"`` refuses a tree with a defect record; ``"skip"`` leaves it out and
            lists it in ``SignalPack.defects``. A flat lead is only a warning.
        progress: Show a bar on stderr while packing.

    Raises:
        DataError: A fold has no record files, a record has a defect, none is left, or ``cache``
            can't be written.
    """
    stamps = _stamps(root, records)
    refuse_absent_folds(root, records, stamps[:, 0] >= 0)
    folder = cache / "packs" / _key(root, records, stamps)
    blocks = _blocks(root, records, progress, "packing")
    pack = packed(folder, PTBXL_SIGNAL, blocks, _origin(root, records), cache)
    if pack.defects and on_defect == "error":
        raise DataError(describe_defects(root, pack.defects))
    if not len(pack):
        raise DataError(describe_defects(root, pack.defects) + "; no record is left")
    return pack


def verify(
    root: Path, records: pd.DataFrame, progress: bool
) -> tuple[dict[int, str], dict[int, str]]:
    """Read and check every record without keeping any: defects and warnings by ``ecg_id``."""
    return checked(_blocks(root, records, progress, "verifying"))


def describe_defects(root: Path, defects: dict[int, str]) -> str:
    """One sentence: the first defect, how many there are, and what to do."""
    ecg_id, why = next(iter(defects.items()))
    count = f" ({len(defects)} records have a defect)" if len(defects) > 1 else ""
    return (
        f"record {ecg_id}, {root / why}{count}; fetch it again with `python -m "
        f"heart_reader.prepare --data {root} --download true`, or set data.on_defect=skip"
    )


def _blocks(root: Path, records: pd.DataFrame, shown: bool, doing: str) -> Iterator[Block]:
    reader = BlockReader(root)
    ecg_ids = records.index.to_numpy(dtype=np.int64)
    names = records["filename_lr"].tolist()
    for some in some_at_a_time(len(names), BLOCK_RECORDS, shown, doing):
        yield reader.read(ecg_ids[some], names[some])


def _stamps(root: Path, records: pd.DataFrame) -> Ints:
    """Size and time of each record's header and signal files, ``(n, 4)``; -1 where missing."""
    stamps = np.full((len(records), 4), -1, dtype=np.int64)
    base = os.path.join(root, "")
    for row, name in enumerate(records["filename_lr"]):
        try:
            header = os.stat(base + name + ".hea")
            stamps[row, :2] = header.st_size, header.st_mtime_ns
            samples = os.stat(base + name + ".dat")
            stamps[row, 2:] = samples.st_size, samples.st_mtime_ns
        except OSError:
            if stamps[row, 0] >= 0:  # a header without NAME.dat may name other files
                stamps[row, 2:] = _stamp_of_listed(Path(base + name + ".hea"))
    return stamps


def _stamp_of_listed(header: Path) -> tuple[int, int]:
    """Total size and latest time of the signal files that a header names; -1 where missing."""
    lines = header.read_text(errors="replace").splitlines()[1:]
    files = {header.with_name(line.split()[0]) for line in lines if line.split()}
    stats = [path.stat() for path in files if path.is_file()]
    latest = max((stat.st_mtime_ns for stat in stats), default=-1)
    return sum(stat.st_size for stat in stats) if stats else -1, latest


def refuse_absent_folds(root: Path, records: pd.DataFrame, present: npt.NDArray[np.bool_]) -> None:
    """Refuses a tree in which a fold has no record files at all.

    Raises:
        DataError: names the fold and what to do.
    """
    there = pd.Series(present).groupby(records["strat_fold"].to_numpy()).agg(["sum", "size"])
    absent = there[there["sum"] == 0]
    if len(absent):
        raise DataError(
            f"fold {absent.index[0]} isn't in the tree {root}: none of its "
            f"{absent['size'].iloc[0]} record files is there; fetch them with `python -m "
            f"heart_reader.prepare --data {root} --download true`, or ask for another fold"
        )


def _key(root: Path, records: pd.DataFrame, stamps: Ints) -> str:
    digest = hashlib.sha256(f"{_VERSION}\n{root.resolve()}\n".encode())
    digest.update(records.index.to_numpy(dtype=np.int64).tobytes())
    digest.update("\n".join(records["filename_lr"]).encode())
    digest.update(stamps.tobytes())
    return digest.hexdigest()[:32]


def _origin(root: Path, records: pd.DataFrame) -> dict[str, str]:
    """What a pack is of, whatever the state of the files: `stale_packs` compares it."""
    names = "\n".join(records["filename_lr"]).encode()
    return {"tree": str(root.resolve()), "records": hashlib.sha256(names).hexdigest()[:32]}
