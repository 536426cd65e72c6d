"""A store with two trained backbones that the follow-on runs start from."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

from heart_reader.bundle.single import Bundle, save_bundle
from heart_reader.data.ptbxl import SUPERCLASSES
from heart_reader.tracking import load_registered, resolve_version
from tests.tracking.processes import SMALL, Store, words

SE, XRES, ENSEMBLE = (
    "heart-reader-se_resnet1d",
    "heart-reader-xresnet1d18",
    "heart-reader-ensemble",
)
# Two epochs on 150 synthetic records prove nothing: the gate's floors are out of the way.
OPEN_GATE = ("--gate.min_macro_auc", "0", "--gate.min_class_auc", "0", "--gate.max_ece", "1")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """One real training of two backbones, in its own process."""
    store = Store(tmp_path_factory.mktemp("fleet"))
    options = SMALL | {"backbone": "se_resnet1d,xresnet1d18", "data.demo_records": "300"}
    started = store.train(*words(options))
    if started.finish():
        raise AssertionError(started.output())
    return store


def version(store: Store, name: str, alias: str) -> ModelVersion:
    """What an alias stands for."""
    return store.client.get_model_version_by_alias(name, alias)


def aliases(store: Store, name: str) -> dict[str, int]:
    """All aliases of a model."""
    return {k: int(v) for k, v in store.client.get_registered_model(name).aliases.items()}


def frame(store: Store, run_id: str, file: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """True labels and scores of a predictions file."""
    table = pd.read_parquet(store.artifact(run_id, file)).set_index("ecg_id")
    return tuple(table[[f"{kind}_{name}" for name in SUPERCLASSES]] for kind in ("true", "score"))


def bundle_of(store: Store, address: str) -> Bundle:
    """The bundle behind an address, in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", store.uri)
        return load_registered(resolve_version(address))


def changed_bundle(bundle: Bundle, folder: Path, provenance: dict[str, object]) -> Path:
    """The bundle upside down (each logit negated), with other provenance, as a folder."""
    import copy

    model = copy.deepcopy(bundle.model)
    last = [module for module in model.modules() if hasattr(module, "out_features")][-1]
    last.weight.data.neg_()
    last.bias.data.neg_()
    save_bundle(
        replace(bundle, model=model, provenance={**bundle.provenance, **provenance}), folder
    )
    return folder


def running(store: Store) -> list[str]:
    """Names of the runs that are RUNNING."""
    return [run.info.run_name for run in store.runs() if run.info.status == "RUNNING"]


def made_by_sync(store: Store) -> list[tuple[str, str]]:
    """Work and status of every follow-on run."""
    return sorted(
        (run.data.tags["follows"], run.info.status)
        for run in store.runs()
        if "follows" in run.data.tags
    )


def log_foreign(store: Store, name: str) -> str:
    """Registers a model of somebody else's under a name of ours; gives its version."""
    code = store.folder / "foreign.py"
    code.write_text(
        "import mlflow\n"
        "class Foreign(mlflow.pyfunc.PythonModel):\n"
        "    def predict(self, context, model_input: list[str]) -> list[str]:\n"
        "        return model_input\n"
        "mlflow.models.set_model(Foreign())\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", store.uri)
        with mlflow.start_run(experiment_id="0"):
            info = mlflow.pyfunc.log_model(
                name="model", python_model=str(code), pip_requirements=["mlflow"]
            )
        client = MlflowClient()
        return str(client.create_model_version(name, info.model_uri).version)


def versions(store: Store, name: str) -> Sequence[ModelVersion]:
    """All versions of a model."""
    return store.client.search_model_versions(f"name = '{name}'")
