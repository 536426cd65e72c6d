"""Whether a model's word can be trusted, on real records: calibration, abstention, novelty.

    python -m benchmarks.trust --data PTBXL [--model pretrained/se_resnet1d ...] [--records 400]

Novelty is fitted for each model as a training does (4,000 records of folds 1 to 8, fold 9 for the
limit). Then the share that is called novel, and the share whose quality is at least doubtful: of
fold 9, of paced records, and of fold-9 records with a fault put in. Fold 10 is never opened.
"""

import argparse
import os
from collections.abc import Callable, Mapping
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from heart_reader.bundle.scoring import with_novelty
from heart_reader.bundle.single import Bundle, load_bundle
from heart_reader.config.load import load_config
from heart_reader.data.dataset import FeaturesConfig, Records, load_development
from heart_reader.data.delineation import delineate
from heart_reader.data.delineation.warnings import LEAD_REVERSAL
from heart_reader.data.ptbxl import LEADS, TRAIN_FOLDS, VALIDATION_FOLD
from heart_reader.data.quality import GOOD, assess
from heart_reader.data.recordings.limb_leads import MOST_CONTRADICTION, contradiction
from heart_reader.files import cache_folder

Signals = NDArray[np.float32]
HUM_HZ, HUM_MV, NOISE_MV = 50.0, 0.5, 0.3
DEFAULT = ("pretrained/se_resnet1d",)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument(
        "--model", nargs="+", default=DEFAULT, help="bundle folders, one model each"
    )
    parser.add_argument("--records", type=int, default=400, help="of fold 9 that get faults")
    options = parser.parse_args()
    # Most paced records have no superclass: they are kept.
    kept = {"data.root": str(options.data), "task.unlabelled": "keep"}
    config = load_config("default", kept)
    none = FeaturesConfig("none")
    records = load_development(config.data, config.task, none, cache_folder(), config.signal)
    parts = parts_of(records, options.records)
    quality = {name: doubtful(signals, records.spec.fs) for name, signals in parts.items()}
    shares = {}
    for folder in options.model:
        chosen = config.evaluation.n_novelty
        bundle = with_novelty(load_bundle(Path(folder)), records, chosen, config.seed)
        shares[Path(folder).name] = {name: novel(bundle, s) for name, s in parts.items()}
    shares["limb leads contradict"] = {name: contradicting(s) for name, s in parts.items()}
    shares["reversal is noted"] = {
        name: reversed_(s, records.spec.fs) for name, s in parts.items()
    }
    show(parts, shares, quality)


def parts_of(records: Records, n: int) -> Mapping[str, Signals]:
    """Signals in mV (n_records, n_leads, n_times) by what they are."""
    rows = records.rows((VALIDATION_FOLD,))
    rng = np.random.default_rng(0)
    some = records.millivolts(np.sort(rng.choice(rows, min(n, len(rows)), replace=False)))
    paced = records.metadata["pacemaker"].notna().to_numpy()
    train = np.isin(records.fold, TRAIN_FOLDS)
    every = np.arange(len(records.fold))
    found: dict[str, Signals] = {
        "fold 9": records.millivolts(rows),
        "paced, folds 1 to 8": records.millivolts(every[paced & train]),
        "paced, fold 9": records.millivolts(every[paced & ~train]),
    }
    return found | {name: change(some, rng) for name, change in FAULTS.items()}


# ---------------------------------------------------------------- faults


def hum(signals: Signals, rng: np.random.Generator) -> Signals:
    t = np.arange(signals.shape[2]) / 100.0
    # Sampled at 100 Hz, 50 Hz alternates: its phase is the recorder's.
    wave = HUM_MV * np.cos(2 * np.pi * HUM_HZ * t + 0.3)
    return np.asarray(signals + wave, np.float32)


def noise(signals: Signals, rng: np.random.Generator) -> Signals:
    return np.asarray(signals + rng.normal(0, NOISE_MV, signals.shape), np.float32)


def noise_alone(signals: Signals, rng: np.random.Generator) -> Signals:
    return np.asarray(rng.normal(0, NOISE_MV, signals.shape), np.float32)


def permuted(signals: Signals, rng: np.random.Generator) -> Signals:
    return signals[:, rng.permutation(signals.shape[1])]


def arms_swapped(signals: Signals, rng: np.random.Generator) -> Signals:
    """The electrodes of the arms: I turned round, II and III, aVR and aVL changed."""
    named = dict(zip(LEADS, signals.transpose(1, 0, 2), strict=True))
    swapped = {"I": -named["I"], "II": named["III"], "III": named["II"],
               "aVR": named["aVL"], "aVL": named["aVR"]}  # fmt: skip
    return np.stack([swapped.get(lead, named[lead]) for lead in LEADS], axis=1)


def flat(signals: Signals, rng: np.random.Generator) -> Signals:
    return np.zeros_like(signals)


FAULTS: Mapping[str, Callable[[Signals, np.random.Generator], Signals]] = {
    "as they are": lambda signals, rng: signals,
    f"{HUM_HZ:g} Hz hum, {HUM_MV} mV": hum,
    f"white noise, {NOISE_MV} mV": noise,
    "noise alone": noise_alone,
    "all leads flat": flat,
    "leads permuted": permuted,
    "arms swapped": arms_swapped,
    "amplitude x 3": lambda signals, rng: 3 * signals,
    "turned upside down": lambda signals, rng: -signals,
}


# ---------------------------------------------------------------- judged


def novel(bundle: Bundle, signals: Signals) -> float:
    """The share that the model calls novel."""
    novelty = bundle.answer(np.asarray(signals, np.float32), None).novelty
    return float("nan") if novelty is None else float((novelty > 1).mean())


def doubtful(signals: Signals, fs: int) -> float:
    """The share whose quality isn't good."""
    return float(np.mean([q.verdict != GOOD for q in assess(signals, fs, LEADS)]))


def contradicting(signals: Signals) -> float:
    """The share whose limb leads can't be of one body; a note says so where a file is read."""
    found = [contradiction(dict(zip(LEADS, each, strict=True)))[0] for each in signals]
    return float(np.mean(np.array(found) > MOST_CONTRADICTION))


def reversed_(signals: Signals, fs: int) -> float:
    """The share of which a note says that leads may be reversed."""
    told = delineate(signals, fs).warnings
    return float(np.mean([LEAD_REVERSAL in each for each in told]))


def show(
    parts: Mapping[str, Signals],
    shares: Mapping[str, Mapping[str, float]],
    quality: Mapping[str, float],
) -> None:
    """A row a kind of record."""
    named = [n if " " in n else f"novel to {n}" for n in shares]
    table = Table("records", "n", *named, "at least doubtful")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, signals in parts.items():
        cells = [f"{each[name]:.1%}" for each in shares.values()]
        table.add_row(name, f"{len(signals):,}", *cells, f"{quality[name]:.1%}")
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
