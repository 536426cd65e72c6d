"""Entry point ``tune``: one worker of a named study; start as many as you like, anywhere.

python -m tuning.tune --study first --backbone se_resnet1d --trials 20
python -m tuning.tune --study first --trials 100 --storage postgresql+psycopg2://me@host/studies
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass

from optuna.study import Study

from heart_reader import train
from heart_reader.cache import cache_folder
from heart_reader.cli.entry import dotted_options, run_entry
from heart_reader.config.load import CONFIG_DEFAULTS, Config
from heart_reader.data.dataset import load_development
from heart_reader.errors import ConfigError
from tuning import plots
from tuning.config import TUNING_DEFAULTS, TuningConfig, load_tuning, split_options
from tuning.search import search
from tuning.storage import opened_storage
from tuning.tracking import set_up_shared_tracking
from tuning.workers import run_workers


@dataclass(frozen=True)
class Order:
    """What was asked for: a search, and a configuration for each backbone."""

    tuning: TuningConfig
    configs: tuple[Config, ...]
    options: Mapping[str, str]


def main() -> None:
    """Reads the options and runs."""
    run(dotted_options(sys.argv[1:]))


def run(options: dict[str, str]) -> None:
    """Works on the studies, and prints the best of each.

    Raises:
        ConfigError: unknown options or values.
    """
    order = read_order(options)
    if order.tuning.trials < 1:
        raise ConfigError("tune needs a number of trials: -P trials=20")
    set_up_shared_tracking()
    for study in tune(order):
        plots.print_best(study)


def read_order(options: dict[str, str]) -> Order:
    """The search and the configurations that the options ask for.

    Raises:
        ConfigError: unknown options or values.
    """
    own, others = split_options(options)
    overlay = others.get("config", "auto")
    if overlay == "auto":
        overlay = "demo" if others.get("data", "demo") == "demo" else "default"
    others.pop("resume", None)
    job = train.new_job(dict(others))
    return Order(load_tuning(overlay, own), job.configs, options)


def tune(order: Order) -> list[Study]:
    """Searches for every backbone, one study each, in this process or by several workers."""
    if order.tuning.workers > 1:
        run_workers(order.tuning, {k: v for k, v in order.options.items() if k != "resume"})
    first = order.configs[0]
    with opened_storage(order.tuning) as storage:
        records = load_development(first.data, first.task, first.features, cache_folder())
        alone = len(order.configs) == 1
        return [search(config, order.tuning, records, storage, alone) for config in order.configs]


if __name__ == "__main__":
    raise SystemExit(run_entry(main, TUNING_DEFAULTS, CONFIG_DEFAULTS))
