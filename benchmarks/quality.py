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
from scipy.signal import resample_poly

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
from heart_reader.files import cache_folder

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


# ---------------------------------------------------------------- faults
# Put into good ECGs: what electrodes, amplifiers, files and readers do to them.

Fault = Callable[[Signals, np.random.Generator], Signals]
FS, STEP_MV = 100, 0.001


def _time(x: Signals) -> NDArray[np.float64]:
    return np.arange(x.shape[2]) / FS


def _some_leads(x: Signals, n: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """(n_records, n_leads): ``n`` leads of each record."""
    order = rng.random(x.shape[:2]).argsort(axis=1)
    return np.asarray(order < n)


def flat(n: int) -> Fault:
    """Leads at 0."""

    def fault(x: Signals, rng: np.random.Generator) -> Signals:
        x[_some_leads(x, n, rng)] = 0
        return x

    return fault


def falls_off(x: Signals, rng: np.random.Generator) -> Signals:
    """One lead that comes off in the middle."""
    x[_some_leads(x, 1, rng), x.shape[2] // 2 :] = 0.3
    return x


def clipped(share: float, n: int) -> Fault:
    """Leads cut at a share of their extremes."""

    def fault(x: Signals, rng: np.random.Generator) -> Signals:
        limit = share * np.abs(x).max(axis=2, keepdims=True)
        return np.where(_some_leads(x, n, rng)[..., None], np.clip(x, -limit, limit), x)

    return fault


def copied(x: Signals, rng: np.random.Generator) -> Signals:
    """One lead that repeats another one, other than by the limb leads' own rules."""
    for record in x:
        a, b = rng.permutation(12)[:2]
        record[a] = record[b]
    return x


def all_copied(x: Signals, rng: np.random.Generator) -> Signals:
    """All leads the same."""
    return np.repeat(x[:, 1:2], x.shape[1], axis=1)


def white(sd_mv: float, n: int) -> Fault:
    """Leads of nothing but white noise."""

    def fault(x: Signals, rng: np.random.Generator) -> Signals:
        noise = rng.normal(0, sd_mv, x.shape)
        return np.where(_some_leads(x, n, rng)[..., None], noise, x)

    return fault


def walk(x: Signals, rng: np.random.Generator) -> Signals:
    """Nothing but drift, a random walk."""
    return np.cumsum(rng.normal(0, 0.03, x.shape), axis=2)


def bursts(x: Signals, rng: np.random.Generator) -> Signals:
    """Nothing but muscle, stronger and weaker, on all leads at once."""
    loud = np.abs(np.cumsum(rng.normal(0, 0.1, (len(x), 1, x.shape[2])), axis=2))
    return 0.05 * rng.normal(0, 1, x.shape) * (1 + loud)


def mains(hz: float, resampled: bool, n: int = 12) -> Fault:
    """Leads of nothing but the mains, sampled at 100 Hz, or at 500 Hz and resampled as readers
    do; the frequency drifts by 0.02%."""

    def fault(x: Signals, rng: np.random.Generator) -> Signals:
        fs = 5 * FS if resampled else FS
        n_times = x.shape[2] * fs // FS
        slow = np.cumsum(rng.normal(0, 2e-3 / np.sqrt(n_times), (len(x), n_times)), axis=1)
        phase = 2 * np.pi * (hz * np.arange(n_times) / fs * (1 + 2e-4 * slow))
        wave = np.sin(phase + rng.uniform(0, 2 * np.pi, (len(x), 1)))[:, None]
        hum = rng.uniform(0.1, 0.5, (*x.shape[:2], 1)) * wave
        hum += rng.normal(0, 0.003, hum.shape)
        if resampled:
            hum = resample_poly(hum, 1, 5, axis=2)
        return np.where(_some_leads(x, n, rng)[..., None], hum, x)

    return fault


def times(factor: float) -> Fault:
    """Another amplitude, rounded as files are."""
    return lambda x, rng: np.round(factor * x / STEP_MV) * STEP_MV


def one_lead_times(factor: float) -> Fault:
    """Another amplitude of one lead."""

    def fault(x: Signals, rng: np.random.Generator) -> Signals:
        x[_some_leads(x, 1, rng)] *= factor
        return x

    return fault


FAULTS: Mapping[str, Fault] = {
    "flat: all leads": flat(12),
    "flat: 7 leads": flat(7),
    "flat: 1 lead": flat(1),
    "1 lead comes off": falls_off,
    "clipped at 40%: all leads": clipped(0.4, 12),
    "clipped at 40%: 2 leads": clipped(0.4, 2),
    "1 lead repeats another": copied,
    "all leads the same": all_copied,
    "white noise of 0.1 mV alone": white(0.1, 12),
    "white noise of 0.1 mV: 1 lead": white(0.1, 1),
    "random walk alone": walk,
    "muscle alone": bursts,
    "50 Hz alone, at 100 Hz": mains(50, False),
    "60 Hz alone, at 100 Hz": mains(60, False),
    "50 Hz alone, resampled": mains(50, True),
    "60 Hz alone, resampled": mains(60, True),
    "50 Hz: 1 lead": mains(50, False, 1),
    "amplitude x 0.001 (volts)": times(0.001),
    "amplitude x 0.01": times(0.01),
    "amplitude x 0.1": times(0.1),
    "amplitude x 0.2": times(0.2),
    "amplitude x 5 (gain 200 for 1000)": times(5),
    "amplitude x 10": times(10),
    "amplitude x 100": times(100),
    "amplitude x 1000 (µV)": times(1000),
    "1 lead x 100": one_lead_times(100),
    "1 lead x 0.01": one_lead_times(0.01),
}


if __name__ == "__main__":
    sys.exit(main())
