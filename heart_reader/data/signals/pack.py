"""The signals of a PTB-XL tree: packed once into a memory map, read at memory speed afterwards."""

import hashlib
import json
import os
import shutil
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from heart_reader.data.ptbxl import N_TIMES, SAMPLING_RATE
from heart_reader.data.signals.wfdb_records import (
    BLOCK_RECORDS,
    INVALID,
    N_LEADS,
    Block,
    BlockReader,
    Digital,
    Floats,
    Ints,
)
from heart_reader.errors import DataError
from heart_reader.progress import progress as with_bar

OnDefect = Literal["error", "skip"]

_VERSION = 1  # of a pack's files; another number makes every pack anew
_STALE_SECONDS = 24 * 3600  # a temporary folder this old belongs to a process that was killed


@dataclass(frozen=True, eq=False)
class SignalPack:
    """Checked records of one tree, in the order that they were asked for.

    ``signals`` holds the WFDB files' digital values, ``(n, n_times, n_leads)`` int16, read-only;
    ``gain`` (steps per mV) and ``baseline`` are ``(n, n_leads)``; ``digest`` is a SHA-256 over
    ids, signals, gains and baselines alone, so it is the same for the same content anywhere.
    """

    ecg_id: Ints
    signals: Digital
    gain: Floats
    baseline: Floats
    fs: int
    digest: str
    defects: dict[int, str]
    warnings: dict[int, str]

    def __len__(self) -> int:
        return len(self.ecg_id)

    def millivolts(self, rows: slice | npt.NDArray[np.integer] | list[int]) -> Floats:
        """Signals of ``rows`` in mV, ``(k, n_leads, n_times)``; NaN where a sample has no value.

        Equal to ``wfdb.rdsamp(record)[0].T`` bit for bit for records in millivolts.
        """
        digital, baseline = self.signals[rows], self.baseline[rows]
        out = np.empty((len(digital), digital.shape[2], digital.shape[1]))
        out[...] = digital.transpose(0, 2, 1)  # (k, n_leads, n_times)
        if baseline.any():  # PTB-XL's are all 0, and leaving them out saves a fifth
            out -= baseline[:, :, None]
        out /= self.gain[rows][:, :, None]  # a product with 1/gain would round differently
        if digital.size and digital.min() == INVALID:
            out[digital.transpose(0, 2, 1) == INVALID] = np.nan
        return out


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
    _refuse_absent_folds(root, records, stamps)
    folder = cache / "packs" / _key(root, records, stamps)
    pack = _open(folder)
    if pack is None:
        try:
            _write(root, records, folder, progress)
        except OSError as error:
            raise DataError(
                f"can't write the signals into the cache folder {cache} ({error}): free some "
                f"space or set HEART_READER_CACHE to a folder that you can write"
            ) from error
        pack = _open(folder)
    if pack is None:
        raise DataError(f"the packed signals in {folder} can't be read back: remove that folder")
    if pack.defects and on_defect == "error":
        raise DataError(describe_defects(root, pack.defects))
    if not len(pack):
        raise DataError(describe_defects(root, pack.defects) + "; no record is left")
    return pack


def verify(
    root: Path, records: pd.DataFrame, progress: bool
) -> tuple[dict[int, str], dict[int, str]]:
    """Read and check every record without keeping any: defects and warnings by ``ecg_id``."""
    defects: dict[int, str] = {}
    warnings: dict[int, str] = {}
    for block in _blocks(root, records, progress, "verifying"):
        defects |= block.defects
        warnings |= block.warnings
    return defects, warnings


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
    starts = range(0, len(names), BLOCK_RECORDS)
    for start in with_bar(starts, doing, f"x {BLOCK_RECORDS} records") if shown else starts:
        some = slice(start, start + BLOCK_RECORDS)
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


def _refuse_absent_folds(root: Path, records: pd.DataFrame, stamps: Ints) -> None:
    there = (
        pd.Series(stamps[:, 0] >= 0).groupby(records["strat_fold"].to_numpy()).agg(["sum", "size"])
    )
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


def _open(folder: Path) -> SignalPack | None:
    """The pack in ``folder``; None where there is none, or where it is damaged."""
    try:
        meta = json.loads((folder / "meta.json").read_text())
        with np.load(folder / "records.npz", allow_pickle=False) as arrays:
            ecg_id, gain, baseline = arrays["ecg_id"], arrays["gain"], arrays["baseline"]
        shape = (len(ecg_id), N_TIMES, N_LEADS)
        path = folder / "signals.i16"
        if path.stat().st_size != 2 * shape[0] * N_TIMES * N_LEADS:
            return None
        # mmap refuses an empty file
        signals = np.memmap(path, "<i2", "r", shape=shape) if shape[0] else np.empty(shape, "<i2")
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return SignalPack(
        ecg_id=ecg_id,
        signals=signals,
        gain=gain,
        baseline=baseline,
        fs=SAMPLING_RATE,
        digest=meta["digest"],
        defects={int(ecg_id): why for ecg_id, why in meta["defects"].items()},
        warnings={int(ecg_id): why for ecg_id, why in meta["warnings"].items()},
    )


def _write(root: Path, records: pd.DataFrame, folder: Path, progress: bool) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    _remove_stale(folder.parent)
    temporary = Path(tempfile.mkdtemp(prefix=".tmp-", dir=folder.parent))
    try:
        blocks = _blocks(root, records, progress, "packing")
        _write_files(temporary, blocks, _origin(root, records))
        _publish(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write_files(folder: Path, blocks: Iterator[Block], origin: dict[str, str]) -> None:
    arrays: dict[str, list[npt.NDArray[np.generic]]] = {"ecg_id": [], "gain": [], "baseline": []}
    defects: dict[int, str] = {}
    warnings: dict[int, str] = {}
    content = hashlib.sha256()
    with open(folder / "signals.i16", "wb") as file:
        for block in blocks:
            samples = np.ascontiguousarray(block.signals, dtype="<i2")
            file.write(samples.data)
            content.update(samples.data)
            for name, parts in arrays.items():
                parts.append(getattr(block, name).copy())
            defects |= block.defects
            warnings |= block.warnings
    joined = {name: np.concatenate(parts) for name, parts in arrays.items()}
    for name in ("ecg_id", "gain", "baseline"):
        content.update(np.ascontiguousarray(joined[name]).data)
    np.savez(folder / "records.npz", **joined)  # type: ignore[arg-type]
    meta = {"digest": content.hexdigest(), **origin, "defects": defects, "warnings": warnings}
    (folder / "meta.json").write_text(json.dumps(meta, indent=1))


def _publish(temporary: Path, folder: Path) -> None:
    try:
        os.rename(temporary, folder)
    except OSError:
        if _open(folder) is not None:
            return  # another process was quicker
        # what is there is damaged: out of the way with it
        damaged = temporary.with_name(temporary.name + "-damaged")
        os.rename(folder, damaged)
        os.rename(temporary, folder)
        shutil.rmtree(damaged, ignore_errors=True)


def _remove_stale(packs: Path) -> None:
    for folder in packs.glob(".tmp-*"):
        with suppress(OSError):
            if time.time() - folder.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(folder)
