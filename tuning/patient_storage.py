"""The database of a study: waits where it goes away, and keeps the books of the budget.

Optuna's own RDB storage is the one that notices dead workers by their heartbeats. What is added:
a call that fails because the server is gone is tried again; the number of trials is a limit over
all workers; a trial that died before its first heartbeat is noticed too.
"""

import functools
import json
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from optuna.exceptions import (
    ExperimentalWarning,
    StorageInternalError,
    UpdateFinishedTrialError,
)
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session

from heart_reader.errors import HeartReaderError
from tuning.config import TuningConfig

P = ParamSpec("P")
R = TypeVar("R")
LONGEST_PAUSE = 2.0  # seconds between two tries


class StudyError(HeartReaderError):
    """A study or its storage that can't do what was asked."""


class BudgetSpentError(Exception):
    """All trials of the budget are finished, running or waiting: none is left to begin."""


def _patient(
    method: Callable[Concatenate["PatientStorage", P], R],
) -> Callable[Concatenate["PatientStorage", P], R]:
    """The same method, tried again for as long as the server is away."""

    @functools.wraps(method)
    def call(self: "PatientStorage", *args: P.args, **kwargs: P.kwargs) -> R:
        return self.wait_for(lambda: method(self, *args, **kwargs))

    return cast(Callable[Concatenate["PatientStorage", P], R], call)


