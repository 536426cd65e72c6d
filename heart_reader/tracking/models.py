"""Bundles as MLflow models: logged as a pyfunc, registered, resolved, loaded."""

import importlib.metadata
import re
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema
from mlflow.types.schema import AnyType

import heart_reader
from heart_reader.bundle.kinds import READERS, AnyBundle, open_bundle
from heart_reader.data.demo.marks import is_synthetic
from heart_reader.errors import ModelError, TrackingError
from heart_reader.tasks.task import Task, class_key, default_task
from heart_reader.tracking.delivery.outage import shown_uri, waits_for_store
from heart_reader.tracking.permissions import left_behind

CANDIDATE, CHAMPION = "candidate", "champion"
ADDRESS = re.compile(r"(?:models:/)?([^@/]+)(?:@([^@/]+)|/(\d+))")
WHAT = (
    "Reads 12-lead ECGs. The alias `champion` stands for the version in use, `candidate` for the "
    "newest, `previous` for the champion before. A version's page says how it was made and judged."
)
LOGGED_NAME = "model"  # of the logged model that a version is made of
ABSENT = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}
# What a registered model holds: its bundle, and what MLflow writes beside it.
KEPT = "artifacts"
DATA = (".json", ".safetensors", ".yaml", ".md")  # with evidence and a card, where it travelled
BESIDE = ("MLmodel", "conda.yaml", "python_env.yaml", "requirements.txt", "pyfunc.py", "code",
          "registered_model_meta")  # fmt: skip
# What `bundle.single` and the pyfunc import; the versions are those that trained the model.
REQUIREMENTS = (
    *("mlflow", "numpy", "pandas", "PyYAML", "safetensors", "scipy", "torch"),
    # files of hospitals and recorders
    *("ecgdatakit", "edfio", "h5py", "pyarrow", "pydicom", "wfdb"),
)


