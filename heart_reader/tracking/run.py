"""One run: parameters, metrics, tags, files; what the spool and the keeper send of it."""

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

from heart_reader.errors import TrackingError
from heart_reader.tracking.delivery.keeper import Keeper
from heart_reader.tracking.delivery.outage import (
    waits_for_store,
)
from heart_reader.tracking.delivery.spool import POINTS_PER_REQUEST

PARAMS_PER_BATCH = 100
# What MLflow stores of a value: longer ones are refused by the store.
LONGEST_PARAM, LONGEST_TAG = 6000, 8000


class Run:
    """One open MLflow run: every method is one request, or few, to the tracking store."""

    def __init__(self, run_id: str, keeper: Keeper | None = None) -> None:
        self.client = MlflowClient()
        self.run_id = run_id
        self.keeper = keeper  # of a run that is open; without one each request is waited for

    @waits_for_store
    def log_params(self, params: Mapping[str, Any]) -> None:
        """Params that the run doesn't have: `mlflow run` logged some as the user typed them."""
        known = self.client.get_run(self.run_id).data.params
        new = [Param(k, str(v)[:LONGEST_PARAM]) for k, v in params.items() if k not in known]
        for start in range(0, len(new), PARAMS_PER_BATCH):
            batch = new[start : start + PARAMS_PER_BATCH]
            self.client.log_batch(self.run_id, params=batch)

    def log_metrics(
        self, metrics: Mapping[str, float], step: int, model_id: str | None = None
    ) -> None:
        """All metrics of a step in one request; an open run's go to its spool first.

        Raises:
            TrackingError: a value is NaN or infinite, which MLflow would store without a word.
        """
        wrong = {name: value for name, value in metrics.items() if not math.isfinite(value)}
        if wrong:
            raise TrackingError(f"metrics must be finite, but step {step} has {wrong}")
        now = int(time.time() * 1000)
        points = [Metric(k, float(v), now, step, model_id=model_id) for k, v in metrics.items()]
        if self.keeper is not None:
            self.keeper.log(points)
        else:
            for start in range(0, len(points), POINTS_PER_REQUEST):
                self._send_points(points[start : start + POINTS_PER_REQUEST])

    @waits_for_store
    def _send_points(self, points: Sequence[Metric]) -> None:
        self.client.log_batch(self.run_id, metrics=points)

    def flush(self) -> None:
        """Waits until the store has all that was logged.

        Raises:
            TrackingError: it was away for too long, or refused something.
        """
        if self.keeper is not None:
            self.keeper.flush()

    def log_once(
        self, metrics: Mapping[str, float], step: int, model_id: str | None = None
    ) -> None:
        """Those metrics of a step that a run which was killed and goes on hasn't logged yet."""
        known = self.metrics()
        new = {k: v for k, v in metrics.items() if k not in known or self.last_step(k) < step}
        self.log_metrics(new, step, model_id)

    def last_step(self, metric: str) -> int:
        """The largest step that a metric was logged at, or -1."""
        self.flush()
        return max((point.step for point in self._history(metric)), default=-1)

    @waits_for_store
    def _history(self, metric: str) -> Sequence[Metric]:
        return self.client.get_metric_history(self.run_id, metric)

    def metrics(self) -> dict[str, float]:
        """The latest value of each metric."""
        self.flush()
        return self._metrics()

    @waits_for_store
    def _metrics(self) -> dict[str, float]:
        return dict(self.client.get_run(self.run_id).data.metrics)

    @waits_for_store
    def params(self) -> dict[str, str]:
        """All params of the run."""
        return dict(self.client.get_run(self.run_id).data.params)

    @waits_for_store
    def status(self) -> str:
        """RUNNING, FINISHED, KILLED or FAILED."""
        return str(self.client.get_run(self.run_id).info.status)

    @waits_for_store
    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Tags, replaced where they exist; long values are cut."""
        entities = [RunTag(key, value[:LONGEST_TAG]) for key, value in tags.items()]
        self.client.log_batch(self.run_id, tags=entities)

    @waits_for_store
    def tags(self) -> dict[str, str]:
        """All tags of the run."""
        return dict(self.client.get_run(self.run_id).data.tags)

    @waits_for_store
    def drop_tag(self, key: str) -> None:
        """Takes a tag away, where the run has it."""
        if key in self.client.get_run(self.run_id).data.tags:
            self.client.delete_tag(self.run_id, key)

    def describe(self, markdown: str) -> None:
        """The text on top of the run's page."""
        self.set_tags({MLFLOW_RUN_NOTE: markdown})

    @waits_for_store
    def log_file(self, path: Path, folder: str | None = None) -> None:
        """One file as an artifact."""
        self.client.log_artifact(self.run_id, str(path), folder)

    def upload_soon(self, path: Path, folder: str) -> None:
        """One file as an artifact, without waiting for it where the run is open.

        It must be replaced as a whole only; `flush` waits for it.
        """
        if self.keeper is not None:
            self.keeper.upload(path, folder)
        else:
            self.log_file(path, folder)

    @waits_for_store
    def log_folder(self, path: Path, folder: str | None = None) -> None:
        """All files below a folder as artifacts."""
        self.client.log_artifacts(self.run_id, str(path), folder)

    @waits_for_store
    def log_text(self, text: str, file: str) -> None:
        """A text as an artifact."""
        self.client.log_text(self.run_id, text, file)

    @waits_for_store
    def download(self, file: str, folder: Path) -> Path | None:
        """An artifact as a local file, or ``None`` where the run doesn't have it."""
        parent = str(Path(file).parent)
        listed = self.client.list_artifacts(self.run_id, None if parent == "." else parent)
        if file not in {item.path for item in listed}:
            return None
        folder.mkdir(parents=True, exist_ok=True)
        return Path(self.client.download_artifacts(self.run_id, file, str(folder)))

    @waits_for_store
    def log_dataset(self, name: str, digest: str, source: str, context: str, profile: str) -> None:
        """A data set that the run read; MLflow keeps 36 characters of a digest."""
        dataset = Dataset(name, digest[:36], "local", source, profile=profile)
        tag = InputTag("mlflow.data.context", context)
        self.client.log_inputs(self.run_id, [DatasetInput(dataset, [tag])])
