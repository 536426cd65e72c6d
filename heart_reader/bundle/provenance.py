"""What a bundle remembers of its making, enough to make it again."""

import hashlib
import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from heart_reader.config.load import Config
from heart_reader.config.strict import flatten, to_dict
from heart_reader.config.yaml_files import merge, read_yaml
from heart_reader.data.dataset import Records
from heart_reader.data.demo.marks import KEY, made_of
from heart_reader.data.lead_sets import NONE
from heart_reader.data.ptbxl import TRAIN_FOLDS, VALIDATION_FOLD
from heart_reader.evaluation.thresholds import REMEMBERED
from heart_reader.project import CONFIG_FOLDER

COMMIT_VARIABLE = "HEART_READER_COMMIT"
ANYWHERE = "PTBXL"  # stands for the folder of PTB-XL in a command, and for it in what travels


def config_hash(config: Config) -> str:
    """16 hexadecimal digits that change with any value."""
    text = json.dumps(to_dict(config), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def provenance(config: Config, records: Records, run_id: str, best_epoch: int) -> dict[str, Any]:
    """What every bundle remembers."""
    made = {KEY: True} if made_of(records.metadata) else {}
    return made | {
        "run_id": run_id,
        "config_hash": config_hash(config),
        "data_digest": records.digest,
        "data": to_dict(config.data),
        "task": to_dict(config.task),
        "signal": to_dict(config.signal),
        **({"lead_sets": config.training.lead_sets} if config.training.lead_sets != NONE else {}),
        "seed": config.seed,
        "best_epoch": best_epoch,
        "train_folds": list(TRAIN_FOLDS),
        "threshold_fold": VALIDATION_FOLD,
        REMEMBERED: str(config.evaluation.rule),
    }


def travelling(
    remembered: Mapping[str, Any], config: Mapping[str, Any], command: str, commit: str
) -> dict[str, Any]:
    """The provenance of a bundle that leaves its machine: whole, and without that one's paths.

    Args:
        remembered: what it remembers already.
        config: nested mappings, all that it was trained with; empty for an ensemble.
        command: that makes it again.
        commit: of git.
    """
    tree = {**remembered, "command": command, "git_commit": commit}
    if "data" in tree:
        tree["data"] = {**tree["data"], "root": ANYWHERE}
    if "task" in tree:  # a task file's folder is this machine's own
        tree["task"] = {**tree["task"], "name": Path(tree["task"]["name"]).name}
    if config:
        tree["config"] = {**config, "data": {**config["data"], "root": ANYWHERE}}
    return tree


def train_command(config: Mapping[str, Any]) -> str:
    """The command that trains with a configuration: one of ours, and what is otherwise.

    Args:
        config: nested mappings, as in a run's ``config.yaml``.
    """
    flat = flatten(config)
    base = read_yaml(CONFIG_FOLDER / "default.yaml")
    # The default first: of two that are as near, it is the one that is named.
    paths = sorted(CONFIG_FOLDER.glob("*.yaml"), key=lambda path: path.stem != "default")
    layers = {path.stem: flatten(merge(base, read_yaml(path))) for path in paths}
    differences = {name: _otherwise(flat, layer) for name, layer in layers.items()}
    name = min(differences, key=lambda each: len(differences[each]))
    words = [f"data={ANYWHERE}", f"config={name}", f"backbone={flat['model.backbone']}"]
    words += differences[name]
    return " ".join(["mlflow run . -e train --env-manager local", *(f"-P {w}" for w in words)])


def _otherwise(flat: Mapping[str, Any], layer: Mapping[str, Any]) -> list[str]:
    named = {"data.root", "model.backbone"}
    return [
        f"{key}={json.dumps(value) if isinstance(value, list | None) else value}".replace(" ", "")
        for key, value in flat.items()
        if key not in named and (key not in layer or layer[key] != value)
    ]


def git_commit(folder: Path) -> str:
    """The commit of a working tree, ``-dirty`` behind it where files differ, or "unknown".

    An image was built from a commit and holds no working tree: it has ``HEART_READER_COMMIT``.
    """
    built = os.environ.get(COMMIT_VARIABLE)
    if built and not (folder / ".git").exists():
        return built
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:  # a machine without git
        return "unknown"
    return found.stdout.strip() or "unknown"
