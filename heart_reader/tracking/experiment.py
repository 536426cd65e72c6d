"""What the UI says of an experiment."""

import os

from mlflow import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

# By it the UI opens with charts of runs and models; without it, with pages for chats and prompts.
KIND, TRAINING = "mlflow.experimentKind", "custom_model_development"
NOTE = """\
12-lead ECGs, five superclasses at once (PTB-XL): NORM, MI, STTC, CD, HYP.

Sort by `val/macro_auc` (fold 9); filter by the tags `backbone`, `data_digest`, `follows`. Text, \
plots and ECG sheets are on a run's own page; what is in use has the alias `champion`.
"""


def label_experiment(default: str) -> None:
    """Marks the experiment that runs land in as one of trainings, unless somebody has marked it.

    Args:
        default: its name where the environment names no other.
    """
    client = MlflowClient()
    given = os.environ.get("MLFLOW_EXPERIMENT_ID")
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME", default)
    found = client.get_experiment(given) if given else client.get_experiment_by_name(name)
    if found is None or KIND in found.tags:
        return
    client.set_experiment_tag(found.experiment_id, KIND, TRAINING)
    if MLFLOW_RUN_NOTE not in found.tags:
        client.set_experiment_tag(found.experiment_id, MLFLOW_RUN_NOTE, NOTE)
