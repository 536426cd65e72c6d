"""Versions in the registry: found by their address, and their bundles fetched and read."""

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from heart_reader.bundle.folders import folder_digest
from heart_reader.bundle.kinds import READERS, AnyBundle, open_bundle
from heart_reader.errors import ModelError
from heart_reader.tracking.delivery.outage import shown_uri, waits_for_store

CANDIDATE, CHAMPION = "candidate", "champion"
ADDRESS = re.compile(r"(?:models:/)?([^@/]+)(?:@([^@/]+)|/(\d+))")
ABSENT = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}
# What a registered model holds: its bundle, and what MLflow writes beside it.
KEPT = "artifacts"
DATA = (".json", ".safetensors", ".yaml", ".md")  # with evidence and a card, where it travelled
BESIDE = ("MLmodel", "conda.yaml", "python_env.yaml", "requirements.txt", "pyfunc.py", "code",
          "registered_model_meta")  # fmt: skip


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


@waits_for_store
def tag_version(version: ModelVersion, prefix: str, tags: Mapping[str, str]) -> None:
    """Tags of a version, as ``PREFIX/KEY``, replaced where they exist."""
    client = MlflowClient()
    for key, value in tags.items():
        client.set_model_version_tag(version.name, version.version, f"{prefix}/{key}", value)


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
    return pinned_version(found)


def _there(client: MlflowClient, name: str) -> str:
    """Where was looked, and what is there."""
    models = client.search_registered_models(max_results=100)
    known = {model.name: sorted(f"@{alias}" for alias in model.aliases) for model in models}
    empty = {model.name for model in models if not model.latest_versions}
    where = f"{shown_uri()} has"
    if name in empty:
        return f"{where} {name} without any version"
    if name in known:
        return f"{where} {name} with {', '.join(known[name]) or 'no alias'} and older versions"
    return f"{where} {', '.join(sorted(known.keys() - empty)) or 'no registered model'}"


@waits_for_store
def aliases_of(version: ModelVersion) -> set[str]:
    """Those that stand for a version now."""
    found = MlflowClient().get_registered_model(version.name).aliases
    return {alias for alias, number in found.items() if str(number) == version.version}


def pinned_version(found: mlflow.entities.model_registry.ModelVersion) -> ModelVersion:
    """A version as the registry's client gives it."""
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


@waits_for_store
def digest_of_bundle(version: ModelVersion) -> str:
    """SHA-256 of the bundle that a version holds now, as of `folder_digest`; it isn't opened.

    Raises:
        ModelError: the model holds no bundle.
        TrackingError: the store can't be reached.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            kept = mlflow.artifacts.download_artifacts(f"{version.uri}/{KEPT}", dst_path=folder)
        except (MlflowException, OSError) as error:
            if isinstance(error, MlflowException) and error.error_code not in ABSENT:
                raise
            raise ModelError(f"{version.uri} holds no bundle: {error}") from error
        found = [path for name in READERS for path in Path(kept).glob(f"*/{name}")]
        if not found:
            raise ModelError(f"{version.uri} holds no bundle")
        return folder_digest(found[0].parent)


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
