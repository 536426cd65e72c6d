"""Packs of signals in the cache: written once, whole or not at all, read at memory speed."""

import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from heart_reader.data.spec import PTBXL_SIGNAL, SignalSpec
from heart_reader.errors import DataError
from heart_reader.progress import progress as with_bar

OnDefect = Literal["error", "skip"]
Digital = npt.NDArray[np.int16]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

INVALID = -(2**15)  # format 16's "no sample here"
_ALWAYS = ("ecg_id", "gain", "baseline")  # of a block, in this order
_STALE_SECONDS = 24 * 3600  # a temporary folder this old belongs to a process that was killed


@dataclass(frozen=True, eq=False)
class Block:
    """Records that passed every check; defects and warnings by ``ecg_id``.

    ``signals`` ``(n, n_times, n_leads)``; ``gain`` (steps per mV), ``baseline`` ``(n, n_leads)``;
    ``lengths`` ``(n,)``, samples that are the record's own, where a model is to know.
    """

    ecg_id: Ints
    signals: Digital
    gain: Floats
    baseline: Floats
    defects: dict[int, str]
    warnings: dict[int, str]
    lengths: Ints | None = None


@dataclass(frozen=True, eq=False)
class SignalPack:
    """Checked records of one tree, in the order that they were asked for.

    ``signals`` holds the WFDB files' digital values, ``(n, n_times, n_leads)`` int16, read-only;
    ``gain`` (steps per mV) and ``baseline`` are ``(n, n_leads)``; ``digest`` is a SHA-256 over
    ids, signals, gains and baselines alone, so it is the same for the same content anywhere.
    ``lengths`` ``(n,)`` are the samples that are each record's own, where padding is masked.
    """

    ecg_id: Ints
    signals: Digital
    gain: Floats
    baseline: Floats
    fs: int
    digest: str
    defects: dict[int, str]
    warnings: dict[int, str]
    lengths: Ints | None = None

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


def packed(
    folder: Path, spec: SignalSpec, blocks: Iterator[Block], origin: Mapping[str, str], cache: Path
) -> SignalPack:
    """The pack in a folder, written from the blocks where it isn't there.

    Args:
        folder: of the pack, named after all that it follows from.
        spec: of the signals.
        blocks: read only where they are needed.
        origin: what the pack is of, whatever the state of the files: `stale_packs` compares it.
        cache: that holds the folder, for messages.

    Raises:
        DataError: ``cache`` can't be written.
    """
    pack = _whole_pack(folder)
    if pack is None:
        try:
            _write(folder, spec, blocks, origin)
        except OSError as error:
            raise DataError(
                f"can't write the signals into the cache folder {cache} ({error}): free some "
                f"space or set HEART_READER_CACHE to a folder that you can write"
            ) from error
        pack = open_pack(folder)
    if pack is None:
        raise DataError(f"the packed signals in {folder} can't be read back: remove that folder")
    return pack


def some_at_a_time(n_records: int, size: int, shown: bool, doing: str) -> Iterator[slice]:
    """The rows of one block of ``size`` after the other, behind a bar where it is to be shown."""
    starts = range(0, n_records, size)
    for start in with_bar(starts, doing, f"x {size} records") if shown else starts:
        yield slice(start, start + size)


def checked(blocks: Iterator[Block]) -> tuple[dict[int, str], dict[int, str]]:
    """Defects and warnings by ``ecg_id`` of blocks that are read and not kept."""
    defects: dict[int, str] = {}
    warnings: dict[int, str] = {}
    for block in blocks:
        defects |= block.defects
        warnings |= block.warnings
    return defects, warnings


def open_pack(folder: Path) -> SignalPack | None:
    """The pack in ``folder``; None where there is none, or where it is damaged."""
    try:
        meta = json.loads((folder / "meta.json").read_text())
        with np.load(folder / "records.npz", allow_pickle=False) as arrays:
            ecg_id, gain, baseline = arrays["ecg_id"], arrays["gain"], arrays["baseline"]
            lengths = arrays.get("lengths")
        # Packs of earlier versions are all of PTB-XL at 100 Hz, and don't say it.
        n_times, fs = meta.get("n_times", PTBXL_SIGNAL.n_times), meta.get("fs", PTBXL_SIGNAL.fs)
        shape = (len(ecg_id), n_times, gain.shape[1])
        path = folder / "signals.i16"
        if path.stat().st_size != 2 * shape[0] * shape[1] * shape[2]:
            return None
        # mmap refuses an empty file
        signals = np.memmap(path, "<i2", "r", shape=shape) if shape[0] else np.empty(shape, "<i2")
    except (OSError, ValueError, KeyError, IndexError, EOFError, zipfile.BadZipFile):
        return None
    return SignalPack(
        ecg_id=ecg_id,
        signals=signals,
        gain=gain,
        baseline=baseline,
        fs=fs,
        digest=meta["digest"],
        defects={int(ecg_id): why for ecg_id, why in meta["defects"].items()},
        warnings={int(ecg_id): why for ecg_id, why in meta["warnings"].items()},
        lengths=lengths,
    )


def _whole_pack(folder: Path) -> SignalPack | None:
    """The pack in a folder, every byte of which is what was written."""
    pack = open_pack(folder)
    if pack is not None and _content(pack).hexdigest() != pack.digest:
        print(f"pack {folder} is damaged: made anew", file=sys.stderr, flush=True)
        return None
    return pack


def _content(pack: SignalPack) -> "hashlib._Hash":
    """Over all that a pack's digest is of; a second for 20,000 records."""
    content = hashlib.sha256(np.ascontiguousarray(pack.signals).data)
    for name in _ALWAYS if pack.lengths is None else (*_ALWAYS, "lengths"):
        content.update(np.ascontiguousarray(getattr(pack, name)).data)
    return content


def _write(
    folder: Path, spec: SignalSpec, blocks: Iterator[Block], origin: Mapping[str, str]
) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    _remove_stale(folder.parent)
    temporary = Path(tempfile.mkdtemp(prefix=".tmp-", dir=folder.parent))
    try:
        _write_files(temporary, spec, blocks, origin)
        _publish(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write_files(
    folder: Path, spec: SignalSpec, blocks: Iterator[Block], origin: Mapping[str, str]
) -> None:
    arrays: dict[str, list[npt.NDArray[np.generic]]] = {}
    defects: dict[int, str] = {}
    warnings: dict[int, str] = {}
    content = hashlib.sha256()
    with open(folder / "signals.i16", "wb") as file:
        for block in blocks:
            samples = np.ascontiguousarray(block.signals, dtype="<i2")
            file.write(samples.data)
            content.update(samples.data)
            for name in (*_ALWAYS, *(() if block.lengths is None else ("lengths",))):
                arrays.setdefault(name, []).append(getattr(block, name).copy())
            defects |= block.defects
            warnings |= block.warnings
    joined = {name: np.concatenate(parts) for name, parts in arrays.items()}
    for values in joined.values():
        content.update(np.ascontiguousarray(values).data)
    np.savez(folder / "records.npz", **joined)  # type: ignore[arg-type]
    shape = {"fs": spec.fs, "n_times": spec.n_times, "leads": spec.leads}
    found = {"defects": defects, "warnings": warnings}
    meta = {"digest": content.hexdigest(), **origin, **shape, **found}
    (folder / "meta.json").write_text(json.dumps(meta, indent=1))


def _publish(temporary: Path, folder: Path) -> None:
    try:
        os.rename(temporary, folder)
    except OSError:
        if _whole_pack(folder) is not None:
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
