"""The model that MLflow serves: a bundle behind the pyfunc interface (models from code).

MLflow copies this file and the package into the model, and runs it where the repository isn't.
"""

from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from heart_reader.bundle.kinds import open_bundle
from heart_reader.data.demo.marks import WARNING, is_synthetic
from heart_reader.data.quality import assess, assess_leads_there, without_labels
from heart_reader.errors import HeartReaderError


class HeartReaderModel(PythonModel):
    """Probabilities, labels and thresholds for signals in mV.

    Input: ``signal`` (n_records, n_leads, n_times). Params: ``features`` ("compute" or "none"),
    ``age`` (years) and ``sex`` (0 male, 1 female), each empty or one value a record, NaN or below
    0 where unknown. A record whose ``quality`` is "unusable" gets no labels, and ``None``
    (``null`` in JSON, which has no NaN) for its probabilities. A model that was trained on
    synthetic ECGs says so in ``warning``.
    """

    def load_context(self, context: PythonModelContext) -> None:
        """Reads the bundle; MLflow calls it once."""
        self.bundle = open_bundle(Path(context.artifacts["bundle"]))

    # It comes as {"signal": array}. This hint is one that MLflow asks nothing of; without any it
    # warns, and by any other it would convert the input a second time.
    def predict(
        self,
        context: PythonModelContext,
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """A row a record: a probability and a threshold for each class, the labels, and whether
        the signal can be trusted, with the reasons."""
        params = params or {}
        signal = np.asarray(model_input["signal"], np.float32)
        try:
            probabilities = self.bundle.predict(
                signal,
                features=_features(params.get("features", "compute")),
                age=_optional(params.get("age")),
                sex=_optional(params.get("sex")),
            )
        except HeartReaderError as error:
            # What a client sent wrong is a 400 from the scoring server, with this line.
            raise MlflowException.invalid_parameter_value(str(error)) from error
        return self._table(signal, probabilities)

    def _table(
        self, signal: np.ndarray[Any, Any], probabilities: np.ndarray[Any, Any]
    ) -> pd.DataFrame:
        classes, spec = self.bundle.task.classes, self.bundle.spec
        judge = assess_leads_there if self.bundle.lead_sets else assess
        quality = judge(signal, spec.fs, spec.leads)
        table = pd.DataFrame(probabilities.astype(np.float64), columns=list(classes))
        unusable = np.array([not each.usable for each in quality], bool)
        if unusable.any():
            table = table.astype(object)
            table.loc[unusable] = None
        present = without_labels(self.bundle.labels(probabilities), quality)
        names = np.array(classes)
        table["labels"] = [", ".join(names[row]) for row in present]
        for name, threshold in zip(classes, self.bundle.thresholds, strict=True):
            table[f"threshold_{name}"] = threshold
        table["quality"] = [each.verdict for each in quality]
        table["quality_reasons"] = ["; ".join(each.reasons) for each in quality]
        if is_synthetic(self.bundle.provenance):
            table["warning"] = WARNING
        return table


def _features(word: str) -> Any:
    return None if word == "none" else word


def _optional(values: Any) -> Any:
    if values is None or len(values) == 0:
        return None
    # JSON has no NaN: a negative age or sex says "unknown".
    numbers = np.asarray(values, np.float64)
    return np.where(numbers < 0, np.nan, numbers)


mlflow.models.set_model(HeartReaderModel())
