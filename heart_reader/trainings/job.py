"""What a training is to do: as a user asks for it, or as a run that was killed began it."""

import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from heart_reader.config.load import Config, read_config
from heart_reader.config.request import ConfigRequest, config_request
from heart_reader.errors import ConfigError, TrackingError
from heart_reader.tracking import Run
from heart_reader.tracking import runs as tracking
from heart_reader.trainings.initial import INIT, pinned_start

# Each of the three families once; `-P backbone=xresnet1d50` and the like train another.
ALL = ("inception1d", "xresnet1d101", "se_resnet1d")
INHERITED = {"study"}  # tags of a parent that its children share
NONE, BACKBONE = "none", "model.backbone"


@dataclass(frozen=True)
class TrainRequest:
    """What a user asks of ``train``.

    Attributes:
        config: apart from the backbone.
        backbones: in the order in which they are trained.
        resume: the ID of a run that was killed, or ``None``.
    """

    config: ConfigRequest
    backbones: tuple[str, ...]
    resume: str | None

    def configs(self) -> tuple[Config, ...]:
        """One for each backbone.

        Raises:
            ConfigError: every unknown key and illegal value, together.
        """
        return tuple(self.config.for_training({BACKBONE: name}) for name in self.backbones)


@dataclass(frozen=True)
class Job:
    """A configuration for each backbone to train, maybe begun by a run that was killed.

    Attributes:
        configs: in the order in which they are trained.
        tags: of the run, and of each backbone's; say, the study that the configurations come from.
    """

    configs: tuple[Config, ...]
    resumed: Run | None
    tags: Mapping[str, str]

    @property
    def config(self) -> Config:
        """The first: what isn't tuned is alike in all."""
        return self.configs[0]

    @property
    def backbones(self) -> tuple[str, ...]:
        """The names, in the same order."""
        return tuple(config.model.backbone for config in self.configs)


def read_request(options: Mapping[str, str]) -> TrainRequest:
    """What the options ask for: ``resume``, ``config``, ``backbone``, short names, dotted keys.

    Raises:
        ConfigError: unknown options or values.
    """
    left = dict(options)
    resume = left.pop("resume", NONE)
    asked = config_request(left)
    backbone = asked.changes.get(BACKBONE, "all")
    backbones = ALL if backbone == "all" else tuple(backbone.split(","))
    changes = {key: value for key, value in asked.changes.items() if key != BACKBONE}
    request = TrainRequest(
        replace(asked, changes=changes), backbones, None if resume == NONE else resume
    )
    if request.resume is None:
        request.configs()  # a wrong option is refused before any run
    return request


def job_of(request: TrainRequest) -> Job:
    """A new job, or one that goes on with a run that was killed."""
    if request.resume is not None:
        return resumed_job(request.resume, request.config)
    config, backbone = pinned_start(request.config)
    if backbone is not None:
        if request.backbones not in (ALL, (backbone,)):
            raise ConfigError(
                f"init {config.changes[INIT]} is of backbone {backbone}, but backbone asks for "
                f"{','.join(request.backbones)}"
            )
        request = replace(request, config=config, backbones=(backbone,))
    return Job(request.configs(), None, {})


def resumed_job(run_id: str, asked: ConfigRequest) -> Job:
    """The job of a run that was killed, with the configuration that it began with.

    Raises:
        ConfigError: options that would make it another job.
        TrackingError: no such run, not one of ``train``, or one that is finished.
    """
    # `mlflow run` passes its declared parameters along, whether the user typed them or not.
    refuse_changes(set(asked.changes) - {"data.root", "task.name", "features.source"})
    run = tracking.find_run(run_id)
    if run.status() == "FINISHED":
        raise TrackingError(f"run {run_id} is FINISHED: there is nothing to resume")
    with tempfile.TemporaryDirectory() as folder:
        path = run.download("config.yaml", Path(folder))
        if path is None or "backbones" not in run.tags():
            raise TrackingError(f"run {run_id} is no training run that got as far as its config")
        config, tags = read_config(path), run.tags()
        configs = [with_backbone(config, name) for name in tags["backbones"].split(",")]
        for index, name in enumerate(tags["backbones"].split(",")):
            own = run.download(f"configs/{name}.yaml", Path(folder))
            configs[index] = configs[index] if own is None else read_config(own)
    return Job(tuple(configs), run, {key: tags[key] for key in INHERITED & set(tags)})


def refuse_changes(names: Iterable[str]) -> None:
    """A run that is resumed takes no options that would make it another.

    Raises:
        ConfigError: there are some.
    """
    if extra := sorted(names):
        raise ConfigError(f"resume continues a run as it began: leave out {', '.join(extra)}")


def with_backbone(config: Config, backbone: str) -> Config:
    """The same configuration for another backbone."""
    return replace(config, model=replace(config.model, backbone=backbone))
