"""Bundles as MLflow models: logged as a pyfunc, and registered."""

import importlib.metadata
import json
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema
from mlflow.types.schema import AnyType
from mlflow.utils.mlflow_tags import MLFLOW_MODEL_VERSIONS

import heart_reader
from heart_reader.bundle.kinds import AnyBundle, open_bundle
from heart_reader.data.demo.marks import is_synthetic
from heart_reader.errors import TrackingError
from heart_reader.tasks.task import Task, class_key, default_task
from heart_reader.tracking.delivery.outage import waits_for_store
from heart_reader.tracking.papers.materials import MATERIALS, bill_of_materials
from heart_reader.tracking.permissions import left_behind, make_model
from heart_reader.tracking.versions import CANDIDATE, ModelVersion, pinned_version

BEFORE = "model"  # the name that every logged model had
# What `bundle.single` and the pyfunc import; the versions are those that trained the model.
REQUIREMENTS = (
    *("mlflow", "numpy", "pandas", "PyYAML", "safetensors", "scipy", "torch"),
    # files of hospitals and recorders
    *("ecgdatakit", "edfio", "h5py", "pyarrow", "pydicom", "wfdb"),
)


def registered_name(kind: str, task: str | None = None) -> str:
    """The registry's name for a backbone's fused model, for "ensemble" or for "edge".

    >>> registered_name("edge"), registered_name("edge", "form")
    ('heart-reader-edge', 'heart-reader-form-edge')

    Args:
        kind: which of them.
        task: by name, where it isn't the default: models of tasks live side by side.
    """
    if task is None or task == default_task().name:
        return f"heart-reader-{kind}"
    return f"heart-reader-{class_key(task)}-{kind}"


def signature(task: Task, synthetic: bool = False) -> ModelSignature:
    """Either input is enough, and both are of any shape: what is in them is checked by the model,
    with a line that helps.

    Args:
        task: whose classes are answered.
        synthetic: a model that was trained on such ECGs answers with a warning besides.
    """
    probabilities = [ColSpec("double", name) for name in task.classes]
    thresholds = [ColSpec("double", f"threshold_{name}") for name in task.classes]
    labels = ColSpec("string", "labels")
    trust = [ColSpec("boolean", "calibrated"), ColSpec("string", "uncertain")]
    trust.append(ColSpec("double", "novelty", required=False))
    quality = [ColSpec("string", name) for name in ("quality", "quality_reasons", "notes")]
    warning = [ColSpec("string", "warning")] if synthetic else []
    anything = AnyType()  # type: ignore[no-untyped-call]
    return ModelSignature(
        inputs=Schema([ColSpec(anything, name, required=False) for name in ("signal", "file")]),
        outputs=Schema([*probabilities, labels, *thresholds, *trust, *quality, *warning]),
        params=ParamSchema(
            [
                ParamSpec("fs", "double", 0.0),
                ParamSpec("leads", "string", [], (-1,)),
                ParamSpec("unit", "string", ""),
                ParamSpec("features", "string", "compute"),
                ParamSpec("age", "double", [], (-1,)),
                ParamSpec("sex", "double", [], (-1,)),
                ParamSpec("record", "string", [], (-1,)),
            ]
        ),
    )


@waits_for_store
def log_bundle(folder: Path, kind: str, description: str, tags: Mapping[str, str]) -> ModelVersion:
    """Logs a bundle folder under the open run, registers it, and makes it the candidate.

    A run that was killed behind this step and goes on has its version already: it is given back.
    So it is where the answer to an earlier try was lost.
    """
    bundle, package = open_bundle(folder), Path(heart_reader.__file__).parent
    name = registered_name(kind, bundle.task.name)
    earlier = _registered_by_open_run(name)
    if earlier is not None:
        _log_materials(folder, bundle, earlier)
        return earlier
    _drop_unfinished_models(name, kind)
    with warnings.catch_warnings():
        # It asks for an input example and for its own kind of type hints; the signature is given.
        warnings.simplefilter("ignore", UserWarning)
        info = mlflow.pyfunc.log_model(
            name=kind,
            python_model=str(package / "tracking" / "pyfunc.py"),
            artifacts={"bundle": str(folder)},
            code_paths=[str(package)],
            signature=signature(bundle.task, is_synthetic(bundle.provenance)),
            pip_requirements=_requirements(),
        )
    draft = ModelVersion(name, "", info.model_id, info.run_id)
    made = _register(info.model_uri, draft, description, tags)
    _log_materials(folder, bundle, made)
    return made


def _log_materials(folder: Path, bundle: AnyBundle, version: ModelVersion) -> None:
    text = bill_of_materials(folder, bundle, version.name, version.version)
    MlflowClient().log_text(version.run_id, text, MATERIALS)


@waits_for_store
def register_files(
    folder: str, name: str, description: str, tags: Mapping[str, str]
) -> ModelVersion:
    """Registers a folder among the open run's artifacts, files that MLflow itself doesn't run.

    ``mlflow artifacts download --artifact-uri models:/NAME/VERSION`` gets them.
    """
    earlier = _registered_by_open_run(name)
    if earlier is not None:
        return earlier
    run = _open_run(name)
    draft = ModelVersion(name, "", "", run.info.run_id)
    return _register(f"{run.info.artifact_uri}/{folder}", draft, description, tags)


def _open_run(name: str) -> mlflow.ActiveRun:
    run = mlflow.active_run()
    if run is None:
        raise TrackingError(f"a version of {name!r} is registered by a run, but none is open")
    return run


def _registered_by_open_run(name: str) -> ModelVersion | None:
    run, client = _open_run(name), MlflowClient()
    found = client.search_model_versions(f"name = '{name}' and run_id = '{run.info.run_id}'")
    if not found:
        return None
    client.set_registered_model_alias(name, CANDIDATE, found[0].version)
    return pinned_version(found[0])


def _drop_unfinished_models(name: str, kind: str) -> None:
    """Removes what earlier tries of this run logged: models that no version was made of."""
    client = MlflowClient()
    run = client.get_run(_open_run(name).info.run_id)
    versions = client.search_model_versions(f"run_id = '{run.info.run_id}'")
    made = {pinned_version(version).model_id for version in versions}
    found = client.search_logged_models(
        [run.info.experiment_id], f"source_run_id = '{run.info.run_id}'"
    )
    for model in found:
        if model.name in (BEFORE, kind) and model.model_id not in made:
            with left_behind("models of earlier tries"):
                client.delete_logged_model(model.model_id)


def _register(
    model_uri: str, draft: ModelVersion, description: str, tags: Mapping[str, str]
) -> ModelVersion:
    client = MlflowClient()
    make_model(draft.name)
    made = client.create_model_version(
        draft.name,
        model_uri,
        run_id=draft.run_id,
        tags=dict(tags),
        description=description,
        model_id=draft.model_id or None,
    )
    client.set_registered_model_alias(draft.name, CANDIDATE, made.version)
    if draft.model_id:  # by this tag the UI's list of an experiment's models names the version
        link = json.dumps([{"name": draft.name, "version": str(made.version)}])
        client.set_logged_model_tags(draft.model_id, {MLFLOW_MODEL_VERSIONS: link})
    return replace(draft, version=str(made.version))


def _requirements() -> list[str]:
    # A local label such as torch's +cpu is no version that an index has.
    versions = {name: importlib.metadata.version(name).split("+")[0] for name in REQUIREMENTS}
    return [f"{name}=={version}" for name, version in versions.items()]
