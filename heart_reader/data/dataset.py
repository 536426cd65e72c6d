"""The records of some folds, ready for a model: signals, labels, features, on any device."""

import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from heart_reader.config.strict import to_dict
from heart_reader.data import ptbxl
from heart_reader.data.demo.tree import demo_tree
from heart_reader.data.features import (
    FeatureEncoder,
    FeatureTable,
    as_twelve,
    feature_table,
)
from heart_reader.data.labelled import Labelled, read_labelled
from heart_reader.data.signals.own import Source, load_own_pack
from heart_reader.data.signals.pack import load_pack
from heart_reader.data.signals.store import OnDefect, SignalPack
from heart_reader.data.spec import PTBXL_SIGNAL, SignalConfig, SignalSpec
from heart_reader.tasks.ptbxl import TaskConfig
from heart_reader.tasks.task import UNKNOWN, Task, default_task

PTBXL_CONFIG = SignalConfig("all", PTBXL_SIGNAL.fs, PTBXL_SIGNAL.seconds, "repeat")
HIGH = "records500"  # the folder in which a tree of PTB-XL has its records at 500 Hz


@dataclass(frozen=True)
class DataConfig:
    """Which records, and what counts as a label."""

    root: str  # a PTB-XL tree, a manifest (CSV, Parquet), or "demo"
    min_likelihood: float  # of an SCP code, in percent; 0: every diagnostic code counts
    on_defect: OnDefect  # "error", or "skip" a record with a defect and name it
    records_per_fold: int | None  # the first so many of each fold; null: all
    demo_records: int
    demo_seed: int

    def problems(self) -> list[str]:
        """The rules that types can't say."""
        found = []
        if not 0 <= self.min_likelihood <= 100:
            found.append(f"min_likelihood must lie from 0 to 100, but is {self.min_likelihood}")
        if self.records_per_fold is not None and self.records_per_fold < 1:
            found.append(f"records_per_fold must be at least 1, but is {self.records_per_fold}")
        if self.demo_records < 100:
            found.append(f"demo_records must be at least 100, but is {self.demo_records}")
        return found


@dataclass(frozen=True)
class FeaturesConfig:
    """Where structured features come from."""

    source: str  # "compute", "none", or the path of a PTB-XL+ table


