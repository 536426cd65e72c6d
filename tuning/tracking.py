"""The MLflow runs of a study: one parent that all workers share, one run a trial below it."""

import fcntl
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from mlflow import MlflowClient
from mlflow.entities import Param, RunTag
from mlflow.entities import Run as StoredRun
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.tracking.fluent import _get_experiment_id
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NAME
from optuna.study import Study
from optuna.trial import TrialState

from heart_reader.files import cache_folder
from heart_reader.tracking import Run, left_behind, session, set_up_tracking
from heart_reader.tracking.delivery.keeper import Keeper
from heart_reader.tracking.delivery.lease import TAG as LEASE
from heart_reader.tracking.delivery.lease import read_lease
from heart_reader.tracking.delivery.outage import store_errors, waits_for_store
from heart_reader.training.trainer import Metrics
from tuning.outcome import DEAD, outcome_in_study
from tuning.store.patient import PatientStorage, StudyError

PARENT = "parent_run"  # the study's attribute that names the run
NAMED = 4  # parameters in the name of a trial's run; the UI shows some 20 letters
SHORT = {"learning_rate": "lr", "weight_decay": "decay", "batch_size": "batch"}


class StudyRun(Run):
    """A run that belongs to no process: whoever works on the study opens and ends it."""

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keeps the run's lease while inside, as other workers may do too."""
        keeper = Keeper(self.run_id, None, shared=True)
        try:
            yield
        finally:
            keeper.close()

    def set_status(self, status: str) -> None:
        """RUNNING, FINISHED, FAILED or KILLED; of a trial's run, what is left is sent first.

        Raises:
            TrackingError: the store was away for too long; a trial's spool stays.
        """
        if self.keeper is not None and status != "RUNNING":
            session.end(self.run_id, self.keeper, status, None)
        elif status == "RUNNING":
            waits_for_store(self.client.update_run)(self.run_id, status)
        else:
            waits_for_store(self.client.set_terminated)(self.run_id, status)

    @waits_for_store
    def experiment_id(self) -> str:
        """Where the runs below it go."""
        return str(self.client.get_run(self.run_id).info.experiment_id)

    def child(self, name: str, tags: Mapping[str, str]) -> "StudyRun":
        """A new run below this one, open until it has another status than RUNNING."""
        own = {MLFLOW_PARENT_RUN_ID: self.run_id, MLFLOW_RUN_NAME: name}
        run_id = session.create(self.experiment_id(), name, {**own, **tags})
        return StudyRun(run_id, Keeper(run_id, session.open_spool(run_id)))

    @waits_for_store
    def remove_folder(self, folder: str) -> None:
        """Removes artifacts; on a server those of somebody else's experiment stay."""
        repository = get_artifact_repository(self.client.get_run(self.run_id).info.artifact_uri)
        with left_behind(f"{folder} of trials"):
            repository.delete_artifacts(folder)  # type: ignore[no-untyped-call]

    @waits_for_store
    def start_trial(self, number: int, params: Mapping[str, object]) -> None:
        """What the trial tries, as params and in the run's name."""
        entities = [Param(key, str(value)) for key, value in params.items()]
        tags = [RunTag(MLFLOW_RUN_NAME, trial_name(number, params))]
        self.client.log_batch(self.run_id, params=entities, tags=tags)


def trial_name(number: int, params: Mapping[str, object]) -> str:
    """The trial by the first things that it tries; the run has all.

    >>> trial_name(3, {"training.learning_rate": 0.0031234, "training.batch_size": 64})
    '3: lr 0.00312, batch 64'
    """
    words = []
    for key, value in list(params.items())[:NAMED]:
        last = key.rpartition(".")[2]
        shown = f"{value:.3g}" if isinstance(value, float) else str(value)
        words.append(f"{SHORT.get(last, last.replace('_', ' '))} {shown}")
    return ": ".join([str(number), ", ".join(words)]) if words else f"trial {number}"


