"""The model registry as the follow-on runs see it: pinned versions, aliases, lineage tags."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion as Entity
from mlflow.entities.model_registry import RegisteredModel
from mlflow.exceptions import MlflowException

from heart_reader.bundle.kinds import AnyBundle
from heart_reader.data.demo.marks import KEY, is_synthetic
from heart_reader.errors import ModelError
from heart_reader.models import BACKBONES
from heart_reader.tracking import ModelVersion, log_bundle, registered_name, resolve_version
from heart_reader.tracking.delivery.outage import waits_for_store
from heart_reader.tracking.versions import ABSENT, CANDIDATE
from heart_reader.tracking.versions import (
    CHAMPION as CHAMPION,  # its home is where fold 10 is kept
)

PREVIOUS = "previous"
EXPORT, REFUSED = "export", "refused"  # the tag of a version, and of one whose gate shut
KINDS = (*BACKBONES, "ensemble", "edge")
PREFIX = registered_name("")
SOURCE = "source"  # the tag of an edge version: the pinned version that it was exported from
# What MLflow's stores hold of a description.
LONGEST_DESCRIPTION = 5000


def short_name(name: str) -> str:
    """``edge`` of ``heart-reader-edge``, ``form-edge`` of ``heart-reader-form-edge``."""
    return name.removeprefix(PREFIX)


def name_of(address: str) -> str:
    """The registered model of an address.

    >>> name_of("models:/heart-reader-edge@champion"), name_of("heart-reader-edge/3")
    ('heart-reader-edge', 'heart-reader-edge')
    """
    return address.removeprefix("models:/").partition("@")[0].partition("/")[0]


def task_of(name: str) -> str | None:
    """The task that a registered model of ours is for, ``None`` for the default one.

    >>> task_of("heart-reader-edge"), task_of("heart-reader-form-edge")
    (None, 'form')
    """
    return short_name(name).removesuffix(kind_of(name)).removesuffix("-") or None


def kind_of(name: str) -> str:
    """What a registered model is: a backbone, "ensemble" or "edge"; all of another name."""
    short = short_name(name)
    return next((k for k in KINDS if short == k or short.endswith(f"-{k}")), short)


def name_beside(name: str, kind: str) -> str:
    """The model of another kind for the same task."""
    return registered_name(kind, task_of(name))


def backbone_names(task: str | None) -> tuple[str, ...]:
    """The registered names of all backbones for a task, ``None`` for the default one."""
    return tuple(registered_name(backbone, task) for backbone in BACKBONES)


def pinned(version: ModelVersion) -> str:
    """``heart-reader-inception1d/3``, as it stands in tags."""
    return f"{version.name}/{version.version}"


def made_from(bundle: AnyBundle) -> dict[str, str]:
    """The tag of a version whose model was trained on synthetic ECGs; else none."""
    return {KEY: "true"} if is_synthetic(bundle.provenance) else {}


def register(
    bundle: AnyBundle, kind: str, folder: Path, text: str, tags: Mapping[str, str]
) -> ModelVersion:
    """Writes a bundle to a folder, logs it under the open run, and registers the candidate."""
    bundle.save(folder)
    return log_bundle(folder, kind, text[:LONGEST_DESCRIPTION], tags)


@waits_for_store
def registered_models(
    client: MlflowClient, condition: str | None = None, per_page: int = 100
) -> list[RegisteredModel]:
    """All of them, or those of a condition, page by page."""
    found: list[RegisteredModel] = []
    token = None
    while True:
        page = client.search_registered_models(condition, per_page, page_token=token)
        found, token = [*found, *page], page.token
        if not token:
            return found


class Registry:
    """One connection to the registry; every method is one request, or few."""

    def __init__(self) -> None:
        self.client = MlflowClient()

    # ------------------------------------------------------------ looking

    @waits_for_store
    def model(self, name: str) -> RegisteredModel | None:
        """A registered model with its aliases and tags."""
        try:
            return self.client.get_registered_model(name)
        except MlflowException as error:
            if error.error_code not in ABSENT:
                raise
            return None

    def find(self, name: str, alias: str) -> ModelVersion | None:
        """The version that an alias stands for now."""
        model = self.model(name)
        if model is None or alias not in model.aliases:
            return None
        return self.version(name, str(model.aliases[alias]))

    def version(self, name: str, version: str) -> ModelVersion:
        """A pinned version.

        Raises:
            ModelError: the registry doesn't have it.
        """
        return resolve_version(f"models:/{name}/{version}")

    def names(self) -> list[str]:
        """All names that models of the tasks in the registry may have."""
        return [registered_name(kind, task) for task in self.tasks() for kind in KINDS]

    def tasks(self) -> list[str | None]:
        """The tasks that the registry has a model for; ``None``, the default one, comes first."""
        found = registered_models(self.client, f"name LIKE '{PREFIX}%'")
        names = [model.name for model in found if kind_of(model.name) in KINDS]
        return [None, *sorted({task for name in names if (task := task_of(name))})]

    @waits_for_store
    def entity(self, version: ModelVersion) -> Entity:
        """Everything that the registry knows of a version."""
        return self.client.get_model_version(version.name, version.version)

    def tags(self, version: ModelVersion) -> dict[str, str]:
        """The tags of a version."""
        return dict(self.entity(version).tags)

    @waits_for_store
    def versions(self, name: str) -> list[Entity]:
        """All versions of a model, the newest first."""
        found = self.client.search_model_versions(f"name = '{name}'")
        return sorted(found, key=lambda each: int(each.version), reverse=True)

    # ------------------------------------------------------------ writing

    @waits_for_store
    def set_tags(self, version: ModelVersion, tags: Mapping[str, str]) -> None:
        """Tags of a version, replaced where they exist."""
        for key, value in tags.items():
            self.client.set_model_version_tag(version.name, version.version, key, value)

    @waits_for_store
    def set_model_tag(self, name: str, key: str, value: str) -> None:
        """A tag of a registered model, replaced where it exists."""
        self.client.set_registered_model_tag(name, key, value)

    @waits_for_store
    def describe(self, version: ModelVersion, markdown: str) -> None:
        """The text on a version's page."""
        self.client.update_model_version(
            version.name, version.version, markdown[:LONGEST_DESCRIPTION]
        )

    @waits_for_store
    def set_alias(self, version: ModelVersion, alias: str) -> None:
        """Moves an alias to a version; where it stood before, it is gone."""
        self.client.set_registered_model_alias(version.name, alias, version.version)

    def make_champion(self, version: ModelVersion) -> None:
        """``champion`` to this version, ``previous`` to the one that it was.

        In this order a crash in between leaves both on the old champion, never none.
        """
        champion = self.find(version.name, CHAMPION)
        if champion is not None and champion != version:
            self.set_alias(champion, PREVIOUS)
        self.set_alias(version, CHAMPION)


