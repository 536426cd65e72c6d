"""What a search is told: its options, and what a user asks of a search and of a training."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Literal

from heart_reader.config.load import Config
from heart_reader.config.request import AUTO
from heart_reader.config.strict import at_least, parse
from heart_reader.config.yaml_files import merge, read_yaml
from heart_reader.files import expanded_uri
from heart_reader.train import TrainRequest, refuse_changes
from heart_reader.train import read_request as read_training
from tuning import TUNING_DEFAULTS

CONFIG_FOLDER = Path(__file__).parent / "configs"
CV_SPLITS = (2, 4, 8)  # that divide folds 1 to 8 evenly


@dataclass(frozen=True)
class TuningConfig:
    """One search; ``configs/default.yaml`` says what each key means."""

    study: str
    storage: str
    space: str
    objective: Literal["fold9", "cv"]
    cv_splits: int
    trials: int
    timeout: float | None
    patience_trials: int | None
    epochs: int | None
    pruner: Literal["median", "hyperband", "none"]
    min_epochs: int
    startup_trials: int
    heartbeat: int
    grace: int
    retries: int
    outage: float
    workers: int
    cluster: str
    cpus: float
    gpus: float

    def problems(self) -> list[str]:
        """The rules that types can't say."""
        least = {"min_epochs": 1, "startup_trials": 0, "heartbeat": 1, "workers": 1, "retries": 0}
        least |= {"trials": 0, "patience_trials": 1, "epochs": 1, "timeout": 0, "outage": 0}
        least |= {"gpus": 0, "cpus": 0}
        found = at_least(self, least)
        if self.cv_splits not in CV_SPLITS:
            found.append(f"cv_splits must be 2, 4 or 8, but is {self.cv_splits}")
        if self.grace < 2 * self.heartbeat:
            found.append(
                f"grace must be at least twice the heartbeat ({self.heartbeat} s), "
                f"but is {self.grace}"
            )
        return found


NAMES = frozenset(field.name for field in fields(TuningConfig))


def split_options(options: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """The options of the search (``trials``, or ``tuning.trials``), and all others."""
    own, others = {}, {}
    for key, value in options.items():
        name = key.removeprefix("tuning.")
        if name in NAMES or key.startswith("tuning."):
            own[name] = value
        else:
            others[key] = value
    return own, others


def load_tuning(overlay: str, options: Mapping[str, str]) -> TuningConfig:
    """The search that goes with a configuration, and the options that change it.

    Args:
        overlay: "demo" has a search of its own, every other configuration the default one.
        options: values by key; "auto" leaves a key but ``study`` and ``cluster`` as it is.

    Raises:
        ConfigError: every unknown key and illegal value, together.
    """
    tree = read_yaml(TUNING_DEFAULTS)
    if overlay == "demo":
        tree = merge(tree, read_yaml(CONFIG_FOLDER / "demo.yaml"))
    given = {k: v for k, v in options.items() if v != "auto" or k in {"study", "cluster"}}
    tuning = parse({**tree, **given}, TuningConfig)
    return replace(tuning, storage=expanded_uri(tuning.storage))


# ---------------------------------------------------------------- what a user asks


@dataclass(frozen=True)
class TuneRequest:
    """A search, and a configuration for each backbone."""

    tuning: TuningConfig
    configs: tuple[Config, ...]


@dataclass(frozen=True)
class SearchAndTrainRequest:
    """A training, with a search before it where that is asked for.

    Attributes:
        training: what is trained, apart from what the search finds.
        search: ``None`` for a run that goes on as it began.
    """

    training: TrainRequest
    search: TuneRequest | None


def read_tune_request(options: Mapping[str, str]) -> TuneRequest:
    """What the options ask of a search.

    Raises:
        ConfigError: unknown options or values.
    """
    own, others = split_options(options)
    others.pop("resume", None)
    return _request(own, read_training(others))


def read_request(options: Mapping[str, str]) -> SearchAndTrainRequest:
    """What the options ask of a training.

    Raises:
        ConfigError: unknown options or values, or a search for a run that is resumed.
    """
    own, others = split_options(options)
    training = read_training(others)
    if training.resume is not None:
        # Its configuration is the one that the search had found.
        refuse_changes(key for key, value in own.items() if value != AUTO)
        return SearchAndTrainRequest(training, None)
    if own.get("study", AUTO) != AUTO and own.get("trials", AUTO) == AUTO:
        own["trials"] = "0"  # a study that was searched before
    return SearchAndTrainRequest(training, _request(own, training))


def _request(own: Mapping[str, str], training: TrainRequest) -> TuneRequest:
    tuning = load_tuning(training.config.training_overlay, own)
    return TuneRequest(tuning, training.configs())
