"""Drifts played with real records: after how many answers `monitor` tells, and false alarms.

python -m benchmarks.watch_drift --data PTBXL --model pretrained/se_resnet1d

Fold 9 is halved by patients. One half is what answers are held against; windows are drawn from the
other one, as they are or with a fault. Answers are kept in the cache.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from heart_reader.bundle.folders import folder_digest
from heart_reader.bundle.kinds import AnyBundle, open_bundle
from heart_reader.config.load import load_config
from heart_reader.data.dataset import FeaturesConfig, Records, load_development
from heart_reader.data.ptbxl import LEADS, VALIDATION_FOLD, age_years
from heart_reader.evaluation.plots.figures import OTHER_COLORS, new_figure, save, style
from heart_reader.files import cache_folder, user_path, written_whole
from heart_reader.predictions.journal import Row
from heart_reader.progress import progress
from registry.settings import load_settings
from registry.watch.drift import Limits, compare_samples, judge
from registry.watch.reference import CHUNK, answer
from registry.watch.sample import sample_of

Signals = NDArray[np.float32]
SIZES = (25, 50, 100, 150, 200, 300, 500, 800)
OLD = 75  # years


def swapped_arms(signals: Signals) -> Signals:
    """The cables of both arms exchanged: I turns over, II and III, aVR and aVL change."""
    at = {name: k for k, name in enumerate(LEADS)}
    order = list(range(len(LEADS)))
    for a, b in (("II", "III"), ("aVR", "aVL")):
        order[at[a]], order[at[b]] = at[b], at[a]
    changed = signals[:, order].copy()
    changed[:, at["I"]] *= -1
    return changed


FAULTS: dict[str, Callable[[Signals], Signals]] = {
    "as it is": lambda signals: signals,
    "gain x 2": lambda signals: 2 * signals,
    "arms swapped": swapped_arms,
}


def main() -> None:
    """Prints the table, and draws it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=user_path, required=True, help="a PTB-XL tree")
    parser.add_argument("--model", type=user_path, default=Path("pretrained/se_resnet1d"))
    parser.add_argument("--draws", type=int, default=100, help="windows of each size")
    parser.add_argument("--only", nargs="*", default=[], help="stories, by their columns' names")
    parser.add_argument("--figure", type=user_path, help="a PNG that is written")
    options = parser.parse_args()
    bundle = open_bundle(options.model)
    config = load_config("default", {"data.root": str(options.data)})
    records = load_development(
        config.data, config.task, FeaturesConfig("none"), cache_folder(), config.signal
    )
    rows = {name: answers(options.model, bundle, records, name) for name in FAULTS}
    found = play(bundle, records, rows, options.draws, options.only)
    print("| window |" + "".join(f" {name} |" for name in found))
    print("|---|" + "---|" * len(found))
    for k, n in enumerate(SIZES):
        print(f"| {n} |" + "".join(f" {100 * told[k]:.0f}% |" for told in found.values()))
    if options.figure:
        draw(found, options.figure)


def answers(model: Path, bundle: AnyBundle, records: Records, fault: str) -> list[Row]:
    """Rows of the log, one a record of fold 9, with a fault put into each."""
    name = f"{folder_digest(model)[:12]}-{fault.replace(' ', '-')}.jsonl"
    path = cache_folder() / "drift" / name
    if path.exists():
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    rows = records.rows((VALIDATION_FOLD,))
    said: list[Row] = []
    chunks = [rows[k : k + CHUNK] for k in range(0, len(rows), CHUNK)]
    for chunk in progress(chunks, fault, f"x {CHUNK} records"):
        about = records.metadata.iloc[chunk]
        people = list(zip(age_years(about), about["sex"].to_numpy(), strict=True))
        signals = FAULTS[fault](records.millivolts(chunk))
        said += list(answer(model.name, bundle, signals, people))
    with written_whole(path) as temporary:
        temporary.write_text("".join(json.dumps(row) + "\n" for row in said), "utf-8")
    return said


def play(
    bundle: AnyBundle, records: Records, rows: dict[str, list[Row]], n_draws: int, only: list[str]
) -> dict[str, list[float]]:
    """The share of windows in which something is told, by what was played and its size."""
    rng = np.random.default_rng(0)
    about = records.metadata.iloc[records.rows((VALIDATION_FOLD,))]
    patients = about["patient_id"].to_numpy()
    first = np.isin(patients, rng.permutation(np.unique(patients))[::2])
    half = np.flatnonzero(~first)
    old = half[age_years(about)[half] >= OLD]
    classes, monitor = bundle.task.classes, load_settings({})[0].monitor
    limits = Limits(monitor.level, monitor.psi, monitor.share)
    clean = rows["as it is"]
    reference = sample_of([clean[k] for k in np.flatnonzero(first)], classes)
    print(f"{first.sum():,} records to be held against, {len(half):,} to draw from")

    def faulty(chosen: NDArray[np.intp], fault: str, share: float) -> list[Row]:
        wrong = rng.random(len(chosen)) < share
        return [
            rows[fault if bad else "as it is"][k] for k, bad in zip(chosen, wrong, strict=True)
        ]

    def among(those: NDArray[np.intp], n: int) -> NDArray[np.intp]:
        return rng.choice(those, n, replace=n > len(those))

    stories: dict[str, Callable[[int], list[Row]]] = {
        "nothing": lambda n: [clean[k] for k in among(half, n)],
        "gain x 2": lambda n: faulty(among(half, n), "gain x 2", 1.0),
        "gain x 2 in 10%": lambda n: faulty(among(half, n), "gain x 2", 0.1),
        "arms swapped in 10%": lambda n: faulty(among(half, n), "arms swapped", 0.1),
        f"all from {OLD} on": lambda n: [clean[k] for k in among(old, n)],
        "the same, no ages told": lambda n: [{**clean[k], "decade": None} for k in among(old, n)],
    }
    found: dict[str, list[float]] = {}
    for story, drawn in stories.items():
        if only and story not in only:
            continue
        found[story] = []
        for n in SIZES:
            told = 0
            for _ in range(n_draws):
                judged = judge(
                    compare_samples(sample_of(drawn(n), classes), reference, ""), limits
                )
                told += judged[0].alert
            found[story].append(told / n_draws)
    return found


def draw(found: dict[str, list[float]], path: Path) -> None:
    """Told in how many windows, by their size."""
    drawn = new_figure(7, 4)
    axes = drawn.add_subplot()
    for (name, told), color in zip(found.items(), OTHER_COLORS, strict=False):
        axes.plot(SIZES, [100 * each for each in told], "o-", color=color, label=name, ms=4)
    axes.set_xscale("log")
    axes.set_xticks(SIZES, [str(n) for n in SIZES])
    axes.minorticks_off()
    style(axes, "Windows in which monitor tells of a change", "answers of the window", "%")
    axes.legend(fontsize=8, frameon=False)
    save(drawn, path)


if __name__ == "__main__":
    main()