@dataclass(frozen=True)
class Records:
    """Labelled records; row i of every field is the same ECG.

    Attributes:
        metadata: of PTB-XL or of a manifest, indexed by ``ecg_id``; the windows of a long record
            share one.
        y_true: (n_records, n_classes), 0, 1 or `UNKNOWN`.
        pack: signals; its rows are given by ``pack_rows``.
        pack_rows: (n_records,), since records without a class stay in the pack.
        features: raw features, or ``None``.
        digest: of signals, labels, folds, and of a feature table that was read.
        task: whose classes are the columns of ``y_true``.
        spec: of the signals.
    """

    metadata: pd.DataFrame
    y_true: NDArray[np.uint8]
    pack: SignalPack
    pack_rows: NDArray[np.intp]
    features: FeatureTable | None
    digest: str
    task: Task
    spec: SignalSpec

    @property
    def ecg_id(self) -> NDArray[np.int64]:
        """(n_records,)"""
        return self.metadata.index.to_numpy()

    @property
    def fold(self) -> NDArray[np.int64]:
        """(n_records,)"""
        return self.metadata["strat_fold"].to_numpy(np.int64)

    def rows(self, folds: Sequence[int]) -> NDArray[np.intp]:
        """Rows of the records in some folds."""
        return np.flatnonzero(self.metadata["strat_fold"].isin(folds))

    def millivolts(self, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """Signals in mV, (n_rows, n_leads, n_times)."""
        return self.pack.millivolts(self.pack_rows[rows])

    def lengths(self, rows: NDArray[np.intp]) -> NDArray[np.int64] | None:
        """Samples that are each record's own, (n_rows,); ``None`` where that isn't known."""
        return None if self.pack.lengths is None else self.pack.lengths[self.pack_rows[rows]]

    def twelve(self, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """The same as (n_rows, 12, n_times), NaN where there is no such lead: for drawings."""
        return np.asarray(as_twelve(self.millivolts(rows), self.spec.leads), np.float64)


def data_root(config: DataConfig, cache: Path) -> Path:
    """The tree or manifest that is meant; the demo tree is made where it is missing."""
    if config.root == "demo":
        return demo_tree(cache, config.demo_records, config.demo_seed)
    return Path(config.root).absolute()  # under `mlflow run` the folder isn't the user's own


def load_development(
    config: DataConfig,
    task: TaskConfig,
    features: FeaturesConfig,
    cache: Path,
    signal: SignalConfig | None = None,
) -> Records:
    """Folds 1 to 9: what training, tuning and every choice may see.

    Args:
        config, task, features: of the configuration.
        cache: folder.
        signal: what the records become; ``None``: PTB-XL's as they are.
    """
    folds = (*ptbxl.TRAIN_FOLDS, ptbxl.VALIDATION_FOLD)
    return _load(config, task, features, folds, cache, signal)


def load_test(
    config: DataConfig,
    task: TaskConfig,
    features: FeaturesConfig,
    cache: Path,
    signal: SignalConfig | None = None,
) -> Records:
    """Fold 10. Only ``heart_reader.evaluate`` may call this."""
    return _load(config, task, features, (ptbxl.TEST_FOLD,), cache, signal)


def _load(
    config: DataConfig,
    asked: TaskConfig,
    features: FeaturesConfig,
    folds: Sequence[int],
    cache: Path,
    signal: SignalConfig | None,
) -> Records:
    signal = PTBXL_CONFIG if signal is None else signal
    root = data_root(config, cache)
    found = read_labelled(root, asked, config.min_likelihood, folds)
    if config.records_per_fold is not None:
        found = found.some(first_of_folds(found.metadata, config.records_per_fold))
    pack = pack_of(found, signal, cache, config.on_defect)
    found = found.some(found.metadata.index.get_indexer(pd.Index(pack.ecg_id)))
    table = feature_table(features.source, pack, found.metadata, cache, signal.spec.leads)
    # Records without any class are dropped in the PTB-XL benchmark, and kept in later papers.
    kept = np.flatnonzero(found.counted())
    if table is not None:
        table = FeatureTable(table.source, table.names, table.values[kept])
    found = found.some(kept)
    metadata, y_true, task = found.metadata, found.y_true, found.task
    digest = _digest(pack, metadata, y_true, task, signal.spec, table)
    return Records(metadata, y_true, pack, kept, table, digest, task, signal.spec)


def first_of_folds(metadata: pd.DataFrame, n_records: int) -> NDArray[np.intp]:
    """Rows of the first so many records of each fold."""
    rows = pd.Series(np.arange(len(metadata)))
    return rows.groupby(metadata["strat_fold"].to_numpy()).head(n_records).to_numpy(np.intp)


def pack_of(found: Labelled, signal: SignalConfig, cache: Path, on_defect: OnDefect) -> SignalPack:
    """Signals of labelled records: of PTB-XL as it is by the quick way, else by any reader.

    Raises:
        DataError: what is wrong with the records' files.
    """
    if not found.is_own and signal.spec == PTBXL_SIGNAL:
        return load_pack(found.root, found.metadata, cache, on_defect, progress=True)
    if signal.fs > PTBXL_SIGNAL.fs and not found.is_own and not (found.root / HIGH).is_dir():
        print(
            f"note: {found.root} has no {HIGH}: its records at {PTBXL_SIGNAL.fs} Hz are resampled "
            f"to {signal.fs} Hz, which adds nothing to them",
            file=sys.stderr,
        )
    return load_own_pack(source_of(found, signal), signal, cache, on_defect, progress=True)


def source_of(found: Labelled, signal: SignalConfig) -> Source:
    """Where the files of labelled records are; PTB-XL has them at 100 and at 500 Hz."""
    high = signal.fs > PTBXL_SIGNAL.fs and not found.is_own and (found.root / HIGH).is_dir()
    return found.source("filename_hr" if high else "filename_lr")


def _digest(
    pack: SignalPack,
    metadata: pd.DataFrame,
    y_true: NDArray[np.uint8],
    task: Task,
    spec: SignalSpec,
    table: FeatureTable | None,
) -> str:
    text = hashlib.sha256(pack.digest.encode())
    text.update(metadata.index.to_numpy().astype("<i8").tobytes())
    text.update(metadata["strat_fold"].to_numpy().astype("<i8").tobytes())
    text.update(np.ascontiguousarray(y_true).tobytes())
    # The digest of the default task is that of the time when there was no other.
    if task.classes != default_task().classes:
        text.update(json.dumps(task.classes).encode())
    if spec != PTBXL_SIGNAL:
        text.update(json.dumps(to_dict(spec)).encode())
    # Measured features follow from the signals, and models with and without them share a digest.
    if table is not None and table.source != "compute":
        text.update(table.values.tobytes())
    return text.hexdigest()


# ---------------------------------------------------------------- on the device


@dataclass(frozen=True)
class DeviceRecords:
    """Records that lie whole on the training device, signals as the int16 of the files.

    Attributes:
        signals: int16 (n_records, n_times, n_leads), the layout of WFDB and of channels_last.
        gain, baseline: adu/mV and adu, (n_records, 1, n_leads).
        y_true: float32 (n_records, n_classes), NaN where unknown.
        features: encoded, float32 (n_records, n_encoded), or ``None``.
        present: bool (n_records,), which records have features, or ``None``.
        lengths: int64 (n_records,), samples that are a record's own, or ``None`` where all are.
        classes: names of the columns of ``y_true``.
    """

    signals: Tensor
    gain: Tensor
    baseline: Tensor
    y_true: Tensor
    features: Tensor | None
    present: Tensor | None
    lengths: Tensor | None
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.y_true)

    @property
    def all_known(self) -> bool:
        """Whether no label is NaN."""
        return not bool(torch.isnan(self.y_true).any())

    def millivolts(self, rows: Tensor) -> Tensor:
        """float32 mV (n_rows, n_leads, n_times), a view of (n_rows, n_times, n_leads) memory."""
        digital = self.signals[rows].to(torch.float32)  # (n_rows, n_times, n_leads)
        return ((digital - self.baseline[rows]) / self.gain[rows]).transpose(1, 2)


def to_device(
    records: Records,
    rows: NDArray[np.intp],
    encoder: FeatureEncoder | None,
    device: torch.device,
) -> DeviceRecords:
    """Some rows of the records, copied to a device once."""
    pack, pack_rows = records.pack, records.pack_rows[rows]

    def tensor(array: Any) -> Tensor:
        return torch.as_tensor(array, device=device)

    features = present = None
    if encoder is not None and records.features is not None:
        encoded, has = encoder.encode(records.features.values[rows])
        features, present = tensor(encoded), tensor(has)
    return DeviceRecords(
        tensor(pack.signals[pack_rows]),
        tensor(pack.gain[pack_rows, None].astype(np.float32)),  # (n_rows, 1, n_leads)
        tensor(pack.baseline[pack_rows, None].astype(np.float32)),
        tensor(as_targets(records.y_true[rows])),
        features,
        present,
        None if pack.lengths is None else tensor(pack.lengths[pack_rows]),
        records.task.classes,
    )


def as_targets(y_true: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Labels as a loss takes them: NaN where unknown."""
    return np.where(y_true == UNKNOWN, np.float32(np.nan), y_true.astype(np.float32))
