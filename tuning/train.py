"""Entry point ``train``: search first where that is asked for, then train with what was found.

python -m tuning.train --config demo --trials 2
python -m tuning.train --data ~/ptbxl --study first --storage postgresql+psycopg2://me@host/studies
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from optuna.study import Study

from heart_reader import train, train_text
from heart_reader.cli.entry import dotted_options, run_entry
from heart_reader.config.load import CONFIG_DEFAULTS, Config, changed
from heart_reader.errors import ConfigError
from tuning import plots
from tuning.config import TUNING_DEFAULTS, split_options
from tuning.storage import opened_storage
from tuning.study import best_trial, load_best
from tuning.tracking import set_up_shared_tracking
from tuning.tune import Order, read_order, tune


def main() -> None:
    """Reads the options, searches, trains, and prints the tables."""
    options = dotted_options(sys.argv[1:])
    own, others = split_options(options)
    resume = others.pop("resume", "none")
    set_up_shared_tracking()
    if resume != "none":
        extra = sorted(key for key, value in own.items() if value != "auto")
        if extra:  # its configuration is the one that the search had found
            raise ConfigError(f"resume continues a run as it began: leave out {', '.join(extra)}")
        train_text.print_outcomes(train.train(train.resumed_job(resume, others)))
        return
    if own.get("study", "auto") != "auto" and own.get("trials", "auto") == "auto":
        options["trials"] = "0"  # a study that was searched before
    order = read_order(options)
    job = train.new_job(others)
    if order.tuning.trials > 0 or order.tuning.study != "auto":
        job = replace(job, **best_configs(order))
    train_text.print_outcomes(train.train(job))


def best_configs(order: Order) -> dict[str, Any]:
    """The configurations and tags of a `train.Job`, from a search or from a study that exists."""
    if order.tuning.trials > 0:
        studies = tune(order)
        for study in studies:
            plots.print_best(study)
        return searched(order.configs, studies)
    with opened_storage(order.tuning) as storage:
        name = order.tuning.study
        studies = [
            load_best(storage, f"{name}-{config.model.backbone}") for config in order.configs
        ]
        return searched(order.configs, studies)


def searched(configs: Sequence[Config], studies: Sequence[Study]) -> dict[str, Any]:
    """Each configuration with the best values of its study."""
    found = [
        changed(config, best_trial(study).params)
        for config, study in zip(configs, studies, strict=True)
    ]
    names = [
        study.study_name.removesuffix(f"-{config.model.backbone}")
        for config, study in zip(configs, studies, strict=True)
    ]
    return {"configs": tuple(found), "tags": {"study": ",".join(dict.fromkeys(names))}}


if __name__ == "__main__":
    raise SystemExit(run_entry(main, TUNING_DEFAULTS, CONFIG_DEFAULTS))