class PatientStorage(RDBStorage):
    """Optuna's RDB storage for workers that outlive their database server.

    Args:
        config: heartbeat, grace, retries, how long to wait for a server.
    """

    def __init__(self, config: TuningConfig) -> None:
        self.outage_seconds = config.outage
        self.budget: int | None = None  # trials that aren't failed, over all workers
        self.away_until = -float("inf")  # when the server last came back, monotonic
        sqlite = config.storage.startswith("sqlite")
        arguments = {"timeout": 60} if sqlite else {}
        if config.storage.startswith("postgresql"):
            arguments = {"connect_timeout": 10}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            super().__init__(
                config.storage,
                {"pool_pre_ping": not sqlite, "connect_args": arguments},
                heartbeat_interval=config.heartbeat,
                grace_period=config.grace,
                heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(config.retries),
            )
        if sqlite:
            event.listen(self.engine, "connect", _write_ahead)
            self.engine.dispose()  # the connection that made the tables was opened without

    def wait_for(self, call: Callable[[], R]) -> R:
        """The result of a call, tried again with growing pauses while the server is away.

        Raises:
            StudyError: it stayed away for longer than ``outage``.
        """
        started, pause = time.monotonic(), 0.1
        while True:
            try:
                result = call()
            except (StorageInternalError, SQLAlchemyError) as error:
                if self.engine.name == "sqlite" or not is_outage(error):
                    raise
                self.away_until = time.monotonic()
                if self.away_until - started > self.outage_seconds:
                    raise StudyError(unreachable(str(self.engine.url), error)) from error
                if pause == 0.1:
                    print("storage is away, waiting for it", file=sys.stderr)
                time.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            else:
                return result

    # Every call of Optuna to a storage goes through one of these.
    create_new_study = _patient(RDBStorage.create_new_study)
    delete_study = _patient(RDBStorage.delete_study)
    set_study_user_attr = _patient(RDBStorage.set_study_user_attr)
    set_study_system_attr = _patient(RDBStorage.set_study_system_attr)
    get_study_id_from_name = _patient(RDBStorage.get_study_id_from_name)
    get_study_name_from_id = _patient(RDBStorage.get_study_name_from_id)
    get_study_directions = _patient(RDBStorage.get_study_directions)
    get_study_user_attrs = _patient(RDBStorage.get_study_user_attrs)
    get_study_system_attrs = _patient(RDBStorage.get_study_system_attrs)
    get_all_studies = _patient(RDBStorage.get_all_studies)
    get_trial_id_from_study_id_trial_number = _patient(
        RDBStorage.get_trial_id_from_study_id_trial_number
    )
    get_trial = _patient(RDBStorage.get_trial)
    set_trial_intermediate_value = _patient(RDBStorage.set_trial_intermediate_value)
    set_trial_user_attr = _patient(RDBStorage.set_trial_user_attr)
    set_trial_system_attr = _patient(RDBStorage.set_trial_system_attr)
    record_heartbeat = _patient(RDBStorage.record_heartbeat)
    _get_best_trial_id = _patient(RDBStorage._get_best_trial_id)
    _create_new_trial = _patient(RDBStorage._create_new_trial)
    _get_trials = _patient(RDBStorage._get_trials)

    def _set_trial_param(self, *args: Any, **kwargs: Any) -> None:
        method = super()._set_trial_param
        self.wait_for(lambda: method(*args, **kwargs))

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """As Optuna's; a commit whose answer was lost is not an error when it is tried again."""
        tries = 0

        def call() -> bool:
            nonlocal tries
            tries += 1
            return RDBStorage.set_trial_state_values(self, trial_id, state, values)

        try:
            return self.wait_for(call)
        except UpdateFinishedTrialError:
            if tries > 1 and self.get_trial(trial_id).state == state:
                return True
            raise

    # ---------------------------------------------------------------- budget and dead workers

    def _get_prepared_new_trial(
        self, study_id: int, template_trial: FrozenTrial | None, session: Session
    ) -> models.TrialModel:
        """A new trial, unless the budget is spent; the caller holds the lock of the study's row.

        Raises:
            BudgetSpentError: there are as many trials as the study may have.
        """
        if self.budget is not None:
            counted = (
                session.query(models.TrialModel)
                .filter(models.TrialModel.study_id == study_id)
                .filter(models.TrialModel.state != TrialState.FAIL)
                .count()
            )
            if counted >= self.budget:
                raise BudgetSpentError
        return super()._get_prepared_new_trial(study_id, template_trial, session)

    def _get_stale_trial_ids(self, study_id: int) -> list[int]:
        """Running trials whose worker is dead: their heartbeat is older than the grace.

        After an outage every heartbeat is old: the workers get one grace to come back.
        """
        self.wait_for(lambda: self._give_first_heartbeats(study_id))
        if self.grace_period and time.monotonic() - self.away_until < self.grace_period:
            return []
        return self.wait_for(lambda: RDBStorage._get_stale_trial_ids(self, study_id))

    def _give_first_heartbeats(self, study_id: int) -> None:
        """Optuna overlooks a trial that died before its first heartbeat; this one then ages."""
        with Session(self.engine) as session, session.begin():
            silent = (
                session.query(models.TrialModel.trial_id)
                .filter(models.TrialModel.study_id == study_id)
                .filter(models.TrialModel.state == TrialState.RUNNING)
                .filter(~models.TrialModel.heartbeats.any())
                .all()
            )
        for (trial_id,) in silent:
            try:
                RDBStorage.record_heartbeat(self, trial_id)
            except IntegrityError:
                continue  # its own worker was faster

    # ---------------------------------------------------------------- claims

    def claim(self, study_id: int, key: str, value: Any) -> Any:
        """Sets an attribute of the study that nobody has set; gives the value that it has now.

        The first of several workers wins, since the table's rows are unique.
        """

        def insert() -> Any:
            with Session(self.engine) as session:
                try:
                    session.add(
                        models.StudyUserAttributeModel(
                            study_id=study_id, key=key, value_json=json.dumps(value)
                        )
                    )
                    session.commit()
                except IntegrityError:
                    session.rollback()
            return self.get_study_user_attrs(study_id)[key]

        return self.wait_for(insert)


def _write_ahead(connection: Any, record: Any) -> None:
    """A commit of one drawn value takes 0.5 ms instead of 25 ms; a kill still loses nothing."""
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")


def is_outage(error: Exception) -> bool:
    """Whether the server is gone, rather than the request wrong."""
    cause = error.__cause__ if isinstance(error, StorageInternalError) else error
    if isinstance(cause, DBAPIError) and cause.connection_invalidated:
        return True
    return isinstance(cause, OperationalError)


def unreachable(url: str, error: Exception) -> str:
    """One line about a server that doesn't answer."""
    cause = error.__cause__ if isinstance(error, StorageInternalError) else error
    lines = str(getattr(cause, "orig", None) or cause).strip().splitlines()
    return f"storage {url} can't be reached: {lines[0] if lines else repr(cause)}"
