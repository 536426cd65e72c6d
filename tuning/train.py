"""Entry point ``train``: search first where that is asked for, then train with what was found.

python -m tuning.train --config demo --trials 2
python -m tuning.train --data ~/ptbxl --study first --storage postgresql+psycopg2://me@host/studies
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from optuna.study import Study

from heart_reader import train
from heart_reader.cli.entry import dotted_options, run_entry
from heart_reader.config.load import Config, changed
from heart_reader.config.request import AUTO
from heart_reader.project import CONFIG_DEFAULTS
from heart_reader.trainings import text as train_text
from heart_reader.trainings.job import Job
from heart_reader.trainings.job import job_of as training_job
from tuning import plots
from tuning.commands import TUNING_DEFAULTS
from tuning.request import SearchAndTrainRequest, TuneRequest, read_request
from tuning.store.storage import opened_storage
from tuning.study import best_trial, load_best
from tuning.tracking import set_up_shared_tracking
from tuning.tune import tune


def main(words: Sequence[str]) -> None:
    """Reads the options, searches, trains, and prints the tables."""
    request = read_request(dotted_options(words))
    set_up_shared_tracking()
    train_text.print_trained(train.train(job_of(request)))


def job_of(request: SearchAndTrainRequest) -> Job:
    """What is trained: as asked for, or as a search finds it."""
    job, search = training_job(request.training), request.search
    if search is None or (search.tuning.trials == 0 and search.tuning.study == AUTO):
        return job
    train.require_registered_models(job)
    return replace(job, **best_configs(search))


def best_configs(request: TuneRequest) -> dict[str, Any]:
    """The configurations and tags of a `Job`, from a search or from a study that exists."""
    if request.tuning.trials > 0:
        studies = tune(request)
        for study in studies:
            plots.print_best(study)
        return searched(request.configs, studies)
    with opened_storage(request.tuning) as storage:
        name = request.tuning.study
        studies = [
            load_best(storage, f"{name}-{config.model.backbone}") for config in request.configs
        ]
        return searched(request.configs, studies)


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
