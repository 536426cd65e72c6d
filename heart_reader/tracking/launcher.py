"""The run that ``mlflow run`` opens before any code of ours: one of ours may take its place.

MLflow puts it into its experiment "Default" unless it is told another, under two random words.
What is worth a run gets one of its own there, and `mlflow run`'s is hidden as soon as its process
has ended, since it writes FINISHED or FAILED over whatever status is there:

    python -m heart_reader.tracking.launcher PID RUN_ID
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import mlflow
import psutil
from mlflow import MlflowClient
from mlflow.entities import Param, Run
from mlflow.utils.mlflow_tags import (
    MLFLOW_PARENT_RUN_ID,
    MLFLOW_PROJECT_ENTRY_POINT,
    MLFLOW_RUN_NAME,
)

from heart_reader.cli.endings import Ended, tell
from heart_reader.errors import TrackingError
from heart_reader.files import expanded_uri, sqlite_file
from heart_reader.tracking import session
from heart_reader.tracking.delivery.outage import (
    PATIENCE,
    require_present,
    store_errors,
    waits_for_store,
)
from heart_reader.tracking.permissions import left_behind
from heart_reader.tracking.run import LONGEST_TAG

RUN, EXPERIMENT = "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID"  # variables that `mlflow run` sets
DEFAULT = "0"  # MLflow's own experiment
RUNNING = "RUNNING"
LONGEST = 14 * 86400.0  # seconds that a command may take; poll() counts milliseconds in 31 bits


def bring_home(experiment: str) -> None:
    """Puts a run of our own, named by its entry point, in the place of `mlflow run`'s.

    Where the user chose an experiment, `mlflow run`'s own stays: whoever called it knows its ID.

    Args:
        experiment: the name of ours, where the run goes.
    """
    found = _launcher()
    if found is None or found.info.experiment_id != DEFAULT:
        return
    entry = found.data.tags[MLFLOW_PROJECT_ENTRY_POINT]
    with store_errors():
        home = str(mlflow.set_experiment(experiment).experiment_id)
    tags = {k: v for k, v in found.data.tags.items() if k != MLFLOW_RUN_NAME}
    made = session.create(home, entry, {k: v for k, v in tags.items() if "heart_reader" not in k})
    params = [Param(key, value) for key, value in found.data.params.items()]
    waits_for_store(MlflowClient().log_batch)(made, params=params)
    os.environ |= {RUN: made, EXPERIMENT: home}
    drop(found.info.run_id)


def drop(run_id: str) -> None:
    """Hides a run that holds nothing, when the `mlflow run` that opened it has ended."""
    session.let_go(run_id)
    waits_for = next((p.pid for p in psutil.Process().parents() if _folder(p) is not None), None)
    if waits_for is None:
        hide(run_id)
        return
    words = [sys.executable, "-m", "heart_reader.tracking.launcher", str(waits_for), run_id]
    environment = os.environ | {"MLFLOW_TRACKING_URI": mlflow.get_tracking_uri()}
    environment["MLFLOW_DISABLE_TELEMETRY"] = "true"  # nothing that would keep it
    nothing = subprocess.DEVNULL
    subprocess.Popen(
        words, env=environment, stdin=nothing, stdout=nothing, stderr=nothing,
        start_new_session=True,
    )  # fmt: skip


def hide(run_id: str) -> None:
    """Ends a run, and puts it where the UI doesn't show it."""
    with left_behind("runs of mlflow run itself"), store_errors():
        require_present(mlflow.get_tracking_uri())
        MlflowClient().set_terminated(run_id)
        MlflowClient().delete_run(run_id)


def main(words: Sequence[str]) -> None:
    """Waits until a process has ended, then hides the run that it opened."""
    pid, run_id = words
    with suppress(psutil.NoSuchProcess, psutil.TimeoutExpired):
        psutil.Process(int(pid)).wait(LONGEST)
    hide(run_id)


def settle(how: Ended) -> None:
    """What becomes of `mlflow run`'s own run where no run of ours took it up."""
    try:
        with PATIENCE.hurried(True):
            found = _launcher()
            if found is not None:
                _settle(found, how)
    except TrackingError:
        pass  # the store is away, or was never reached: the command itself has said so


def _settle(found: Run, how: Ended) -> None:
    run_id = found.info.run_id
    kept = MLFLOW_PARENT_RUN_ID in found.data.tags or _has_children(found)
    idle = how.error is None and not how.stopped and not kept
    if how.refused or idle:
        drop(run_id)
        return
    session.let_go(run_id)
    status = "KILLED" if how.stopped else "FINISHED" if how.error is None else "FAILED"
    with store_errors():
        client = MlflowClient()
        entry = found.data.tags.get(MLFLOW_PROJECT_ENTRY_POINT)
        if entry is not None and not kept:
            client.set_tag(run_id, MLFLOW_RUN_NAME, entry)
        if how.error is not None:
            client.set_tag(run_id, "error", how.error[:LONGEST_TAG])
        client.set_terminated(run_id, status)


tell(settle)


def _launcher() -> Run | None:
    """The run that `mlflow run` opened for this process, while it is open and nobody's."""
    run_id = os.environ.get(RUN)
    if run_id is None:
        return None
    meant = launchers_store(expanded_uri(mlflow.get_tracking_uri()))
    if meant != mlflow.get_tracking_uri():
        mlflow.set_tracking_uri(meant)
    with store_errors():
        require_present(meant)  # MLflow would make it
        found = MlflowClient().get_run(run_id)
    return found if found.info.status == RUNNING and _is_of_a_project(found) else None


def _is_of_a_project(run: Run) -> bool:
    """Whether `mlflow run` opened it: `sync` gives its steps runs by the same variable."""
    return MLFLOW_PROJECT_ENTRY_POINT in run.data.tags


@waits_for_store
def _has_children(run: Run) -> bool:
    wanted = f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{run.info.run_id}'"
    return bool(MlflowClient().search_runs([run.info.experiment_id], wanted, max_results=1))


# ---------------------------------------------------------------- from another folder


def launchers_store(uri: str) -> str:
    """The store that ``mlflow run /another/folder`` meant: its own folder's, not the project's.

    MLflow hands a relative address to a process that it starts in another folder.
    """
    path = sqlite_file(uri)
    if path is None or path.is_absolute() or RUN not in os.environ:
        return uri
    for parent in psutil.Process().parents():
        folder = _folder(parent)
        if folder is not None and (folder / path).is_file():
            return f"sqlite:///{folder / path}"
    return uri


def _folder(process: psutil.Process) -> Path | None:
    """Where a process was started, if it is `mlflow run`."""
    try:
        words = process.cmdline()
        return Path(process.cwd()) if _runs_mlflow(words) else None
    except psutil.Error:
        return None


def _runs_mlflow(words: list[str]) -> bool:
    return "run" in words and any(Path(word).name == "mlflow" for word in words)


if __name__ == "__main__":
    main(sys.argv[1:])
