"""What the UI says of an experiment: its kind, its text, and the views that are saved with it."""

import base64
import json
import re
import zlib
from pathlib import Path

import mlflow
import pytest

from heart_reader.tracking.experiment import KIND, VIEW, VIEWS, label_experiment
from heart_reader.tracking.fresh import make_store

# As the UI of MLflow 3.17.2 wrote it of a view that was saved by hand; the state it packs.
BY_HAND = {"name", "createdAt", "updatedAt", "state"}
KEYS = {
    "searchFilter", "orderByKey", "orderByAsc", "startTime", "lifecycleFilter", "datasetsFilter",
    "modelVersionFilter", "selectedColumns", "columnOrder", "columnWidths", "runsHiddenMode",
    "viewMaximized", "runListHidden", "isAccordionReordered", "useGroupedValuesInCharts",
    "hideEmptyCharts", "groupBy", "groupsExpanded", "globalLineChartConfig",
}  # fmt: skip


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> mlflow.MlflowClient:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    make_store(uri)
    for name in ("MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    mlflow.set_tracking_uri(uri)
    yield mlflow.MlflowClient()
    mlflow.set_tracking_uri(None)


def tags_of(client: mlflow.MlflowClient) -> dict[str, str]:
    return dict(client.get_experiment_by_name("ours").tags)


def state_of(text: str) -> dict[str, object]:
    way, packed = json.loads(text)["state"].split(";")
    assert way == "deflate"
    return json.loads(zlib.decompress(base64.b64decode(packed)))


def test_views_have_the_form_of_those_that_the_ui_saves(client: mlflow.MlflowClient):
    client.create_experiment("ours")
    label_experiment("ours")
    tags = tags_of(client)
    for key, view in VIEWS.items():
        assert set(json.loads(tags[VIEW + key])) == BY_HAND
        state = state_of(tags[VIEW + key])
        assert set(state) <= KEYS and state["orderByAsc"] is False
        assert state["orderByKey"] in state["selectedColumns"]
        for column in view.columns:
            assert re.fullmatch(r"(attributes|metrics|params|tags)\.`[\w./]+`", column)


def test_the_searches_find_models_and_trials(client: mlflow.MlflowClient):
    experiment = client.create_experiment("ours")
    metrics = {"model": "val/macro_auc", "trial": "value"}
    for tag, metric in metrics.items():
        for value in (0.7, 0.9, 0.8):
            run = client.create_run(experiment, tags={tag: "x"}).info.run_id
            client.log_metric(run, metric, value)
    client.create_run(experiment, tags={"model": "judged, not made"})
    for key, tag in (("models", "model"), ("trials", "trial")):
        view = VIEWS[key]
        found = client.search_runs([experiment], view.runs, order_by=[f"{view.order} DESC"])
        assert [run.data.metrics[metrics[tag]] for run in found] == [0.9, 0.8, 0.7]


def test_what_somebody_changed_stays_and_a_store_of_before_gets_its_views(
    client: mlflow.MlflowClient,
):
    experiment = client.create_experiment("ours")
    label_experiment("ours")
    client.set_experiment_tag(experiment, VIEW + "models", "changed by hand")
    before = tags_of(client)
    label_experiment("ours")
    assert tags_of(client) == before
    other = client.create_experiment("theirs", tags={KIND: "genai_development"})
    label_experiment("theirs")
    assert VIEW + "models" not in client.get_experiment(other).tags
