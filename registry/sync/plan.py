"""What should follow from what the registry holds, and isn't there yet.

It looks at the state, never at events: whoever asks, and however often, gets the same answer.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import yaml

from heart_reader.project import MLPROJECT
from heart_reader.tracking import ModelVersion, registered_name
from heart_reader.tracking.models import CANDIDATE
from registry.client import (
    CHAMPION,
    Registry,
    backbone_names,
    member_tags,
    pinned,
    short_name,
)

SOURCE = "source"  # the tag of an edge version: the pinned version that it was exported from


@dataclass(frozen=True)
class Step:
    """One follow-on run that is missing.

    Attributes:
        entry: of MLproject.
        model: the registered model that a claim on it lies on.
        work: what the claim is on; two steps with the same are the same.
        reason: why it is due.
        options: of the entry.
    """

    entry: str
    model: str
    work: str
    reason: str
    options: tuple[tuple[str, str], ...]

    @property
    def key(self) -> str:
        """Unique among the steps of a plan."""
        return f"{self.model}:{self.work}"


def due(registry: Registry) -> list[Step]:
    """Every missing step, in the order in which they are to be done; each task by itself."""
    return [step for task in registry.tasks() for step in _of_task(registry, task)]


def _of_task(registry: Registry, task: str | None) -> list[Step]:
    found = (registry.find(name, CHAMPION) for name in backbone_names(task))
    champions = [version for version in found if version is not None]
    return [
        *_ensemble_steps(registry, champions, registered_name("ensemble", task)),
        *_report_steps(registry, champions, registered_name("ensemble", task)),
        *_export_steps(registry, champions, registered_name("edge", task)),
    ]


def _ensemble_steps(
    registry: Registry, champions: Sequence[ModelVersion], ensemble: str
) -> list[Step]:
    if len(champions) < 2:
        return []
    members = member_tags(champions)["members"]
    newest = registry.find(ensemble, CANDIDATE)
    made_of = "" if newest is None else registry.tags(newest).get("members", "")
    if newest is None or set(made_of.split(",")) != set(members.split(",")):
        new = sorted(set(members.split(",")) - set(made_of.split(",")))
        gone = sorted(set(made_of.split(",")) - set(members.split(",")) - {""})
        what = f"champions {', '.join(map(short_name, new))}" if new else "champions without"
        reason = f"{what} {', '.join(map(short_name, gone))}" if gone and not new else what
        return [Step("ensemble", ensemble, "ensemble", reason, (("members", members),))]
    judged = "gate" in registry.tags(newest)
    if judged or newest == registry.find(ensemble, CHAMPION):
        return []
    return [_on_version("promote", newest, "a candidate that the gate hasn't seen")]


def _report_steps(
    registry: Registry, champions: Sequence[ModelVersion], ensemble: str
) -> list[Step]:
    ensembles = [registry.find(ensemble, alias) for alias in (CANDIDATE, CHAMPION)]
    wanted = {pinned(v): v for v in [*champions, *ensembles] if v is not None}
    steps = []
    for version in wanted.values():
        tags = registry.tags(version)
        if "test/run_id" not in tags:
            steps.append(_on_version("evaluate", version, "no test report"))
        elif tags.get("card/test_run_id") != tags["test/run_id"]:
            steps.append(_on_version("card", version, "a test report that isn't in its card"))
    return steps


def _export_steps(registry: Registry, champions: Sequence[ModelVersion], edge: str) -> list[Step]:
    exported = {each.tags.get(SOURCE) for each in registry.versions(edge)}
    return [
        _on_version("export", version, "no edge export")
        for version in champions
        if pinned(version) not in exported
    ]


def _on_version(entry: str, version: ModelVersion, reason: str) -> Step:
    work = f"{entry}-{version.version}"
    return Step(entry, version.name, work, reason, (("model", version.uri),))


def modules() -> Mapping[str, str]:
    """The Python module behind each entry point of MLproject that is one."""
    tree = yaml.safe_load(MLPROJECT.read_text(encoding="utf-8"))
    found = {
        name: re.match(r"python -m ([\w.]+)", entry["command"])
        for name, entry in tree["entry_points"].items()
    }
    return {name: match.group(1) for name, match in found.items() if match is not None}
