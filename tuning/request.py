"""What a user asks of a search: the search itself, and what it searches around."""

from collections.abc import Mapping
from dataclasses import dataclass

from heart_reader.config.load import Config
from heart_reader.config.request import AUTO
from heart_reader.errors import ConfigError
from heart_reader.trainings.initial import INIT
from heart_reader.trainings.job import TrainRequest, refuse_changes
from heart_reader.trainings.job import read_request as read_training
from tuning.config import TuningConfig, load_tuning, split_options


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
    if INIT in training.config.changes and own.get("trials", AUTO) == AUTO:
        own["trials"] = "0"  # the demo searches first, but not around a model that is there
    return SearchAndTrainRequest(training, _request(own, training))


def _request(own: Mapping[str, str], training: TrainRequest) -> TuneRequest:
    tuning = load_tuning(training.config.training_overlay, own)
    if tuning.trials > 0 and INIT in training.config.changes:
        raise ConfigError("a search starts from fresh weights: leave out init, or trials")
    return TuneRequest(tuning, training.configs())
