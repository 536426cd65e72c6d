"""MLflow runs that never stay RUNNING, and what is logged to them, in batches."""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from urllib.parse import urlsplit

import mlflow
from mlflow import MlflowClient
from mlflow.tracking.context.registry import resolve_tags
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from heart_reader.errors import TrackingError
from heart_reader.files import expanded_uri
from heart_reader.interrupt import InterruptedBySignal
from heart_reader.tracking import launcher, session
from heart_reader.tracking.delivery.outage import (
    PATIENCE,
    limit_retries,
    require_present,
    require_reachable,
    require_writable,
    store_errors,
    waits_for_store,
)
from heart_reader.tracking.experiment import label_experiment
from heart_reader.tracking.fresh import half_made, make_store
from heart_reader.tracking.run import LONGEST_TAG, Run
from heart_reader.tracking.system_metrics import sampled

EXPERIMENT = "heart-reader"


# ---------------------------------------------------------------- opening and ending


def set_up_tracking() -> None:
    """Takes the experiment from the environment (as under ``mlflow run``), else our own.

    Raises:
        TrackingError: the store can't be reached or written to.
    """
    _set_up_client()
    given = {"MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME"} & set(os.environ)
    uri = mlflow.get_tracking_uri()
    with _whole_store(uri), store_errors():
        make_store(uri)
        require_writable(uri)
        require_reachable(uri)
        if not given:
            mlflow.set_experiment(EXPERIMENT)
        launcher.bring_home(EXPERIMENT)
        label_experiment(EXPERIMENT)
    session.keep_launcher()


@contextmanager
def _whole_store(uri: str) -> Iterator[None]:
    """Says what is wrong with a store that MLflow was killed making, and what mends it."""
    try:
        yield
    except TrackingError as error:
        if half_made(uri):
            raise TrackingError(
                f"store {uri} was never finished: MLflow was killed, or started twice, making it; "
                "it holds nothing. Repair it with: heart-reader doctor --fix true"
            ) from error
        raise


def set_up_reading() -> None:
    """For whoever only looks: no experiment is made, no store either, and none need be writable.

    Raises:
        TrackingError: there is no store, or it can't be reached.
    """
    _set_up_client()
    with _whole_store(mlflow.get_tracking_uri()), store_errors():
        require_present(mlflow.get_tracking_uri())
        require_reachable(mlflow.get_tracking_uri())
    session.keep_launcher()


def _set_up_client() -> None:
    limit_retries()
    # MLflow's own INFO lines would stand between the progress bars and the table.
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    uri = mlflow.get_tracking_uri()
    meant = launcher.launchers_store(expanded_uri(uri))
    if meant != uri:  # a shell leaves the ~ of sqlite:///~/mlflow.db as it is
        mlflow.set_tracking_uri(meant)
        os.environ["MLFLOW_TRACKING_URI"] = meant


@contextmanager
def open_run(
    name: str | None, run_id: str | None = None, nested: bool = False, system_metrics: bool = False
) -> Iterator[Run]:
    """A run that ends FINISHED, KILLED by a signal, or FAILED with the message in a tag.

    Args:
        name: of a new run; ``None`` leaves it to MLflow.
        run_id: of a run to go on with.
        nested: below the run that is open.
        system_metrics: sampled every ten seconds, in a thread.

    Raises:
        TrackingError: the store can't be reached or written to.
    """
    started, keeper = session.begin(name, run_id, nested)
    run, status, error = Run(started, keeper), "FINISHED", None
    try:
        if name is not None:
            run.set_tags({"mlflow.runName": name})  # a run adopted from `mlflow run` has its own
        if run_id is not None:
            run.drop_tag("error")  # of the attempt that it goes on from
        with sampled(run.run_id, run.log_metrics, system_metrics):
            yield run
    except InterruptedBySignal:
        status = "KILLED"
        raise
    except BaseException as problem:
        status, error = "FAILED", f"{type(problem).__name__}: {problem}"[:LONGEST_TAG]
        raise
    finally:
        with PATIENCE.hurried(status == "KILLED"):
            session.end(run.run_id, keeper, status, error)


def find_run(run_id: str) -> Run:
    """An existing run.

    Raises:
        TrackingError: the store doesn't have it.
    """
    waits_for_store(MlflowClient().get_run)(run_id)
    return Run(run_id)


def server_address() -> str | None:
    """Of the server that is tracked to, without a login; ``None`` where there is no server."""
    uri = urlsplit(mlflow.get_tracking_uri())
    if uri.scheme not in ("http", "https"):
        return None
    host = uri.netloc.rpartition("@")[2]
    return f"{uri.scheme}://{host}{uri.path.rstrip('/')}"


def run_page(run_id: str) -> str:
    """The page of a run, behind the address of a UI."""
    experiment = waits_for_store(MlflowClient().get_run)(run_id).info.experiment_id
    return f"#/experiments/{experiment}/runs/{run_id}"


def continue_experiment(run: Run) -> None:
    """Makes new runs land beside an existing one, and lets go of `mlflow run`'s own run.

    ``mlflow run -P resume=ID`` opens a run before our code starts; it would otherwise be adopted
    by the next run that we open. It says in a tag what it went on with.
    """
    begun = os.environ.pop("MLFLOW_RUN_ID", None)
    if begun is not None and begun != run.run_id:
        Run(begun).set_tags({"resumes": run.run_id})
        launcher.drop(begun)
    with store_errors():
        mlflow.set_experiment(experiment_id=run.client.get_run(run.run_id).info.experiment_id)


@waits_for_store
def child_runs(run: Run) -> Sequence[mlflow.entities.Run]:
    """The runs directly below a run."""
    parent = run.client.get_run(run.run_id)
    found: Sequence[mlflow.entities.Run] = run.client.search_runs(
        [parent.info.experiment_id], f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{run.run_id}'"
    )
    return found


def new_run(name: str, tags: dict[str, str], parent_id: str | None) -> Run:
    """A run in the experiment that is set, for another module to take up by ``MLFLOW_RUN_ID``."""
    parent = {} if parent_id is None else {MLFLOW_PARENT_RUN_ID: parent_id}
    return Run(session.create(_experiment_id(), name, resolve_tags(tags | parent)))


@waits_for_store
def _experiment_id() -> str:
    given = os.environ.get("MLFLOW_EXPERIMENT_ID")
    if given is not None:
        return given
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
    found = MlflowClient().get_experiment_by_name(name)
    if found is None:
        raise TrackingError(f"there is no experiment {name!r} to make a run in")
    return str(found.experiment_id)


@waits_for_store
def durations(kind: str, n: int) -> list[float]:
    """Seconds that the last finished runs took whose names begin with a word, the newest last.

    Args:
        kind: that word.
        n: of how many, at most.
    """
    found = MlflowClient().search_runs(
        [_experiment_id()],
        f"attributes.run_name LIKE '{kind} %' and attributes.status = 'FINISHED'",
        max_results=n,
        order_by=["attributes.start_time DESC"],
    )
    return [(run.info.end_time - run.info.start_time) / 1000 for run in reversed(found)]


@waits_for_store
def count_runs(tags: Mapping[str, str]) -> int:
    """How many runs, of all experiments and however they ended, carry these tags."""
    client = MlflowClient()
    experiments = [each.experiment_id for each in client.search_experiments()]
    wanted = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
    count, token = 0, None
    while True:
        page = client.search_runs(experiments, wanted, page_token=token)
        count, token = count + len(page), page.token
        if not token:
            return count
