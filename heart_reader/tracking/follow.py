"""Runs seen from outside: made for another module to take up, and counted by their tags."""

import os
from collections.abc import Mapping

from mlflow import MlflowClient
from mlflow.tracking.context.registry import resolve_tags
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from heart_reader.errors import TrackingError
from heart_reader.tracking import session
from heart_reader.tracking.runs import EXPERIMENT, Run
from heart_reader.tracking.store import patient


def new_run(name: str, tags: dict[str, str], parent_id: str | None) -> Run:
    """A run in the experiment that is set, for another module to take up by ``MLFLOW_RUN_ID``."""
    parent = {} if parent_id is None else {MLFLOW_PARENT_RUN_ID: parent_id}
    return Run(session.create(_experiment_id(), name, resolve_tags(tags | parent)))


@patient
def _experiment_id() -> str:
    given = os.environ.get("MLFLOW_EXPERIMENT_ID")
    if given is not None:
        return given
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
    found = MlflowClient().get_experiment_by_name(name)
    if found is None:
        raise TrackingError(f"there is no experiment {name!r} to make a run in")
    return str(found.experiment_id)


@patient
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