# ---------------------------------------------------------------- members of an ensemble


def choose_members(registry: Registry, wanted: str, task: str | None = None) -> list[ModelVersion]:
    """The versions that an ensemble is made of, pinned.

    Args:
        registry: where they are.
        wanted: addresses with commas between them; "auto" takes of each backbone its champion,
            or its candidate where it has none.
        task: whose models "auto" means, ``None`` for the default one.

    Raises:
        ModelError: fewer than two, one twice, or an address that isn't there.
    """
    if wanted == "auto":
        aliases = (
            registry.find(n, CHAMPION) or registry.find(n, CANDIDATE) for n in backbone_names(task)
        )
        members = [version for version in aliases if version is not None]
    else:
        members = [resolve_version(address.strip()) for address in wanted.split(",")]
    names = [pinned(version) for version in members]
    if len(members) < 2:
        raise ModelError(
            f"an ensemble needs at least 2 members, but there is {', '.join(names) or 'none'}"
            f"{f' of task {task}' if wanted == 'auto' and task else ''}: "
            "train and register backbones first, or name members=NAME@ALIAS,NAME/VERSION"
        )
    if len(set(names)) < len(members):
        raise ModelError(f"an ensemble's members must be different versions, but are {names}")
    return members


def member_names(members: Sequence[ModelVersion]) -> list[str]:
    """Short names, with the version behind them where several are of one model."""
    short = [short_name(version.name) for version in members]
    return [
        name if short.count(name) == 1 else f"{name}-{version.version}"
        for name, version in zip(short, members, strict=True)
    ]


def member_tags(members: Sequence[ModelVersion]) -> dict[str, str]:
    """The lineage of what was made of some versions."""
    return {
        "members": ",".join(pinned(member) for member in members),
        "member_runs": ",".join(member.run_id for member in members),
    }
