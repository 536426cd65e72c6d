"""Records of any kind of file as a pack of any spec: read, resampled and cut once."""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from heart_reader.data.formats import read_recording
from heart_reader.data.recordings.recording import Recording
from heart_reader.data.recordings.windows import Windows, windows_of
from heart_reader.data.signals.plain import PlainReader
from heart_reader.data.signals.store import (
    Block,
    Digital,
    Floats,
    Ints,
    OnDefect,
    SignalPack,
    checked,
    packed,
    some_at_a_time,
)
from heart_reader.data.spec import SignalConfig, SignalSpec
from heart_reader.errors import SHOWN, DataError

_VERSION = 1  # of what is read and cut; another number makes every pack anew
BLOCK_RECORDS = 128  # 15 MB of 10 s at 500 Hz
STEPS_PER_MV = 1000.0  # as in PTB-XL; fewer where a record wouldn't fit into 16 bits
LARGEST_STEP = 32000


@dataclass(frozen=True)
class Source:
    """Where records come from, for messages and for the cache.

    Attributes:
        path: of the manifest, or of the folder of a tree.
        records: indexed by ``ecg_id``, with ``file``, absolute paths as text, and ``row``, the
            line of the manifest that each is from, 0 where there is none.
    """

    path: Path
    records: pd.DataFrame


def load_own_pack(
    source: Source, signal: SignalConfig, cache: Path, on_defect: OnDefect, progress: bool
) -> SignalPack:
    """The signals of some records, packed into ``cache`` where they aren't.

    ``ecg_id`` of the pack says which record a row is from: of a long one there are several.

    Args:
        source: of the records.
        signal: what they become.
        cache: folder.
        on_defect: "error" refuses a record that can't be used, "skip" leaves it out and lists it
            in ``SignalPack.defects``.
        progress: shows a bar on stderr while packing.

    Raises:
        DataError: records can't be used, none is left, or ``cache`` can't be written.
    """
    key = _key(source, signal)
    blocks = _blocks(source, signal, progress, "packing")
    folder = cache / "packs" / key[:32]
    pack = packed(folder, signal.spec, blocks, _origin(source, signal), cache)
    if pack.defects and (on_defect == "error" or not len(pack)):
        raise DataError(describe_own_defects(source, pack.defects))
    return pack


def verify_own(
    source: Source, signal: SignalConfig, progress: bool
) -> tuple[dict[int, str], dict[int, str]]:
    """Reads and checks every record without keeping any: defects and warnings by ``ecg_id``."""
    return checked(_blocks(source, signal, progress, "verifying"))


def describe_own_defects(source: Source, defects: dict[int, str]) -> str:
    """A line for each of the first defects, how many there are, and what to do."""
    rows = source.records["row"]
    lines = []
    for ecg_id, why in list(defects.items())[:SHOWN]:
        row = rows.loc[ecg_id]
        where = f"row {row}, column 'file'" if row else f"record {ecg_id}"
        lines.append(f"{source.path}: {where}: {why}")
    more = len(defects) - SHOWN
    count = f"and {more} more records" if more > 0 else f"{len(defects)} records"
    return "\n".join(
        [*lines, f"{source.path}: {count} can't be used: data.on_defect=skip leaves them out"]
    )


# ---------------------------------------------------------------- reading


def _blocks(source: Source, signal: SignalConfig, shown: bool, doing: str) -> Iterator[Block]:
    ecg_ids = source.records.index.to_numpy(np.int64)
    files = source.records["file"].tolist()
    plain = PlainReader(signal.spec)
    for some in some_at_a_time(len(files), BLOCK_RECORDS, shown, doing):
        yield _read_block(ecg_ids[some], files[some], signal, plain)


