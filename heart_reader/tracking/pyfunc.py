"""The model that MLflow serves: a bundle behind the pyfunc interface (models from code).

MLflow copies this file and the package into the model, and runs it where the repository isn't.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import yaml
from mlflow.exceptions import MlflowException
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from heart_reader.bundle.folders import folder_digest
from heart_reader.bundle.kinds import open_bundle
from heart_reader.data.demo.marks import WARNING, is_synthetic
from heart_reader.errors import DataError, HeartReaderError
from heart_reader.predictions.columns import ANSWER, SERVE
from heart_reader.predictions.log import find_log
from heart_reader.reading.logged import Origin, log_answers
from heart_reader.reading.read import Record, Refused
from heart_reader.reading.records import Recorded, findings_of, recorded_of
from heart_reader.reading.sent import Beside, of_files, of_signals

INPUTS = ("signal", "file")
REGISTERED = "registered_model_meta"  # MLflow writes it into a version that it fetches


class HeartReaderModel(PythonModel):
    """Probabilities, labels and thresholds for ECGs of any rate, length and order of leads.

    Input: ``signal``, a (n_leads, n_times) for each record, or ``file``, the bytes of one in
    base64. Params: ``fs`` (Hz), ``leads`` (names) and ``unit``, where a signal isn't as the model
    has it and in mV, or a file doesn't say it; ``features`` ("compute" or "none"), ``age`` (years)
    and ``sex`` (0 male, 1 female), each empty or one value a record, NaN or below 0 where unknown;
    ``record``, names under whose hash answers are logged, where they are (docs/howto/watch.md).
    A record whose ``quality`` is "unusable" gets no labels, and ``None`` (``null`` in JSON, which
    has no NaN) for its probabilities. ``calibrated`` says whether these keep their word,
    ``uncertain`` of which classes the answer isn't sure, ``novelty`` above 1 that the ECG is
    unlike those that the model was trained on (null where it can't tell). A model that was trained
    on synthetic ECGs says so in ``warning``.
    """

    def load_context(self, context: PythonModelContext) -> None:
        """Reads the bundle; MLflow calls it once."""
        self.read_bundle(Path(context.artifacts["bundle"]), ANSWER)

    def read_bundle(self, folder: Path, role: str) -> None:
        """Reads a bundle's folder, and looks where its answers are logged.

        Args:
            folder: of the bundle.
            role: in which it answers, as of `heart_reader.predictions.columns`.

        Raises:
            ConfigError: the environment names a place for the log that is none.
        """
        self.bundle, self.log = open_bundle(folder), find_log()
        self.origin = Origin(_name_of(folder), folder_digest(folder)[:16], role, SERVE)

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
        try:
            read = self._read(model_input, params)
            recorded = recorded_of(read, self.bundle.spec, self.bundle.lead_sets)
            return self._table(recorded, params)
        except HeartReaderError as error:
            # What a client sent wrong is a 400 from the scoring server, with this line.
            raise MlflowException.invalid_parameter_value(str(error)) from error

    def _read(self, model_input: Any, params: dict[str, Any]) -> list[Record | Refused]:
        """The records of a request, with the ages and sexes that it says."""
        spec, beside = self.bundle.spec, _beside(params)
        columns = {name: _items(model_input[name]) for name in INPUTS if name in model_input}
        if len(columns) != 1:
            raise DataError("a request holds either signal or file")
        ((name, values),) = columns.items()
        if not values:
            raise DataError(f"{name} holds no record")
        read = of_files if name == "file" else of_signals
        found = read(values, beside, spec, self.bundle.lead_sets)
        ages, sexes = (_given(key, params, len(found)) for key in ("age", "sex"))
        return [
            replace(
                each,
                age=each.age if ages is None else float(ages[row]),
                sex=each.sex if sexes is None else float(sexes[row]),
            )
            for row, each in enumerate(found)
        ]

    def _table(self, recorded: Recorded, params: dict[str, Any]) -> pd.DataFrame:
        bundle, word = self.bundle, params.get("features", "compute")
        if word not in ("compute", "none"):
            raise DataError(f"features must be 'compute' or 'none', but is {word!r}")
        features = recorded.features(bundle.feature_source) if word == "compute" else None
        answered = bundle.answer(recorded.signals, features, lengths=recorded.lengths)
        means = recorded.means(answered.probabilities)
        said = findings_of(bundle, recorded, means, answered.novelty)
        if self.log is not None:
            names = _optional_names(params, len(said))
            log_answers(self.log, self.origin, recorded, said, features, names)
        rows = [
            {
                **each["probabilities"],
                "labels": ", ".join(each["labels"]),
                **{f"threshold_{name}": limit for name, limit in each["thresholds"].items()},
                "calibrated": each["calibrated"],
                "uncertain": ", ".join(each["uncertain"]),
                "novelty": each["novelty"],
                "quality": each["quality"],
                "quality_reasons": "; ".join(each["quality_reasons"]),
                "notes": "; ".join(each["notes"]),
            }
            for each in said
        ]
        table = pd.DataFrame(rows)
        classes = [*bundle.task.classes, "novelty"]
        if table[classes].isna().any(axis=None):  # NaN isn't JSON
            table[classes] = table[classes].astype(object).where(table[classes].notna(), None)
        if is_synthetic(self.bundle.provenance):
            table["warning"] = WARNING
        return table


def _items(column: Any) -> list[Any]:
    """The records of a column; MLflow makes one row of a list of words."""
    values = list(column)
    if len(values) == 1 and isinstance(values[0], list) and values[0]:
        inner = values[0]
        return inner if isinstance(inner[0], str) else values
    return values


def _beside(params: dict[str, Any]) -> Beside:
    fs, leads, unit = (params.get(name) for name in ("fs", "leads", "unit"))
    names = None if leads is None or len(leads) == 0 else tuple(str(each) for each in leads)
    return Beside(float(fs) if fs else None, names, str(unit) if unit else None)


def _given(key: str, params: dict[str, Any], n: int) -> Any:
    """Ages or sexes, one for each of n records, or ``None``."""
    values = _optional(params.get(key))
    if values is not None and values.shape != (n,):
        raise DataError(
            f"{key} must have one value for each of {n} signals, but has the shape {values.shape}"
        )
    return values


def _optional_names(params: dict[str, Any], n: int) -> list[str]:
    """What a client calls its records; a position within a request is no name."""
    names = params.get("record")
    if names is None or len(names) == 0:
        return [""] * n
    if len(names) != n:
        raise DataError(
            f"record must have one value for each of {n} signals, but has {len(names)}"
        )
    return [str(name) for name in names]


def _name_of(folder: Path) -> str:
    """Name and version of a registered model that MLflow fetched; else the folder's own name."""
    there = folder.parent.parent / REGISTERED
    if not there.is_file():
        return folder.name
    said = yaml.safe_load(there.read_text(encoding="utf-8"))
    return f"{said['model_name']}/{said['model_version']}"


def _optional(values: Any) -> Any:
    if values is None or len(values) == 0:
        return None
    # JSON has no NaN: a negative age or sex says "unknown".
    numbers = np.asarray(values, np.float64)
    return np.where(numbers < 0, np.nan, numbers)


mlflow.models.set_model(HeartReaderModel())
