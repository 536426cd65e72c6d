"""How many records of PTB-XL are called doubtful or unusable, and which faults are caught.

    python -m benchmarks.quality --data PTB-XL-TREE [--records 200] [--show 20]

First each verdict and each reason on folds 1 to 8, where the limits were fixed, and on fold 9,
where they are shown. Then faults put into records of fold 9 and into synthetic ones: the share
that is called unusable, or at least doubtful. The exit code is 1 where a bar is missed.
"""

import argparse
import collections
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy: records a second on one core

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.quality_faults import FAULTS
from heart_reader.cache import cache_folder
from heart_reader.data.demo.tree import demo_tree
from heart_reader.data.ptbxl import (
    LEADS,
    SAMPLING_RATE,
    TRAIN_FOLDS,
    VALIDATION_FOLD,
    load_metadata,
    select_folds,
)
from heart_reader.data.quality import DOUBTFUL, UNUSABLE, Quality, assess, scale_note
from heart_reader.data.signals.pack import load_pack

MOST_UNUSABLE, MOST_DOUBTFUL = 0.005, 0.02  # of real records
Signals = NDArray[np.float64]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--records", type=int, default=200, help="that get faults")
    parser.add_argument("--show", type=int, default=20, help="records of each verdict, by ecg_id")
    options = parser.parse_args()
    console = Console(width=150)
    passed = True
    for folds in (TRAIN_FOLDS, (VALIDATION_FOLD,)):
        passed &= count(options.data, folds, options.show, console)
    trees = {"fold 9": options.data, "demo": demo_tree(cache_folder(), 800, 0)}
    print_faults({name: sound(tree, options.records) for name, tree in trees.items()}, console)
    return 0 if passed else 1


def signals_of(tree: Path, folds: tuple[int, ...]) -> tuple[NDArray[np.int64], Signals]:
    """ECG numbers and mV (n, 12, 1000) of some folds."""
    metadata = select_folds(load_metadata(tree), (*TRAIN_FOLDS, VALIDATION_FOLD))
    pack = load_pack(tree, metadata, cache_folder(), "skip", progress=False)
    rows = np.flatnonzero(metadata.loc[pack.ecg_id, "strat_fold"].isin(folds))
    return pack.ecg_id[rows], pack.millivolts(rows)


def count(tree: Path, folds: tuple[int, ...], show: int, console: Console) -> bool:
    """Prints verdicts, reasons and records; whether the bars hold."""
    ecg_id, signals = signals_of(tree, folds)
    start = time.perf_counter()
    found = assess(signals, SAMPLING_RATE, LEADS)
    speed = len(found) / (time.perf_counter() - start)
    name = f"folds {folds[0]} to {folds[-1]}" if len(folds) > 1 else f"fold {folds[0]}"
    shares = {v: np.mean([q.verdict == v for q in found]) for v in (DOUBTFUL, UNUSABLE)}
    said = ", ".join(f"{share:.2%} {verdict}" for verdict, share in shares.items())
    console.print(f"{name}: {len(found)} records, {said}; {speed:.0f} records/s on one core")
    kinds = collections.Counter(kind(reason) for q in found for reason in q.reasons)
    console.print("  " + ", ".join(f"{what}: {n}" for what, n in kinds.most_common()))
    for verdict in (UNUSABLE, DOUBTFUL):
        some = [(i, q) for i, q in zip(ecg_id, found, strict=True) if q.verdict == verdict]
        for i, q in some[:show]:
            console.print(f"  {i} {verdict}: {'; '.join(q.reasons)}", highlight=False)
    console.print(f"  {scale_note(np.array([q.qrs_mv for q in found])) or 'usual amplitudes'}")
    return bool(shares[UNUSABLE] <= MOST_UNUSABLE and shares[DOUBTFUL] <= MOST_DOUBTFUL)


def kind(reason: str) -> str:
    """A reason without its leads and numbers."""
    return "QRS too small or large" if "a usual one" in reason else reason.partition(":")[0]


def sound(tree: Path, n_records: int) -> Signals:
    """Records of fold 9 (of all folds where it has too few) that are good, mV."""
    _, signals = signals_of(tree, (VALIDATION_FOLD,))
    if len(signals) < n_records:
        _, signals = signals_of(tree, (*TRAIN_FOLDS, VALIDATION_FOLD))
    good = [q.verdict == "good" for q in assess(signals, SAMPLING_RATE, LEADS)]
    rows = np.random.default_rng(0).permutation(np.flatnonzero(good))[:n_records]
    return signals[rows]


def print_faults(trees: Mapping[str, Signals], console: Console) -> None:
    """The share of records with a fault that is unusable, and that isn't good."""
    table = Table("fault", *(f"{n}: {w}" for n in trees for w in (UNUSABLE, "not good")))
    for name, fault in FAULTS.items():
        cells = [cell for signals in trees.values() for cell in caught(fault, signals)]
        table.add_row(name, *(f"{share:.1%}" for share in cells))
    for column in table.columns[1:]:
        column.justify = "right"
    console.print(table)


Fault = Callable[[Signals, np.random.Generator], Signals]


def caught(fault: Fault, signals: Signals) -> tuple[float, float]:
    """Shares that are unusable, and that aren't good."""
    broken = fault(signals.copy(), np.random.default_rng(1))
    found: list[Quality] = assess(broken, SAMPLING_RATE, LEADS)
    unusable = np.array([q.verdict == UNUSABLE for q in found])
    doubtful = np.array([q.verdict == DOUBTFUL for q in found])
    return float(unusable.mean()), float((unusable | doubtful).mean())


if __name__ == "__main__":
    sys.exit(main())