def set_up_shared_tracking() -> None:
    """`set_up_tracking`, one worker of this machine at a time: a new store is made only once.

    Raises:
        TrackingError: the store can't be reached or written to.
    """
    lock = cache_folder() / "tracking.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        set_up_tracking()
        with store_errors():
            MlflowClient().search_experiments(max_results=1)  # opens the store, and migrates it


def parent_run(study: Study, storage: PatientStorage, tags: Mapping[str, str]) -> StudyRun:
    """The run that all workers of a study share; the first worker makes it.

    Raises:
        StudyError: the study's run is in another tracking store.
        TrackingError: the tracking store can't be reached.
    """
    run_id = study.user_attrs.get(PARENT)
    if run_id is None:
        own = {MLFLOW_RUN_NAME: study.study_name, "study": study.study_name}
        experiment_id = str(waits_for_store(_get_experiment_id)())
        made = session.create(experiment_id, study.study_name, {**own, **tags})
        run_id = storage.claim(study._study_id, PARENT, made)
        if run_id != made:  # another worker was faster
            StudyRun(made).set_status("KILLED")
            with left_behind("empty runs of workers that came second"):
                waits_for_store(MlflowClient().delete_run)(made)
    _require_run(study, run_id)
    return StudyRun(run_id)


@waits_for_store
def _require_run(study: Study, run_id: str) -> None:
    try:
        MlflowClient().get_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        raise StudyError(
            f"study {study.study_name!r} is tracked in run {run_id}, which this tracking "
            "store lacks: give MLFLOW_TRACKING_URI of its first worker, or another study"
        ) from error


def adopt_launcher(parent: StudyRun) -> None:
    """Under ``mlflow run``, hangs the run that it opened for this worker below the study's."""
    launcher = os.environ.get("MLFLOW_RUN_ID")
    if launcher is not None:
        name = f"worker {socket.gethostname()} {os.getpid()}"
        Run(launcher).set_tags({MLFLOW_PARENT_RUN_ID: parent.run_id, MLFLOW_RUN_NAME: name})


@waits_for_store
def close_dead_runs(parent: StudyRun, study: Study) -> int:
    """Ends the runs that dead workers left RUNNING, as the study has their trials; says how many.

    The trials of most were lost; a worker may also have died after it told the study a result.
    What one of this machine hadn't sent yet is sent.
    The run that ``mlflow run`` opened for a worker is among them, when its lease says so.
    """
    found = parent.client.search_runs(
        [parent.experiment_id()],
        f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{parent.run_id}' and attributes.status = 'RUNNING'",
    )
    # Asked for later than the runs, so that no trial is missing that began meanwhile.
    states = {str(trial.number): trial.state for trial in study.get_trials(False)}
    dead = [run for run in found if _is_dead(run, states)]
    for run in dead:
        number = run.data.tags.get("trial")
        outcome = DEAD if number is None else outcome_in_study(states.get(number))
        Run(run.info.run_id).set_tags(outcome.tags)
        session.send_what_is_left(run.info.run_id)
        parent.client.set_terminated(run.info.run_id, outcome.status)
    return len(dead)


def _is_dead(run: StoredRun, states: Mapping[str, TrialState]) -> bool:
    number = run.data.tags.get("trial")
    if number is not None:
        return states.get(number) is not TrialState.RUNNING
    lease = read_lease(run.data.tags.get(LEASE))
    return lease is not None and not (lease.fresh if lease.alive is None else lease.alive)


class PointBuffer:
    """A trainer's hook: logs each epoch, and takes the time that training stood still for it."""

    def __init__(self, run: StudyRun) -> None:
        self.run = run
        self.seconds = 0.0

    def __call__(self, epoch: int, metrics: Metrics) -> None:
        """Takes the epoch that just ended."""
        self.add(metrics, epoch)

    def add(self, metrics: Metrics, step: int) -> None:
        """Takes some metrics; the run's keeper sends those of several epochs in one request."""
        started = time.monotonic()
        self.run.log_metrics(metrics, step)
        self.seconds += time.monotonic() - started

    def send(self) -> None:
        """Waits until the store has everything."""
        started = time.monotonic()
        self.run.flush()
        self.seconds += time.monotonic() - started
