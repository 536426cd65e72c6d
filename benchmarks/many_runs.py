"""A planned list of trainings in one process: fold-9 scores of each, and bundles where asked for.

    python -m benchmarks.many_runs LIST.yaml --data PTBXL --folder runs [--part 1/3] [--limit 100]

The list names runs and what each changes, most telling first:

    runs:
    - {name: all-inception1d-0, keep: true, task: all, backbone: inception1d, seed: 0}

``signal_only: true`` leaves the features to the teacher. What is done already is left out, so that
a list can be stopped and gone on with. ``--part 1/3`` takes every third run: on a GPU three
processes keep it busy while each reads, scores and writes.
It needs what ``benchmarks.full_run`` needs.
"""

import argparse
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.full_run import write_bundle
from heart_reader.bundle.single import Bundle
from heart_reader.cli.entry import dotted_options, run_entry
from heart_reader.config.load import Config, load_config
from heart_reader.config.yaml_files import read_yaml
from heart_reader.data.dataset import DataConfig, FeaturesConfig, Records, load_development
from heart_reader.errors import ConfigError, HeartReaderError
from heart_reader.evaluation.metrics import defined_auc, mean_defined
from heart_reader.evaluation.scored import Scored
from heart_reader.files import cache_folder, written_whole
from heart_reader.fitting import make_trainer, prepare
from heart_reader.tasks.ptbxl import TaskConfig

OF_THE_LIST = ("name", "keep", "config", "signal_only")  # the other keys are the configuration's


def main(words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("list", type=Path, help="a YAML file")
    parser.add_argument("--data", required=True, help="a PTB-XL tree")
    parser.add_argument("--folder", required=True, type=Path, help="where scores and bundles go")
    parser.add_argument("--part", default="1/1", help="I/N: every N-th run, from the I-th")
    parser.add_argument("--limit", type=int, help="the first so many records of each fold")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin none after")
    options, dotted = parser.parse_known_args(words)
    beside = {"data": options.data, **dotted_options(dotted)}
    if options.limit is not None:
        beside["data.records_per_fold"] = options.limit
    first, n_parts = (int(number) for number in options.part.split("/"))
    runs = read_yaml(options.list).get("runs")
    if not isinstance(runs, list):
        raise ConfigError(f"{options.list} must have a list 'runs', but has {runs!r}")
    started = time.perf_counter()
    for run in runs[first - 1 :: n_parts]:
        if time.perf_counter() - started > options.seconds:
            print(f"{run['name']}: no time left", flush=True)
        elif not (options.folder / "scores" / f"{run['name']}.npz").exists():
            try:
                do(run, beside, options.folder)
            except (
                HeartReaderError,
                RuntimeError,
            ):  # the others shall have their time all the same
                print(f"{run['name']}: failed", flush=True)
                traceback.print_exc()


def do(run: Mapping[str, Any], beside: Mapping[str, object], folder: Path) -> None:
    """One training: its scores, its line and, where the list says ``keep``, its bundle."""
    name, keep = run["name"], run.get("keep", False)
    own = {key: value for key, value in run.items() if key not in OF_THE_LIST}
    config = load_config(run.get("config", "recipe"), {**beside, **own})
    started = time.perf_counter()
    records = _records(config.data, config.task, config.features)
    prepared = prepare(records)
    if run.get("signal_only", False):
        prepared = replace(prepared, encoder=None)
    trainer = make_trainer(prepared, config)
    ready = time.perf_counter()
    result = trainer.fit([])
    fitted = time.perf_counter()
    bundle, scored = write_bundle(prepared, config, result, folder / name if keep else None)
    auc = mean_defined(defined_auc(scored.y_true, scored.y_score))
    save_scores(folder / "scores" / f"{name}.npz", config, bundle, scored)
    print(
        f"{name:36} macro AUC {auc:.4f}, best epoch {result.best_epoch + 1} of "
        f"{len(result.history)}; {ready - started:.1f} s to begin, {fitted - ready:.1f} s to "
        f"train, {time.perf_counter() - fitted:.1f} s to score",
        flush=True,
    )


@lru_cache(maxsize=8)
def _records(data: DataConfig, task: TaskConfig, features: FeaturesConfig) -> Records:
    return load_development(data, task, features, cache_folder())


def save_scores(path: Path, config: Config, bundle: Bundle, scored: Scored) -> None:
    """Fold-9 probabilities of a run, with what an ensemble of several needs to know."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file,
            ecg_id=scored.ecg_id,
            y_true=scored.y_true,
            y_score=scored.y_score.astype(np.float32),
            classes=np.array(bundle.task.classes),
            task=config.task.name,
        )


if __name__ == "__main__":
    raise SystemExit(run_entry(main))