def _read_block(
    ecg_ids: Ints, files: list[str], signal: SignalConfig, plain: PlainReader
) -> Block:
    spec, made = signal.spec, []
    ids: list[int] = []
    lengths: list[int] = []
    defects: dict[int, str] = {}
    warnings: dict[int, str] = {}
    quick = plain.read(files)
    for place, (ecg_id, file) in enumerate(zip(ecg_ids.tolist(), files, strict=True)):
        if place in quick:
            made.append(quick[place])
            ids += [ecg_id] * len(quick[place])
            lengths += [spec.n_times] * len(quick[place])
            continue
        try:
            windows = to_windows(read_recording(file), signal)
        except DataError as error:
            defects[ecg_id] = " ".join(str(error).split())
            continue
        made.append(windows.signals)
        ids += [ecg_id] * len(windows.signals)
        lengths += windows.lengths
        if said := "; ".join(_said(windows, spec)):
            warnings[ecg_id] = f"{file}: {said}"
    signals = np.concatenate(made) if made else np.empty((0, *spec.shape), np.float32)
    samples, gain = _as_steps(signals)
    return Block(
        np.array(ids, np.int64),
        samples,
        gain,
        np.zeros(gain.shape),
        defects,
        warnings,
        np.array(lengths, np.int64) if signal.short == "pad" else None,
    )


def to_windows(recording: Recording, signal: SignalConfig) -> Windows:
    """A recording as training reads it: the windows that prediction would answer.

    Raises:
        DataError: no window can be used, or it is shorter than the user wants.
    """
    spec = signal.spec
    if signal.short == "refuse" and recording.seconds < spec.seconds - 0.5 / spec.fs:
        raise DataError(
            f"record {recording.name} must last {spec.seconds:g} s (signal.short is refuse), but "
            f"lasts {recording.seconds:.2f} s"
        )
    return windows_of(recording, spec)


def _said(windows: Windows, spec: SignalSpec) -> list[str]:
    flat = (windows.signals.min(axis=2) == windows.signals.max(axis=2)).any(axis=0)
    notes = [note for note in windows.notes if not note.startswith("resampled")]
    leads = [lead for lead, is_flat in zip(spec.leads, flat, strict=True) if is_flat]
    return [*([f"flat lead {', '.join(leads)}"] if leads else []), *notes]


def _as_steps(signals: np.ndarray) -> tuple[Digital, Floats]:
    """(n, n_times, n_leads) int16 of signals (n, n_leads, n_times) mV, and steps per mV."""
    largest = np.maximum(signals.max(axis=2, initial=1e-9), -signals.min(axis=2, initial=-1e-9))
    gain = np.minimum(STEPS_PER_MV, LARGEST_STEP / largest.astype(np.float64))  # (n, n_leads)
    samples = np.empty((len(signals), *signals.shape[:0:-1]), "<i2")
    # Record by record in a core's cache; whole numbers are written across, a quarter of the bytes.
    for row, signal in enumerate(signals):
        steps = signal * gain[row, :, None]
        samples[row] = np.rint(steps, out=steps).astype("<i2").T
    return samples, gain


# ---------------------------------------------------------------- the cache


def _key(source: Source, signal: SignalConfig) -> str:
    digest = hashlib.sha256(f"own {_VERSION}\n{json.dumps(asdict(signal))}\n".encode())
    digest.update(source.records.index.to_numpy(np.int64).tobytes())
    digest.update("\n".join(source.records["file"]).encode())
    for file in source.records["file"]:
        digest.update(repr(_stamps(file)).encode())
    return digest.hexdigest()


def _origin(source: Source, signal: SignalConfig) -> dict[str, str]:
    text = "\n".join([json.dumps(asdict(signal)), *source.records["file"]])
    folder = source.path if source.path.is_dir() else source.path.parent
    return {
        "tree": str(folder.resolve()),
        "records": hashlib.sha256(text.encode()).hexdigest()[:32],
    }


def _stamps(file: str) -> list[tuple[int, int]]:
    """Size and time of every file that a record's name means; of WFDB the signal files too."""
    found = []
    base = re.sub(r"#\d+$", "", file)
    stem = base.removesuffix(".hea")
    for path in (base, f"{stem}.hea", f"{stem}.dat", f"{stem}.mat"):
        try:
            stat = os.stat(path)
        except OSError:
            continue
        found.append((stat.st_size, stat.st_mtime_ns))
    return found
