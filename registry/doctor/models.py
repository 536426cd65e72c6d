"""Whether the registry and the artifact store agree: versions, aliases, folders, claims."""

import posixpath
import re
from collections.abc import Iterable, Sequence
from functools import partial

from mlflow import MlflowClient
from mlflow.entities import ViewType
from mlflow.entities.model_registry import ModelVersion as Entity
from mlflow.entities.model_registry import RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from heart_reader.bundle.kinds import READERS
from heart_reader.edge.device.folder import LABELS
from heart_reader.tracking.delivery.outage import waits_for_store
from heart_reader.tracking.versions import ABSENT
from registry import claims
from registry.client import CHAMPION, PREFIX, Registry, kind_of
from registry.doctor.runs import Remnant, all_runs

MISSING = "artifacts_missing"  # tag of a version that can't be loaded
RUN_FOLDER, MODEL_FOLDER = re.compile(r"[0-9a-f]{32}"), re.compile(r"m-[0-9a-f]{32}")
MODELS = "models"  # the folder of an experiment's logged models
PER_PAGE = 1000


# ---------------------------------------------------------------- versions and aliases


@waits_for_store
def versions_of(client: MlflowClient, name: str) -> Sequence[Entity]:
    """All of a model."""
    found: list[Entity] = []
    token = None
    while True:
        page = client.search_model_versions(f"name = '{name}'", PER_PAGE, page_token=token)
        found, token = [*found, *page], page.token
        if not token:
            return found


def broken_versions(client: MlflowClient, models: Iterable[RegisteredModel]) -> list[Remnant]:
    """Versions that can't be loaded, since files of theirs are gone; and those that can again."""
    found = []
    for model in models:
        champion = str(model.aliases.get(CHAMPION))
        for version in versions_of(client, model.name):
            missing, known = missing_file(client, version), version.tags.get(MISSING)
            if missing is not None:
                leads = str(version.version) == champion
                found.append(_broken(client, version, missing, known is not None, leads))
            elif known is not None:
                problem = f"its files are back, but it is tagged {MISSING}"
                unmark = partial(_unmark, client, version)
                found.append(Remnant("version", _name(version), problem, "drop the tag", unmark))
    return found


def _broken(
    client: MlflowClient, version: Entity, missing: str, known: bool, champion: bool
) -> Remnant:
    command = f"mlflow run . -e promote -P model={version.name} -P rollback=true"
    return Remnant(
        "version",
        _name(version),
        f"{missing} is missing" + (", and it is champion" if champion else ""),
        "register it anew, or delete it" if known else f"tag it {MISSING}",
        None if known else partial(_mark, client, version, missing),
        command if champion else "",
    )


def _name(version: Entity) -> str:
    return f"{version.name}/{version.version}"


@waits_for_store
def missing_file(client: MlflowClient, version: Entity) -> str | None:
    """The first file that a version needs and doesn't have."""
    repository = get_artifact_repository(
        client.get_model_version_download_uri(version.name, version.version)
    )
    if kind_of(version.name) == "edge" and version.name.startswith(PREFIX):
        return (
            None if LABELS in _names(repository, None) else LABELS
        )  # files that MLflow won't run
    if "MLmodel" not in _names(repository, None):
        return "MLmodel"
    if not version.name.startswith(PREFIX):
        return None
    folders = [f"artifacts/{name}" for name in _names(repository, "artifacts")]
    if not any(set(READERS) & _names(repository, folder) for folder in folders):
        return "the bundle"
    return None


def _names(repository: ArtifactRepository, folder: str | None) -> set[str]:
    return {posixpath.basename(item.path) for item in repository.list_artifacts(folder)}


def _mark(client: MlflowClient, version: Entity, missing: str) -> str:
    waits_for_store(client.set_model_version_tag)(version.name, version.version, MISSING, missing)
    return "tagged"


def _unmark(client: MlflowClient, version: Entity) -> str:
    waits_for_store(client.delete_model_version_tag)(version.name, version.version, MISSING)
    return "tag dropped"


def lost_aliases(client: MlflowClient, models: Iterable[RegisteredModel]) -> list[Remnant]:
    """Aliases of versions that aren't there."""
    found = []
    for model in models:
        there = {str(version.version) for version in versions_of(client, model.name)}
        for alias, version in model.aliases.items():
            if str(version) not in there:
                drop = partial(_drop_alias, client, model.name, alias)
                problem = f"stands for version {version}, which isn't there"
                found.append(Remnant("alias", f"{model.name}@{alias}", problem, "drop it", drop))
    return found


def _drop_alias(client: MlflowClient, name: str, alias: str) -> str:
    waits_for_store(client.delete_registered_model_alias)(name, alias)
    return "dropped"


# ---------------------------------------------------------------- artifacts


def orphans(client: MlflowClient, delete: bool) -> list[Remnant]:
    """Folders in the artifact store that no run and no logged model of this database owns.

    Another database may own them, where two share a folder: they are deleted on demand only.
    """
    owned = {run.info.run_id for run in all_runs(client, "", ViewType.ALL)}
    found = []
    for experiment in waits_for_store(client.search_experiments)(ViewType.ALL):
        repository = get_artifact_repository(experiment.artifact_location)
        for folder in orphan_folders(client, repository, owned):
            name = f"{experiment.artifact_location}/{folder}"
            remedy = "delete it" if delete else "if no other database owns it: -P delete=true"
            repair = partial(_delete, repository, folder) if delete else None
            found.append(Remnant("artifacts", name, "no run owns them", remedy, repair))
    return found


@waits_for_store
def orphan_folders(
    client: MlflowClient, repository: ArtifactRepository, owned: set[str]
) -> list[str]:
    """Of one experiment: those that look like a run's or a model's, and are nobody's."""
    runs = {name for name in _names(repository, None) if RUN_FOLDER.fullmatch(name)} - owned
    models = {name for name in _names(repository, MODELS) if MODEL_FOLDER.fullmatch(name)}
    lost = {f"{MODELS}/{model_id}" for model_id in models if not _has_model(client, model_id)}
    return sorted(runs | lost)


def _has_model(client: MlflowClient, model_id: str) -> bool:
    try:
        client.get_logged_model(model_id)
    except MlflowException as error:
        if error.error_code not in ABSENT:
            raise
        return False
    return True


def _delete(repository: ArtifactRepository, folder: str) -> str:
    waits_for_store(repository.delete_artifacts)(folder)
    return "deleted"


# ---------------------------------------------------------------- claims


def dead_claims(registry: Registry, models: Iterable[RegisteredModel]) -> list[Remnant]:
    """Claims of follow-on runs whose processes died."""
    return [
        Remnant(
            "claim",
            f"{claim.work} of {claim.model}",
            f"its owner ({claim.owner}) doesn't renew it",
            "clear it",
            partial(_clear, registry, claim),
        )
        for model in models
        for claim in claims.claims(registry, model.name)
        if not claim.live
    ]


def _clear(registry: Registry, claim: claims.Claim) -> str:
    claims.clear(registry, [claim])
    return "cleared"
