"""What a user may choose about the follow-on runs.

The defaults live in ``defaults.yaml``, those of the export beside its code.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import yaml

from heart_reader.config.strict import at_least, parse
from heart_reader.edge.config import EdgeConfig, edge_defaults
from heart_reader.errors import ConfigError
from registry.commands import DEFAULTS

# What a user types most often, without its section.
SHORT_NAMES = {
    "method": "ensemble.method",
    "margin": "gate.margin",
    "interval": "sync.interval",
    "form": "edge.form",
    "stages": "edge.stages",
    "student": "edge.student",
    "budget": "edge.prune.budget",
    "web": "edge.web",
    "converter": "edge.converter",
    "finetune_epochs": "edge.finetune.epochs",
}
# Sections of the export's, which go by their own names.
EDGE_SECTIONS = ("prune", "finetune", "quantize", "parity", "measure")


@dataclass(frozen=True)
class EnsembleConfig:
    """How members are weighed."""

    method: Literal["weighted", "mean", "per_class", "greedy", "best"]
    n_groups: int
    seed: int
    grid_steps: int

    def problems(self) -> list[str]:
        """The rules that types can't say."""
        return at_least(self, {"n_groups": 2, "grid_steps": 1, "seed": 0})


@dataclass(frozen=True)
class GateConfig:
    """What a version must reach on fold 9 to become champion."""

    margin: float
    widest: float
    max_class_loss: float
    max_part_loss: float
    max_ece: float
    min_macro_auc: float
    min_class_auc: float
    n_resamples: int
    n_reproduced: int
    tolerance: float
    min_shadow_agreement: float
    n_shadow: int

    def problems(self) -> list[str]:
        """The rules that types can't say."""
        shares = (
            "margin",
            "widest",
            "max_class_loss",
            "max_part_loss",
            "max_ece",
            "min_macro_auc",
            "min_class_auc",
            "min_shadow_agreement",
        )
        wrong = [
            f"{name} must lie from 0 to 1, but is {getattr(self, name)}"
            for name in shares
            if not 0 <= getattr(self, name) <= 1
        ]
        return wrong + at_least(
            self, {"n_resamples": 1, "n_reproduced": 1, "tolerance": 0, "n_shadow": 1}
        )


@dataclass(frozen=True)
class SyncConfig:
    """How often the registry is looked at, in seconds, and which champions are followed."""

    interval: float
    claim_seconds: float
    longest_wait: float
    champions: Literal["any", "recorded"]
    keys: str

    def problems(self) -> list[str]:
        """The rules that types can't say."""
        return at_least(self, {"interval": 1, "claim_seconds": 3, "longest_wait": 1})


@dataclass(frozen=True)
class WebhookConfig:
    """Where the webhook's service listens, what MLflow calls it, and what it refuses."""

    host: str
    port: int
    address: str
    max_body: int
    max_age: float

    def problems(self) -> list[str]:
        """The rules that types can't say."""
        return at_least(self, {"port": 1, "max_body": 1, "max_age": 1})


@dataclass(frozen=True)
class CompareConfig:
    """How models are compared."""

    n_resamples: int
    n_records: int
    n_sheets: int
    n_timed: int

    def problems(self) -> list[str]:
        """The rules that types can't say."""
        return at_least(self, {"n_resamples": 100, "n_records": 0, "n_sheets": 0, "n_timed": 1})


@dataclass(frozen=True)
class MonitorConfig:
    """What of the log is looked at, when a difference is told, and to whom."""

    window: int
    fewest: int
    level: float
    psi: float
    share: float
    interval: float
    n_resamples: int
    url: str
    command: str

    def problems(self) -> list[str]:
        """The rules that types can't say."""
        wrong = [
            f"{name} must lie above 0 and below 1, but is {getattr(self, name)}"
            for name in ("level", "share")
            if not 0 < getattr(self, name) < 1
        ]
        if self.window < self.fewest:
            wrong.append(f"window must be at least fewest, {self.fewest}, but is {self.window}")
        return wrong + at_least(self, {"fewest": 20, "psi": 0, "interval": 1, "n_resamples": 100})


@dataclass(frozen=True)
class Settings:
    """Everything that decides what the follow-on runs do, apart from the science's own config."""

    ensemble: EnsembleConfig
    gate: GateConfig
    sync: SyncConfig
    webhook: WebhookConfig
    compare: CompareConfig
    monitor: MonitorConfig
    edge: EdgeConfig


def load_settings(options: Mapping[str, str]) -> tuple[Settings, dict[str, str]]:
    """The settings, changed by the options that name one of them, and the options left over.

    Raises:
        ConfigError: unknown keys of a section, or illegal values, all together.
    """
    tree: dict[str, Any] = yaml.safe_load(DEFAULTS.read_text(encoding="utf-8"))
    tree["edge"] = edge_defaults()
    left = {}
    for key, value in options.items():
        *sections, name = full_key(key).split(".")
        if sections and sections[0] in tree:
            _set(tree, sections, name, value)
        else:
            left[key] = value
    return parse(tree, Settings), left


def full_key(key: str) -> str:
    """A user's key with its sections: ``prune.ratio`` is ``edge.prune.ratio``."""
    full = SHORT_NAMES.get(key, key)
    return f"edge.{full}" if full.partition(".")[0] in EDGE_SECTIONS else full


def _set(tree: dict[str, Any], sections: list[str], name: str, value: str) -> None:
    for section in sections:
        tree = tree.setdefault(section, {})
        if not isinstance(tree, dict):
            raise ConfigError(f"config key {name!r}: {section!r} is a value, not a section")
    tree[name] = value.split(",") if isinstance(tree.get(name), list) else value
