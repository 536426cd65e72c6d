"""Runs seen from outside: made for another module to take up, and counted by their tags."""

import os
from collections.abc import Mapping

from mlflow import MlflowClient
from mlflow.tracking.context.registry import resolve_tags
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from heart_reader.errors import TrackingError
from heart_reader.tracking.runs import EXPERIMENT, Run
from heart_reader.tracking.store import patient


@patient
def new_run(name: str, tags: dict[str, str], parent_id: str | None) -> Run:
    """A run in the experiment that is set, for another module to take up by ``MLFLOW_RUN_ID``."""
    client = MlflowClient()
    name_given = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
    experiment_id = os.environ.get("MLFLOW_EXPERIMENT_ID")
    if experiment_id is None:
        found = client.get_experiment_by_name(name_given)
        if found is None:
            raise TrackingError(f"there is no experiment {name_given!r} to make a run in")
        experiment_id = found.experiment_id
    parent = {} if parent_id is None else {MLFLOW_PARENT_RUN_ID: parent_id}
    made = client.create_run(experiment_id, tags=resolve_tags(tags | parent), run_name=name)
    return Run(made.info.run_id)


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
