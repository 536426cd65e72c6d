"""How a run begins and ends: no answer that was lost leaves a run behind or doubles one."""

import atexit
import os
import sys
import time
from collections.abc import Callable, Mapping

import mlflow
from mlflow import MlflowClient

from heart_reader.errors import TrackingError
from heart_reader.tracking.delivery.keeper import Keeper
from heart_reader.tracking.delivery.lease import TAG, my_lease
from heart_reader.tracking.delivery.leftover import send_left
from heart_reader.tracking.delivery.outage import (
    StoreAwayError,
    shown_uri,
    store_errors,
    waits_for_store,
)
from heart_reader.tracking.delivery.spool import Spool, spool_folder

_launchers: dict[str, Keeper] = {}


@atexit.register
def _let_go() -> None:
    for keeper in _launchers.values():
        keeper.close()


def keep_launcher() -> None:
    """Keeps the lease of the run that ``mlflow run`` opened, until it is adopted or we end.

    Not every entry point adopts it; `mlflow run` ends it, unless it is killed together with us.
    """
    run_id = os.environ.get("MLFLOW_RUN_ID")
    if run_id is not None and run_id not in _launchers:
        _launchers[run_id] = Keeper(run_id, None)


def let_go(run_id: str) -> None:
    """Renews the lease of a launcher's run no more."""
    keeper = _launchers.pop(run_id, None)
    if keeper is not None:
        keeper.close()


def begin(name: str | None, run_id: str | None, nested: bool) -> tuple[str, Keeper]:
    """Starts a run, or goes on with one, and what its last process left in the spool.

    Raises:
        TrackingError: the store can't be reached or written to, or another process on this
            machine is writing the run.
    """
    # MLflow forgets the run of `mlflow run` at the first try, and would make another at the next.
    existing = run_id or os.environ.pop("MLFLOW_RUN_ID", None)
    spool = None if existing is None else open_spool(existing)
    try:
        started = _start(name, existing, nested)
        spool = spool or open_spool(started)
        if not spool.empty:
            send_left(MlflowClient(), spool)
        # Where the run goes on, how it ended before is over.
        spool.describe(uri=shown_uri(), process=my_lease().process, status=None, error=None)
    except BaseException:
        if spool is not None:
            spool.close()
        raise
    let_go(started)
    return started, Keeper(started, spool)


def open_spool(run_id: str) -> Spool:
    """A run's own, in the cache.

    Raises:
        TrackingError: another process has it open.
    """
    with store_errors():
        return Spool(spool_folder() / run_id)


def send_what_is_left(run_id: str) -> None:
    """Sends what a dead process left of a run in this machine's spool.

    Nothing is there where it ran elsewhere, and nothing is taken from a process that lives.
    """
    if not (spool_folder() / run_id).exists():
        return
    try:
        spool = open_spool(run_id)
    except TrackingError:
        return  # whoever has it open sends it
    try:
        send_left(MlflowClient(), spool)
    finally:
        spool.close()


def _start(name: str | None, run_id: str | None, nested: bool) -> str:
    def start(found: str | None, lease: str) -> str:
        active = mlflow.start_run(
            found or run_id,
            run_name=name,
            nested=nested,
            tags={TAG: lease},
            log_system_metrics=False,
        )
        return str(active.info.run_id)

    return _made_once(start)


def create(experiment_id: str, name: str, tags: Mapping[str, str]) -> str:
    """Makes a run that nobody has opened, and gives its ID."""

    def make(found: str | None, lease: str) -> str:
        if found is not None:
            return found
        made = MlflowClient().create_run(experiment_id, tags={**tags, TAG: lease}, run_name=name)
        return str(made.info.run_id)

    return _made_once(make)


def _made_once(make: Callable[[str | None, str], str]) -> str:
    """Makes a run; after a request whose answer was lost, the run that it made is taken."""
    lease, tries = str(my_lease()), 0

    def attempt() -> str:
        nonlocal tries
        tries += 1
        return make(_run_with(lease) if tries > 1 else None, lease)

    return waits_for_store(attempt)()


def _run_with(lease: str) -> str | None:
    experiments = [each.experiment_id for each in MlflowClient().search_experiments()]
    found = MlflowClient().search_runs(experiments, f"tags.`{TAG}` = '{lease}'")
    return found[0].info.run_id if found else None


def end(run_id: str, keeper: Keeper, status: str, error: str | None) -> None:
    """Sends what is left and ends the run; what can't be sent stays in the spool, with the end.

    Raises:
        TrackingError: a run that is FINISHED could not be sent. For others it is printed, since
            the error that ended them goes on.
    """
    ended = int(time.time() * 1000)
    try:
        try:
            if error is not None:
                waits_for_store(MlflowClient().set_tag)(run_id, "error", error)
            keeper.flush()
        finally:
            _terminate(run_id, status, ended)
    except TrackingError as problem:
        keeper.leave(status, ended, error)
        if status == "FINISHED":
            raise TrackingError(keeper.unsent()) from problem
        print(f"error: {keeper.unsent()}", file=sys.stderr)
    finally:
        keeper.close()


def _terminate(run_id: str, status: str, ended: int) -> None:
    """Ends the run, and takes it from MLflow's stack whatever happens."""
    active = mlflow.active_run()
    if active is not None and active.info.run_id == run_id:
        try:
            with store_errors():
                mlflow.end_run(status)
                return
        except StoreAwayError:
            pass  # it is off the stack; the end is still to be told
    waits_for_store(MlflowClient().set_terminated)(run_id, status, ended)
