"""The database of a study: waits where it goes away, and keeps the books of the budget.

Optuna's own RDB storage is the one that notices dead workers by their heartbeats. What is added:
a call that fails because the server is gone is tried again; the number of trials is a limit over
all workers; a trial that died before its first heartbeat is noticed too, and retried once.
"""

import functools
import json
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from optuna.exceptions import (
    ExperimentalWarning,
    StorageInternalError,
    UpdateFinishedTrialError,
)
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import event
from sqlalchemy.exc import (
    DBAPIError,
    IntegrityError,
    OperationalError,
    PendingRollbackError,
    SQLAlchemyError,
)
from sqlalchemy.orm import Session

from heart_reader.errors import HeartReaderError
from tuning.config import TuningConfig

R = TypeVar("R")
RETRIES = "retry_history"  # Optuna's attribute of a retry: the numbers of the trials before it
LONGEST_PAUSE = 2.0  # seconds between two tries
# What Optuna calls of a storage, apart from `set_trial_state_values`, which waits in its own way.
CALLS = (
    *("create_new_study", "delete_study", "get_all_studies", "get_study_directions"),
    *("get_study_id_from_name", "get_study_name_from_id", "get_trial_param"),
    *("get_study_user_attrs", "set_study_user_attr"),
    *("get_study_system_attrs", "set_study_system_attr"),
    *("_create_new_trial", "_get_trials", "get_trial", "_get_best_trial_id"),
    *("get_trial_id_from_study_id_trial_number", "_set_trial_param"),
    *("set_trial_intermediate_value", "set_trial_user_attr", "set_trial_system_attr"),
    *("get_trial_user_attrs", "get_trial_system_attrs"),
    *("record_heartbeat", "_get_stale_trial_ids"),
)


class StudyError(HeartReaderError):
    """A study or its storage that can't do what was asked."""


class BudgetSpentError(Exception):
    """All trials of the budget are finished, running or waiting: none is left to begin."""


def outlasting(cls: type["PatientStorage"]) -> type["PatientStorage"]:
    """Makes every call of Optuna try again for as long as the server is away."""
    for name in CALLS:
        setattr(cls, name, _outlasting(getattr(cls, name)))
    return cls


def _outlasting(method: Callable[..., R]) -> Callable[..., R]:
    @functools.wraps(method)
    def call(self: "PatientStorage", *args: Any, **kwargs: Any) -> R:
        return self.wait_for(lambda: method(self, *args, **kwargs))

    return call


@outlasting
class PatientStorage(RDBStorage):
    """Optuna's RDB storage for workers that outlive their database server.

    Args:
        config: heartbeat, grace, retries, how long to wait for a server.
    """

    def __init__(self, config: TuningConfig) -> None:
        self.outage_seconds = config.outage
        self.budget: int | None = None  # trials that aren't failed, over all workers
        sqlite = config.storage.startswith("sqlite")
        # When the server last came back, monotonic. It may have done so just before we came.
        self.away_until = -float("inf") if sqlite else time.monotonic()
        self._given_up = False
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
            StudyError: it stayed away for longer than ``outage``; later calls then wait no more.
        """
        started, pause = time.monotonic(), 0.1
        while True:
            try:
                result = call()
            except (StorageInternalError, SQLAlchemyError) as error:
                if self.engine.name == "sqlite" or not is_outage(error):
                    raise
                self.away_until = time.monotonic()
                if self._given_up or self.away_until - started > self.outage_seconds:
                    self._given_up = True
                    raise StudyError(unreachable(str(self.engine.url), error)) from error
                if pause == 0.1:
                    print("storage is away, waiting for it", file=sys.stderr)
                time.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            else:
                self._given_up = False
                return result

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
        if template_trial is not None:
            queued = _queued_before(study_id, template_trial, session)
            if queued is not None:
                return queued
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
        self._give_first_heartbeats(study_id)
        if self.grace_period and time.monotonic() - self.away_until < self.grace_period:
            return []
        return super()._get_stale_trial_ids(study_id)

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


def _queued_before(
    study_id: int, retry: FrozenTrial, session: Session
) -> models.TrialModel | None:
    """The retry of a lost trial that is there already.

    Two workers may both believe that they declared a trial dead, where one of them didn't hear
    the answer; and the answer to putting the retry into the queue may be lost too.
    """
    if RETRIES not in retry.system_attrs:
        return None
    attribute = models.TrialSystemAttributeModel
    return (
        session.query(models.TrialModel)
        .join(attribute, attribute.trial_id == models.TrialModel.trial_id)
        .filter(models.TrialModel.study_id == study_id)
        .filter(attribute.key == RETRIES)
        .filter(attribute.value_json == json.dumps(retry.system_attrs[RETRIES]))
        .first()
    )


def _write_ahead(connection: Any, record: Any) -> None:
    """A commit of one drawn value takes 0.5 ms instead of 25 ms; a kill still loses nothing."""
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")


def is_outage(error: Exception) -> bool:
    """Whether the server is gone, rather than the request wrong."""
    cause = _cause(error)
    if isinstance(cause, DBAPIError) and cause.connection_invalidated:
        return True
    return isinstance(cause, OperationalError)


def _cause(error: Exception) -> BaseException:
    """What the driver said first.

    Optuna takes an error while it reads trials for one of too many variables, and asks again over
    the dead connection; SQLAlchemy then only says that the transaction is invalid.
    """
    cause: BaseException = error
    if isinstance(cause, StorageInternalError) and cause.__cause__ is not None:
        cause = cause.__cause__
    if isinstance(cause, PendingRollbackError) and cause.__context__ is not None:
        cause = cause.__context__
    return cause


def unreachable(url: str, error: Exception) -> str:
    """One line about a server that doesn't answer."""
    cause = _cause(error)
    lines = str(getattr(cause, "orig", None) or cause).strip().splitlines()
    return f"storage {url} can't be reached: {lines[0] if lines else repr(cause)}"
