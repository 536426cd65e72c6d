"""One worker of one study: trial after trial until the budget is spent."""

import logging
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import optuna
from optuna.exceptions import ExperimentalWarning, TrialPruned, UpdateFinishedTrialError
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from heart_reader.config.load import Config, changed
from heart_reader.data.dataset import Records, load_development
from heart_reader.files import cache_folder
from tuning import plots
from tuning.config import TuningConfig
from tuning.objective import Objective, Search, prepare_splits
from tuning.outcome import HandedBackError, TakenError
from tuning.request import TuneRequest
from tuning.search_space import load_space
from tuning.store.patient import BudgetSpentError, PatientStorage
from tuning.store.storage import opened_storage
from tuning.study import (
    Identity,
    best_trial,
    make_identity,
    open_study,
    progress_of,
    study_name,
    trials_since_best,
)
from tuning.tracking import StudyRun, adopt_launcher, close_dead_runs, parent_run

SECONDS_BETWEEN_LOOKS = 2.0  # at trials that other workers are running


def search_all(request: TuneRequest) -> list[Study]:
    """One worker of a study for each backbone, one study after the other."""
    first, alone = request.configs[0], len(request.configs) == 1
    with opened_storage(request.tuning) as storage:
        records = load_development(
            first.data, first.task, first.features, cache_folder(), first.signal
        )
        return [
            search(config, request.tuning, records, storage, alone) for config in request.configs
        ]


def search(
    config: Config, tuning: TuningConfig, records: Records, storage: PatientStorage, alone: bool
) -> Study:
    """Works on the study of a configuration's backbone, and gives it when it is over.

    Args:
        alone: the process works on this study only, so that its own run hangs below the study's.

    Raises:
        StudyError: the study belongs to another search, or no trial was completed.
    """
    quiet()
    if tuning.epochs is not None:
        config = changed(config, {"training.epochs": tuning.epochs})
    space = load_space(tuning.space, config)
    identity = make_identity(config, tuning, space, records)
    name = study_name(tuning, identity, config.model.backbone)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        study = open_study(name, storage, tuning, config, space, identity)
        if tuning.workers > 1 or progress_of(study).finished >= tuning.trials:
            best_trial(study)
            print(f"study {name}: {progress_of(study).finished} trials", file=sys.stderr)
            return study
        parent = parent_run(study, storage, _tags(config, identity))
        if alone:
            adopt_launcher(parent)
        deadline = time.monotonic() + (tuning.timeout or float("inf"))
        folder = cache_folder() / "studies" / parent.run_id
        prepared = prepare_splits(tuning, records)
        shared = Search(study, storage, config, space, tuning, prepared, parent, folder, deadline)
        with parent.kept(), _open_parent(parent, study):
            _work(shared)
    best_trial(study)
    return study


def quiet() -> None:
    """Optuna's and alembic's own lines would stand between the progress bars."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.WARNING)


def _tags(config: Config, identity: Identity) -> dict[str, str]:
    return {
        "backbone": config.model.backbone,
        "data_digest": identity.data,
        "objective": identity.objective,
        "kind": "study",
    }


@contextmanager
def _open_parent(parent: StudyRun, study: Study) -> Iterator[None]:
    """The study's run: RUNNING while somebody works on it, with the results at the end."""
    parent.set_status("RUNNING")
    close_dead_runs(parent, study)
    status = "KILLED"
    try:
        yield
        status = "FINISHED"
    except Exception:
        status = "FAILED"
        raise
    finally:
        close_dead_runs(parent, study)
        p = progress_of(study)
        if p.running == 0:
            plots.log_results(parent, study)
            parent.set_status(status)


def _work(shared: Search) -> None:
    """Runs trials until the search is over, and waits for those of other workers."""
    study, tuning = shared.study, shared.tuning
    objective = Objective(shared)
    shared.storage.budget = tuning.trials
    failed = progress_of(study).failed
    while (reason := _why_over(shared)) is None:
        shared.parent.set_status("RUNNING")  # a worker that left may have ended it
        try:
            _say(study, objective(_next_trial(study)), tuning)
        except BudgetSpentError:
            # All are handed out: should a worker die, its trial is ours to retry.
            time.sleep(SECONDS_BETWEEN_LOOKS)
        except TakenError as error:
            print(f"this worker's trial was taken over by another{_aside(error)}", file=sys.stderr)
        except HandedBackError:
            continue  # the time is over, as the next look says
        if (now := progress_of(study).failed) > failed:
            failed = now
            close_dead_runs(shared.parent, study)
    print(f"study {study.study_name}: {reason}", file=sys.stderr)


def _next_trial(study: Study) -> Trial:
    """One that a dead worker left, or a new one.

    Raises:
        BudgetSpentError: there is none to begin.
    """
    optuna.storages.fail_stale_trials(study)
    with warnings.catch_warnings():
        # The objective sends the heartbeats, as Study.optimize would, until the trial has ended.
        warnings.filterwarnings("ignore", "Heartbeat of storage is supposed", UserWarning)
        return study.ask()


def _aside(error: TakenError) -> str:
    """What went wrong in a trial that isn't ours any more, which may be the other's doing."""
    cause = error.__cause__
    if cause is None or isinstance(cause, TrialPruned | UpdateFinishedTrialError):
        return ""
    return f" ({type(cause).__name__}: {cause})"


def _why_over(shared: Search) -> str | None:
    """Why no further trial begins, or ``None``."""
    tuning, progress = shared.tuning, progress_of(shared.study)
    if progress.finished >= tuning.trials:
        return f"{progress.complete} trials complete, {progress.pruned} pruned"
    if time.monotonic() > shared.deadline:
        return f"{tuning.timeout:g} s are over"
    if tuning.patience_trials is not None:
        waited = trials_since_best(shared.study)
        if waited >= tuning.patience_trials:
            return f"the last {waited} trials brought nothing better"
    return None


def _say(study: Study, trial: FrozenTrial, tuning: TuningConfig) -> None:
    """A line for each trial."""
    done = progress_of(study)
    seconds = trial.duration.total_seconds() if trial.duration else 0.0
    what = "pruned" if trial.state == TrialState.PRUNED else trial.state.name.lower()
    value = "" if trial.value is None else f" {trial.value:.4f}"
    best = f", best {best_trial(study).value:.4f}" if done.complete else ""
    print(
        f"trial {trial.number}: {what}{value} in {seconds:.0f} s "
        f"({done.finished} of {tuning.trials}{best})",
        file=sys.stderr,
    )