@dataclass(frozen=True)
class ModelVersion:
    """One version in the registry."""

    name: str
    version: str
    model_id: str
    run_id: str

    @property
    def uri(self) -> str:
        """The pinned address: an alias may move, this doesn't."""
        return f"models:/{self.name}/{self.version}"


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
    quality = [ColSpec("string", name) for name in ("quality", "quality_reasons", "notes")]
    warning = [ColSpec("string", "warning")] if synthetic else []
    anything = AnyType()  # type: ignore[no-untyped-call]
    return ModelSignature(
        inputs=Schema([ColSpec(anything, name, required=False) for name in ("signal", "file")]),
        outputs=Schema([*probabilities, labels, *thresholds, *quality, *warning]),
        params=ParamSchema(
            [
                ParamSpec("fs", "double", 0.0),
                ParamSpec("leads", "string", [], (-1,)),
                ParamSpec("unit", "string", ""),
                ParamSpec("features", "string", "compute"),
                ParamSpec("age", "double", [], (-1,)),
                ParamSpec("sex", "double", [], (-1,)),
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
        return earlier
    _drop_unfinished_models(name)
    with warnings.catch_warnings():
        # It asks for an input example and for its own kind of type hints; the signature is given.
        warnings.simplefilter("ignore", UserWarning)
        info = mlflow.pyfunc.log_model(
            name=LOGGED_NAME,
            python_model=str(package / "tracking" / "pyfunc.py"),
            artifacts={"bundle": str(folder)},
            code_paths=[str(package)],
            signature=signature(bundle.task, is_synthetic(bundle.provenance)),
            pip_requirements=_requirements(),
        )
    draft = ModelVersion(name, "", info.model_id, info.run_id)
    return _register(info.model_uri, draft, description, tags)


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
    return _pinned(found[0])


def _drop_unfinished_models(name: str) -> None:
    """Removes what earlier tries of this run logged: models that no version was made of."""
    client = MlflowClient()
    run = client.get_run(_open_run(name).info.run_id)
    versions = client.search_model_versions(f"run_id = '{run.info.run_id}'")
    made = {_pinned(version).model_id for version in versions}
    found = client.search_logged_models(
        [run.info.experiment_id],
        f"source_run_id = '{run.info.run_id}' AND name = '{LOGGED_NAME}'",
    )
    for model in found:
        if model.model_id not in made:
            with left_behind("models of earlier tries"):
                client.delete_logged_model(model.model_id)


def _register(
    model_uri: str, draft: ModelVersion, description: str, tags: Mapping[str, str]
) -> ModelVersion:
    client = MlflowClient()
    try:
        client.create_registered_model(draft.name, description=WHAT)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    made = client.create_model_version(
        draft.name,
        model_uri,
        run_id=draft.run_id,
        tags=dict(tags),
        description=description,
        model_id=draft.model_id or None,
    )
    client.set_registered_model_alias(draft.name, CANDIDATE, made.version)
    return replace(draft, version=str(made.version))


@waits_for_store
def tag_version(version: ModelVersion, prefix: str, tags: Mapping[str, str]) -> None:
    """Tags of a version, as ``PREFIX/KEY``, replaced where they exist."""
    client = MlflowClient()
    for key, value in tags.items():
        client.set_model_version_tag(version.name, version.version, f"{prefix}/{key}", value)


def _requirements() -> list[str]:
    # A local label such as torch's +cpu is no version that an index has.
    versions = {name: importlib.metadata.version(name).split("+")[0] for name in REQUIREMENTS}
    return [f"{name}=={version}" for name, version in versions.items()]


# ---------------------------------------------------------------- finding and loading


@waits_for_store
def resolve_version(address: str) -> ModelVersion:
    """What ``NAME@ALIAS`` or ``NAME/VERSION`` stands for now, with or without ``models:/``.

    Raises:
        ModelError: another form of address, or nothing registered there.
        TrackingError: the store can't be reached.
    """
    parts = ADDRESS.fullmatch(address)
    if parts is None:
        raise ModelError(
            f"model address {address!r} must look like models:/NAME@ALIAS or models:/NAME/VERSION"
        )
    name, alias, version = parts.groups()
    client = MlflowClient()
    try:
        if alias:
            found = client.get_model_version_by_alias(name, alias)
        else:
            found = client.get_model_version(name, version)
    except MlflowException as error:
        if error.error_code not in ABSENT:
            raise
        raise ModelError(f"the registry has no {address}: {_there(client, name)}") from error
    return _pinned(found)


def _there(client: MlflowClient, name: str) -> str:
    """Where was looked, and what is there."""
    models = client.search_registered_models(max_results=100)
    known = {model.name: sorted(f"@{alias}" for alias in model.aliases) for model in models}
    where = f"{shown_uri()} has"
    if name in known:
        return f"{where} {name} with {', '.join(known[name]) or 'no alias'} and older versions"
    return f"{where} {', '.join(sorted(known)) or 'no registered model'}"


@waits_for_store
def aliases_of(version: ModelVersion) -> set[str]:
    """Those that stand for a version now."""
    found = MlflowClient().get_registered_model(version.name).aliases
    return {alias for alias, number in found.items() if str(number) == version.version}


def _pinned(found: mlflow.entities.model_registry.ModelVersion) -> ModelVersion:
    # SQL stores keep the model's ID in the source alone: models:/m-...
    model_id = found.model_id or (found.source or "").rpartition("models:/")[2]
    return ModelVersion(found.name, str(found.version), model_id, found.run_id or "")


def load_registered(version: ModelVersion) -> AnyBundle:
    """The bundle inside a registered model, read by our code; its own code is never run.

    Raises:
        ModelError: the model holds no bundle, or something else besides.
        TrackingError: the store can't be reached.
    """
    with tempfile.TemporaryDirectory() as folder:
        return open_bundle(download_bundle(version, Path(folder)))


@waits_for_store
def download_bundle(version: ModelVersion, folder: Path) -> Path:
    """Fetches a registered model.

    Args:
        version: of the registry.
        folder: that it is put into; made where it isn't there.

    Returns:
        The folder of its bundle.

    Raises:
        ModelError: the model holds no bundle, or something else besides.
        TrackingError: the store can't be reached.
    """
    folder.mkdir(parents=True, exist_ok=True)
    local = Path(mlflow.artifacts.download_artifacts(version.uri, dst_path=str(folder)))
    found = [path for name in READERS for path in (local / KEPT).glob(f"*/{name}")]
    if not found:
        raise ModelError(f"{version.uri} holds no bundle")
    _require_own_files(version, local, found[0].parent)
    return found[0].parent


def _require_own_files(version: ModelVersion, local: Path, bundle: Path) -> None:
    """A version is what `log_bundle` writes: MLflow's files, our package, one bundle."""
    for path in sorted(local.rglob("*")):
        inside = path.relative_to(local)
        top = inside.parts[0]
        ours = path.suffix in DATA if path.is_relative_to(bundle) else top in BESIDE
        if path.is_file() and not (ours and not path.is_symlink()):
            raise ModelError(
                f"{version.uri} holds {inside}, which isn't part of a bundle: a version holds a "
                f"bundle ({', '.join(DATA)}), our package under code/, and MLflow's own files"
            )
