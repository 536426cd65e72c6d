"""What a crash left behind among the runs: dead processes, and spools that nobody sends."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run as RunEntity
from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from heart_reader.errors import TrackingError
from heart_reader.tracking.delivery.lease import SECONDS_BETWEEN_RENEWALS, TAG, Lease, read_lease
from heart_reader.tracking.delivery.leftover import send_end, send_left
from heart_reader.tracking.delivery.outage import waits_for_store
from heart_reader.tracking.delivery.spool import Spool, spool_folder
from heart_reader.tracking.versions import ABSENT

SECONDS_TO_BEGIN = 300.0  # a run of `mlflow run` is there before our process is


@dataclass(frozen=True)
class Remnant:
    """One thing that isn't as it should be.

    Attributes:
        kind: of thing.
        name: which one.
        problem: what is wrong.
        remedy: what a repair does, or what the user can do.
        repair: does it, and says what it did; ``None`` where it is the user's to decide.
        command: what goes on from here, for the user to copy.
    """

    kind: str
    name: str
    problem: str
    remedy: str
    repair: Callable[[], str] | None = None
    command: str = ""


# ---------------------------------------------------------------- runs


def dead_runs(client: MlflowClient) -> list[Remnant]:
    """Runs left RUNNING by a process that is gone; one whose process may live is no finding.

    A process of this machine is looked for. Of others the lease tells, twice: while the store was
    away nobody could renew one.
    """
    sure, suspects, remnants = [], [], []
    for run in running(client):
        lease = read_lease(run.data.tags.get(TAG))
        if lease is None:
            remnants += _without_lease(run)
        elif lease.alive is False:
            sure.append((run, lease))
        elif lease.alive is None and not lease.fresh:
            suspects.append((run, lease))
    if suspects:
        time.sleep(2 * SECONDS_BETWEEN_RENEWALS)
        now = {run.info.run_id: run.data.tags.get(TAG) for run in running(client)}
        sure += [(run, lease) for run, lease in suspects if now.get(run.info.run_id) == str(lease)]
    return remnants + [_dead(client, run, lease) for run, lease in sure]


def _without_lease(run: RunEntity) -> list[Remnant]:
    run_id = run.info.run_id
    begun = time.time() - run.info.start_time / 1000 < SECONDS_TO_BEGIN
    if begun or run_id == os.environ.get("MLFLOW_RUN_ID"):
        return []
    problem = "RUNNING, and nothing says whether it lives"
    command = f"mlflow run . -e doctor -P close={run_id}"
    return [
        Remnant("run", name_of(run), problem, "if nobody works on it, close it", None, command)
    ]


def _dead(client: MlflowClient, run: RunEntity, lease: Lease) -> Remnant:
    last = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(lease.renewed))
    problem = f"RUNNING, but its process ({lease.owner}) is gone; last seen {last}"
    repair = partial(close_run, client, run.info.run_id, problem, int(lease.renewed * 1000))
    whole = run.data.tags.get(MLFLOW_PARENT_RUN_ID, run.info.run_id)
    trained = "backbones" in run.data.tags  # a training, which has checkpoints
    command = f"mlflow run . -e train -P resume={whole}" if trained else ""
    return Remnant("run", name_of(run), problem, "end it as KILLED", repair, command)


@waits_for_store
def close_run(client: MlflowClient, run_id: str, reason: str, ended: int) -> str:
    """Ends a run as KILLED, unless it ended meanwhile."""
    if client.get_run(run_id).info.status != "RUNNING":
        return "ended meanwhile"
    client.set_tag(run_id, "error", f"doctor: {reason}")
    client.set_terminated(run_id, "KILLED", ended)
    return "KILLED"


def running(client: MlflowClient) -> list[RunEntity]:
    """All runs that are RUNNING, of all experiments."""
    return list(all_runs(client, "attributes.status = 'RUNNING'", ViewType.ACTIVE_ONLY))


@waits_for_store
def experiment_ids(client: MlflowClient) -> list[str]:
    """All experiments, deleted ones too."""
    return [each.experiment_id for each in client.search_experiments(ViewType.ALL)]


def all_runs(client: MlflowClient, wanted: str, view: int) -> Iterator[RunEntity]:
    """Page after page."""
    experiments, token = experiment_ids(client), None
    while True:
        page = waits_for_store(client.search_runs)(experiments, wanted, view, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def name_of(run: RunEntity) -> str:
    """For a table."""
    return f"{run.info.run_name} {run.info.run_id}"


# ---------------------------------------------------------------- spools


def left_spools(client: MlflowClient) -> list[Remnant]:
    """Spools of this machine that no process has open."""
    root = spool_folder()
    folders = sorted(root.iterdir()) if root.exists() else []
    return [found for folder in folders for found in _left_spool(client, folder)]


def _left_spool(client: MlflowClient, folder: Path) -> list[Remnant]:
    try:
        spool = Spool(folder)
    except TrackingError:
        return []  # a live process has it
    with closing(spool):
        points, status = spool.count(), spool.about().get("status")
        if not points and not status:
            return []  # closing removes it
        problem = f"{points} points" + (f" and the end ({status})" if status else "")
        problem += " were never sent"
    if not _has_run(client, folder.name):
        where = spool.about().get("uri", "another store")
        remedy = f"run doctor with MLFLOW_TRACKING_URI={where}, or remove {folder}"
        return [
            Remnant("spool", folder.name, f"{problem}, and this store has no such run", remedy)
        ]
    return [Remnant("spool", folder.name, problem, "send it", partial(_send, client, folder))]


@waits_for_store
def _has_run(client: MlflowClient, run_id: str) -> bool:
    try:
        client.get_run(run_id)
    except MlflowException as error:
        if error.error_code not in ABSENT:
            raise
        return False
    return True


def _send(client: MlflowClient, folder: Path) -> str:
    spool = Spool(folder)
    with closing(spool):
        sent = send_left(client, spool)
        status = send_end(client, spool)
        spool.remove()
    return f"{sent} points sent" + (f", run is {status}" if status else "")
