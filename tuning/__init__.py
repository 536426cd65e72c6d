"""Optuna studies; here: the commands of this package, which cost nothing to look at."""

from pathlib import Path

from heart_reader.cli.command import Command
from heart_reader.project import CONFIG_DEFAULTS

TUNING_DEFAULTS = Path(__file__).parent / "configs" / "default.yaml"

COMMANDS = {
    "train": Command("tuning.train", (TUNING_DEFAULTS, CONFIG_DEFAULTS)),
    "tune": Command("tuning.tune", (TUNING_DEFAULTS, CONFIG_DEFAULTS)),
}
