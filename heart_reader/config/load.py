"""One typed configuration for everything; its defaults live in ``configs/default.yaml`` alone.

Layers, each strict: ``default.yaml``, then a named or given overlay file, then dotted overrides
(``training.epochs=4``). Every problem of a configuration is raised together.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from heart_reader.config.strict import parse, to_dict
from heart_reader.config.yaml_files import merge, named_yaml, read_yaml
from heart_reader.data.augmentation import AugmentationConfig
from heart_reader.data.dataset import DataConfig, FeaturesConfig
from heart_reader.data.labelled import TASK_FILE
from heart_reader.data.manifest import is_manifest
from heart_reader.data.spec import SignalConfig
from heart_reader.errors import ConfigError
from heart_reader.evaluation.config import EvaluationConfig
from heart_reader.files import user_path
from heart_reader.models import BACKBONES, ModelConfig
from heart_reader.project import CONFIG_DEFAULTS, CONFIG_FOLDER
from heart_reader.tasks.ptbxl import CLASS_OF, LABELS, TaskConfig
from heart_reader.training.config import TrainingConfig

# What a user types most often, without its section.
SHORT_NAMES = {
    "data": "data.root",
    "task": "task.name",
    "features": "features.source",
    "backbone": "model.backbone",
    "thresholds": "evaluation.thresholds",
    "init": "training.init",
}
# Keys that runs of earlier versions lack, and what those did: such a run can go on.
YOUNGER: Mapping[str, Any] = {
    "task": {"name": "superdiagnostic", "unlabelled": "drop"},
    "signal": {"leads": "all", "fs": 100, "seconds": 10.0, "short": "repeat"},
    "training": {
        "lead_sets": "none",
        "init": "none",
        "freeze_epochs": 0,
        "layer_decay": 1.0,
        "auxiliary": "none",
        "auxiliary_weight": 1.0,
        "auxiliary_likelihoods": False,
        "cuda_graphs": False,
    },
    "evaluation": {
        "thresholds": "youden",
        "windows": 0,
        "calibration": "none",
        "conformal_error": 0.0,
        "n_novelty": 0,
    },
}


@dataclass(frozen=True)
class Config:
    """Everything that decides a result, apart from the code and the data."""

    seed: int
    data: DataConfig
    task: TaskConfig
    signal: SignalConfig
    features: FeaturesConfig
    model: ModelConfig
    training: TrainingConfig
    augmentation: AugmentationConfig
    evaluation: EvaluationConfig

    def problems(self) -> list[str]:
        """The rules that hold between sections."""
        auxiliary, found = self.training.auxiliary, []
        if auxiliary == self.task.name:
            found.append(f"training.auxiliary must be another task than task, but is {auxiliary}")
        if auxiliary in CLASS_OF and is_manifest(self.data.root):
            found.append(
                f"training.auxiliary {auxiliary!r} is one of PTB-XL's statements, which the "
                f"manifest {self.data.root} doesn't have: give FILE.yaml, or {LABELS}"
            )
        return found


def load_config(overlay: str, overrides: Mapping[str, object]) -> Config:
    """The configuration of an overlay and dotted overrides.

    Args:
        overlay: a name of ``configs/`` ("default", "demo") or the path of a YAML file that
            changes some keys of ``default.yaml``.
        overrides: dotted keys (or ``SHORT_NAMES``) and their values, as strings or typed.

    Raises:
        ConfigError: an overlay that isn't there; every unknown key and illegal value, together.
    """
    tree = read_yaml(CONFIG_DEFAULTS)
    if overlay != "default":
        tree = merge(tree, read_yaml(named_yaml(CONFIG_FOLDER, overlay, "config")))
    full = {SHORT_NAMES.get(key, key): value for key, value in overrides.items()}
    for key, value in full.items():
        _set_dotted(tree, key, value)
    if (
        "task.name" not in full
        and tree["task"]["name"] == read_yaml(CONFIG_DEFAULTS)["task"]["name"]
    ):
        tree["task"]["name"] = _unasked_task(str(tree["data"]["root"]), tree["task"]["name"])
    return _parsed(tree)


def _unasked_task(root: str, default: str) -> str:
    """The task where nobody named one: of a manifest what lies beside it, or its labels."""
    if not is_manifest(root):
        return default
    beside = user_path(root).with_name(TASK_FILE)
    return str(beside.absolute()) if beside.is_file() else LABELS


def changed(config: Config, overrides: Mapping[str, object]) -> Config:
    """A complete configuration with some dotted keys changed.

    Raises:
        ConfigError: every unknown key and illegal value, together.
    """
    tree = to_dict(config)
    for key, value in overrides.items():
        _set_dotted(tree, key, value)
    return _parsed(tree)


def read_config(path: Path) -> Config:
    """The configuration that a run of any age left in its ``config.yaml``.

    Keys that it lacks are younger than the run: they get what the run did where that is known
    (`YOUNGER`), else today's defaults, and stderr says so.

    Raises:
        ConfigError: the file can't be read, or has problems.
    """
    tree, defaults = read_yaml(path), read_yaml(CONFIG_DEFAULTS)
    # A section that isn't there at all is no sign of age, unless all of it is younger.
    known = {k: v for k, v in YOUNGER.items() if k in tree or set(v) == set(defaults[k])}
    tree = merge(known, tree)
    lacking = [key for key in _lacking(tree, defaults) if key not in _shapes_of_others(tree)]
    if lacking:
        print(
            f"{path.name} was written before there were {', '.join(lacking)}: "
            "today's defaults are taken",
            file=sys.stderr,
        )
    return _parsed(merge(defaults, tree))


def _shapes_of_others(tree: Mapping[str, Any]) -> set[str]:
    """The sections of backbones that a run didn't train: nothing of it follows from them."""
    own = BACKBONES.get(tree.get("model", {}).get("backbone"))
    families = {kind.family for kind in BACKBONES.values()}
    return {f"model.{name}" for name in families if own is None or name != own.family}


def _lacking(tree: Mapping[str, Any], defaults: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Dotted keys of the defaults that a tree doesn't have; a section stands for all in it."""
    found = []
    for key, value in defaults.items():
        if key not in tree:
            found.append(f"{prefix}{key}")
        elif isinstance(value, Mapping) and isinstance(tree[key], Mapping):
            found += _lacking(tree[key], value, f"{prefix}{key}.")
    return found


def _parsed(tree: dict[str, Any]) -> Config:
    """A configuration whose paths are those that the user means."""
    config = parse(tree, Config)
    root, source, name = (
        str(user_path(word)) if word.startswith("~") else word
        for word in (config.data.root, config.features.source, config.task.name)
    )
    return replace(
        config,
        data=replace(config.data, root=root),
        features=replace(config.features, source=source),
        task=replace(config.task, name=name),
    )


# ---------------------------------------------------------------- reading and layering


def _set_dotted(tree: dict[str, Any], key: str, value: object) -> None:
    *sections, name = key.split(".")
    for section in sections:
        tree = tree.setdefault(section, {})
        if not isinstance(tree, dict):
            raise ConfigError(f"config key {key!r}: {section!r} is a value, not a section")
    tree[name] = value
