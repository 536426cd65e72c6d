"""What the UI says of an experiment, and the views of its runs that are saved with it."""

import base64
import json
import os
import time
import zlib
from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.entities import Experiment
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

from heart_reader.tracking.permissions import left_behind

# By it the UI opens with charts of runs and models; without it, with pages for chats and prompts.
KIND, TRAINING = "mlflow.experimentKind", "custom_model_development"
NOTE = """\
12-lead ECGs, five superclasses at once (PTB-XL): NORM, MI, STTC, CD, HYP.

Sort by `val/macro_auc` (fold 9); filter by the tags `backbone`, `data_digest`, `follows`. Text, \
plots and ECG sheets are on a run's own page; what is in use has the alias `champion`. Under \
*Views* are the models, the best first, and the trials of searches.
"""
VIEW = "mlflow.sharedViewState."  # where the UI keeps what stands under its button Views


@dataclass(frozen=True)
class View:
    """Some runs and some columns, as the UI's button *Views* has them.

    Attributes:
        title: by which the user knows it.
        runs: a search.
        order: a column, the largest value first.
        columns: that are shown beside the names.
    """

    title: str
    runs: str
    order: str
    columns: tuple[str, ...]


def metric(name: str) -> str:
    """A column."""
    return f"metrics.`{name}`"


VIEWS = {
    "models": View(
        "Models, the best first",
        "tags.`model` != '' and metrics.`val/macro_auc` > 0",
        metric("val/macro_auc"),
        (
            "attributes.`Models`",
            *map(metric, ("val/macro_auc", "val/macro_auc_low95", "val/macro_auc_high95")),
            metric("val/f_max"),
            *("params.`training.epochs`", "params.`training.learning_rate`"),
        ),
    ),
    "trials": View(
        "Trials, the best first",
        "tags.`trial` != ''",
        metric("value"),
        (
            *("tags.`study`", "tags.`backbone`", metric("value"), metric("training_seconds")),
            *("params.`training.learning_rate`", "params.`training.batch_size`"),
            *("params.`training.loss`", "params.`training.weight_decay`"),
        ),
    ),
}


def label_experiment(default: str) -> None:
    """Marks the experiment that runs land in as one of trainings, unless somebody has marked it,
    and saves the views that it lacks.

    Args:
        default: its name where the environment names no other.
    """
    client = MlflowClient()
    given = os.environ.get("MLFLOW_EXPERIMENT_ID")
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME", default)
    found = client.get_experiment(given) if given else client.get_experiment_by_name(name)
    if found is None:
        return
    if KIND not in found.tags:
        client.set_experiment_tag(found.experiment_id, KIND, TRAINING)
        if MLFLOW_RUN_NOTE not in found.tags:
            client.set_experiment_tag(found.experiment_id, MLFLOW_RUN_NOTE, NOTE)
    if found.tags.get(KIND, TRAINING) == TRAINING:
        _save_views(client, found)


def _save_views(client: MlflowClient, experiment: Experiment) -> None:
    missing = [key for key in VIEWS if VIEW + key not in experiment.tags]
    with left_behind("saved views of the experiment"):
        for key in missing:
            text = saved(VIEWS[key], int(time.time() * 1000))
            client.set_experiment_tag(experiment.experiment_id, VIEW + key, text)


def saved(view: View, now: int) -> str:
    """The value of the experiment's tag, as the UI of MLflow 3.17 writes it.

    Args:
        view: to be kept.
        now: in ms.
    """
    state = {
        "searchFilter": view.runs,
        "orderByKey": view.order,
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": list(view.columns),
        "runsHiddenMode": "FIRST_10_RUNS",
        "hideEmptyCharts": True,
        "useGroupedValuesInCharts": True,
        "groupBy": None,
    }
    packed = base64.b64encode(zlib.compress(json.dumps(state).encode())).decode()
    tag = {"name": view.title, "createdAt": now, "updatedAt": now, "state": f"deflate;{packed}"}
    return json.dumps(tag)
