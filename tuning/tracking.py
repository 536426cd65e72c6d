"""The MLflow runs of a study: one parent that all workers share, one run a trial below it."""

import fcntl
import functools
import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import ParamSpec, TypeVar

from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from mlflow.entities import Run as StoredRun
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.tracking.fluent import _get_experiment_id
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NAME
from optuna.study import Study
from optuna.trial import TrialState

from heart_reader.cache import cache_folder
from heart_reader.errors import TrackingError
from heart_reader.tracking import Run, set_up_tracking
from heart_reader.tracking.runs import store_errors
from heart_reader.training.trainer import Metrics
from tuning.outcome import outcome_in_study
from tuning.patient_storage import PatientStorage, StudyError

P = ParamSpec("P")
R = TypeVar("R")
PARENT = "parent_run"  # the study's attribute that names the run
SECONDS_BETWEEN_POINTS = 10.0
POINTS_PER_BATCH = 1000
SECONDS_OF_OUTAGE, SECONDS_BETWEEN_TRIES = 600.0, 1.0


def patiently(method: Callable[P, R]) -> Callable[P, R]:
    """The same method, tried again while the tracking store's database is away.

    A tracking server needs none of this: MLflow's client itself tries again for minutes.
    """

    @functools.wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        deadline = time.monotonic() + SECONDS_OF_OUTAGE
        while True:
            try:
                return method(*args, **kwargs)
            except TrackingError as error:
                code = getattr(error.__cause__, "error_code", "")
                if code != "TEMPORARILY_UNAVAILABLE" or time.monotonic() > deadline:
                    raise
            time.sleep(SECONDS_BETWEEN_TRIES)

    return call


class StudyRun(Run):
    """A run that belongs to no process: whoever works on the study opens and ends it."""

    set_tags = patiently(Run.set_tags)

    @patiently
    @store_errors()
    def set_status(self, status: str) -> None:
        """RUNNING, FINISHED, FAILED or KILLED."""
        if status == "RUNNING":
            self.client.update_run(self.run_id, status)
        else:
            self.client.set_terminated(self.run_id, status)

    @store_errors()
    def experiment_id(self) -> str:
        """Where the runs below it go."""
        return str(self.client.get_run(self.run_id).info.experiment_id)

    @patiently
    @store_errors()
    def child(self, name: str, tags: Mapping[str, str]) -> "StudyRun":
        """A new run below this one."""
        own = {MLFLOW_PARENT_RUN_ID: self.run_id, MLFLOW_RUN_NAME: name}
        made = self.client.create_run(self.experiment_id(), tags={**own, **tags}, run_name=name)
        return StudyRun(made.info.run_id)

    @patiently
    @store_errors()
    def remove_folder(self, folder: str) -> None:
        """Removes artifacts."""
        repository = get_artifact_repository(self.client.get_run(self.run_id).info.artifact_uri)
        repository.delete_artifacts(folder)  # type: ignore[no-untyped-call]

    @patiently
    @store_errors()
    def start_trial(self, params: Mapping[str, object]) -> None:
        """What the trial tries."""
        entities = [Param(key, str(value)) for key, value in params.items()]
        self.client.log_batch(self.run_id, params=entities)

    @patiently
    @store_errors()
    def log_points(self, points: list[Metric]) -> None:
        """Points of several steps in as few requests as can be."""
        for start in range(0, len(points), POINTS_PER_BATCH):
            self.client.log_batch(self.run_id, metrics=points[start : start + POINTS_PER_BATCH])


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
        with store_errors():
            own = {MLFLOW_RUN_NAME: study.study_name, "study": study.study_name}
            made = MlflowClient().create_run(
                str(_get_experiment_id()), tags={**own, **tags}, run_name=study.study_name
            )
        run_id = storage.claim(study._study_id, PARENT, made.info.run_id)
        if run_id != made.info.run_id:  # another worker was faster
            StudyRun(made.info.run_id).set_status("KILLED")
            MlflowClient().delete_run(made.info.run_id)
    with store_errors():
        try:
            MlflowClient().get_run(run_id)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            raise StudyError(
                f"study {study.study_name!r} is tracked in run {run_id}, which this tracking "
                "store lacks: give MLFLOW_TRACKING_URI of its first worker, or another study"
            ) from error
    return StudyRun(run_id)


def adopt_launcher(parent: StudyRun) -> None:
    """Under ``mlflow run``, hangs the run that it opened for this worker below the study's."""
    launcher = os.environ.get("MLFLOW_RUN_ID")
    if launcher is not None:
        name = f"worker {socket.gethostname()} {os.getpid()}"
        Run(launcher).set_tags({MLFLOW_PARENT_RUN_ID: parent.run_id, MLFLOW_RUN_NAME: name})


@patiently
@store_errors()
def close_dead_runs(parent: StudyRun, study: Study) -> int:
    """Ends the runs that dead workers left RUNNING, as the study has their trials; says how many.

    The trials of most were lost; a worker may also have died after it told the study a result.
    """
    found = parent.client.search_runs(
        [parent.experiment_id()],
        f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{parent.run_id}' and attributes.status = 'RUNNING'",
    )
    # Asked for later than the runs, so that no trial is missing that began meanwhile.
    states = {str(trial.number): trial.state for trial in study.get_trials(False)}
    dead = [run for run in found if _is_dead(run, states)]
    for run in dead:
        outcome = outcome_in_study(states.get(run.data.tags["trial"]))
        Run(run.info.run_id).set_tags(outcome.tags)
        parent.client.set_terminated(run.info.run_id, outcome.status)
    return len(dead)


def _is_dead(run: StoredRun, states: Mapping[str, TrialState]) -> bool:
    number = run.data.tags.get("trial")
    return number is not None and states.get(number) is not TrialState.RUNNING


class PointBuffer:
    """A trainer's hook: collects metrics, and sends them every few seconds in one request.

    A request to SQLite takes 40 ms, and an epoch of a small trial less than two seconds.
    """

    def __init__(self, run: StudyRun) -> None:
        self.run = run
        self.seconds = 0.0  # spent in sending
        self._points: list[Metric] = []
        self._sent_at = time.monotonic()

    def __call__(self, epoch: int, metrics: Metrics) -> None:
        """Takes the epoch that just ended."""
        self.add(metrics, epoch)
        if time.monotonic() - self._sent_at > SECONDS_BETWEEN_POINTS:
            self.send()

    def add(self, metrics: Metrics, step: int) -> None:
        """Takes some metrics."""
        now = int(time.time() * 1000)
        self._points += [Metric(key, value, now, step) for key, value in metrics.items()]

    def send(self) -> None:
        """Sends what was collected."""
        started = time.monotonic()
        self.run.log_points(self._points)
        self._points.clear()
        self._sent_at = time.monotonic()
        self.seconds += self._sent_at - started
