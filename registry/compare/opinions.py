"""What is compared: versions, or runs, and what each said about fold 9."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from heart_reader.errors import ConfigError, ModelError
from heart_reader.evaluation.thresholds import REMEMBERED, YOUDEN, choose, parse_rule
from heart_reader.tracking import ModelVersion, Run, find_run, resolve_version
from registry.client import Registry, pinned, short_name
from registry.compare.differing import PACKAGE, packages_of
from registry.ground.logged import Logged, logged_of_run, read_logged

# What says under which conditions a run was made, beside its params.
CONDITIONS = ("git_commit", "data_digest", "task", "backbone", "synthetic", "members", "weights",
              REMEMBERED)  # fmt: skip


@dataclass(frozen=True)
class Opinion:
    """One of those that are compared.

    Attributes:
        name: short, unique among them.
        version: ``None`` of a run that is compared as such.
        run_id: that made it.
        logged: what it said.
        labels: what it would have called present, (n_records, n_classes), by its own rule.
        thresholds: that the rule chooses, (n_classes,).
        settings: params, conditions and packages of its run.
    """

    name: str
    version: ModelVersion | None
    run_id: str
    logged: Logged
    labels: NDArray[np.bool_]
    thresholds: NDArray[np.float64]
    settings: Mapping[str, str]


def gather(
    registry: Registry, models: str, runs: str, alias: str, study: str = ""
) -> list[Opinion]:
    """Those that a user names.

    Args:
        registry: where they are.
        models: addresses with commas between them, or "".
        runs: IDs likewise, or "".
        alias: of every registered model that has it, or "".
        study: names with commas between them; what was trained with the best of each, or "".

    Raises:
        ConfigError: fewer than two, or one twice.
        ModelError: one isn't there or said nothing of fold 9; they judged other records.
    """
    versions = [resolve_version(each.strip()) for each in models.split(",") if each.strip()]
    if alias:
        found = (registry.find(name, alias) for name in registry.names())
        versions += [version for version in found if version is not None]
    for each in filter(None, (word.strip() for word in study.split(","))):
        versions += versions_of_study(registry, each)
    opinions = [_of_version(registry, version) for version in versions]
    opinions += [_of_run(find_run(each.strip())) for each in runs.split(",") if each.strip()]
    names = [each.name for each in opinions]
    if len(opinions) < 2:
        raise ConfigError(
            f"a comparison needs at least 2 models, but there is {', '.join(names) or 'none'}: "
            "give models=NAME@ALIAS,NAME/VERSION or runs=ID,ID or alias=champion or study=NAME"
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f"each is compared once, but there is twice: {', '.join(twice)}")
    _require_same_records(opinions)
    return opinions


def versions_of_study(registry: Registry, study: str) -> list[ModelVersion]:
    """Versions that were trained with the best of a study, the oldest first.

    Raises:
        ModelError: there are none.
    """
    found = []
    for name in registry.names():
        for each in reversed(registry.versions(name)):
            run = Run(each.run_id) if each.run_id else None
            if run is not None and study in run.tags().get("study", "").split(","):
                found.append(registry.version(name, str(each.version)))
    if not found:
        raise ModelError(f"no version was trained with the best of study {study!r}")
    return found


def _of_version(registry: Registry, version: ModelVersion) -> Opinion:
    run = Run(version.run_id)
    with tempfile.TemporaryDirectory() as folder:
        logged = read_logged(version, Path(folder), ())
        told = registry.tags(version) | packages_of(run, Path(folder))
    name = f"{short_name(version.name)}/{version.version}"
    return _opinion(name, version, run, logged, told)


def _of_run(run: Run) -> Opinion:
    with tempfile.TemporaryDirectory() as folder:
        logged = logged_of_run(run, Path(folder), ())
        told = packages_of(run, Path(folder))
    name = run.tags().get("mlflow.runName", "run")
    return _opinion(f"{name} {run.run_id[:8]}", None, run, logged, told)


def _opinion(
    name: str, version: ModelVersion | None, run: Run, logged: Logged, tags: Mapping[str, str]
) -> Opinion:
    told = {**run.tags(), **tags}
    rule = parse_rule(told.get(REMEMBERED, YOUDEN))
    limits = choose(rule, logged.y_true, logged.own, logged.classes)
    labels = logged.own >= limits
    known = {k: v for k, v in told.items() if k in CONDITIONS or k.startswith(PACKAGE)}
    settings = {**run.params(), **known}
    return Opinion(name, version, run.run_id, logged, labels, limits, settings)


def _require_same_records(opinions: Sequence[Opinion]) -> None:
    first = opinions[0]
    for other in opinions[1:]:
        same_task = first.logged.classes == other.logged.classes
        same = same_task and np.array_equal(first.logged.ecg_id, other.logged.ecg_id)
        if not same or not np.array_equal(first.logged.y_true, other.logged.y_true):
            what = "the same records" if same_task else "the same classes"
            raise ModelError(
                f"{first.name} and {other.name} weren't judged on {what} of fold 9 "
                f"({len(first.logged.ecg_id)} and {len(other.logged.ecg_id)} records, "
                f"{len(first.logged.classes)} and {len(other.logged.classes)} classes): what "
                "they reach can't be compared"
            )


def addresses(opinions: Sequence[Opinion]) -> str:
    """As they stand in a tag."""
    return ",".join(pinned(each.version) if each.version else each.run_id for each in opinions)
