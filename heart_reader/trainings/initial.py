"""A model that a training starts from: found, held against what is asked, pinned."""

from collections.abc import Mapping
from dataclasses import replace

from heart_reader.bundle.single import Bundle
from heart_reader.config.load import Config
from heart_reader.config.request import ConfigRequest
from heart_reader.config.strict import flatten, to_dict
from heart_reader.errors import ConfigError
from heart_reader.models import family
from heart_reader.reading.models.found import find_bundle

INIT, NONE = "training.init", "none"


def start_of(config: Config) -> Bundle | None:
    """The bundle that a configuration starts from, or ``None``.

    Raises:
        ModelError: it can't be found or read.
        ConfigError: it is an ensemble, or reads other leads, another rate or other features.
    """
    if config.training.init == NONE:
        return None
    found, name = _one_model(config.training.init)
    asked = config.signal.spec
    problems = [
        f"init {name} reads {what} {theirs}, but {key} asks for {ours}"
        for what, key, theirs, ours in (
            ("the leads", "signal.leads", " ".join(found.spec.leads), " ".join(asked.leads)),
            ("Hz", "signal.fs", found.spec.fs, asked.fs),
            ("features", "features", found.feature_source, config.features.source),
            ("the backbone", "backbone", found.config.backbone, config.model.backbone),
        )
        if theirs != ours
    ]
    if problems:
        raise ConfigError("\n".join(problems))
    return found


def pinned_start(request: ConfigRequest) -> tuple[ConfigRequest, str | None]:
    """The request with the model to start from pinned, its architecture and signal taken over
    where the user didn't say otherwise; and its backbone, ``None`` without a model to start from.

    Raises:
        ModelError, ConfigError: as of `start_of`.
    """
    address = request.changes.get(INIT, NONE)
    if address == NONE:
        return request, None
    found, name = _one_model(address)
    changes = {**of_bundle(found), **request.changes, INIT: name}
    return replace(request, changes=changes), found.config.backbone


def _one_model(address: str) -> tuple[Bundle, str]:
    found, name = find_bundle(address)
    if not isinstance(found, Bundle):
        raise ConfigError(f"init must be one model, but {name} is an ensemble")
    return found, name


def of_bundle(bundle: Bundle) -> Mapping[str, str]:
    """What a configuration says of a model: its shape, its signal, its features."""
    config, spec = bundle.config, bundle.spec
    tree = {
        "model": {
            family(config.backbone): to_dict(config.shape),
            "fusion": to_dict(config.fusion),
        },
        "signal": {"leads": ",".join(spec.leads), "fs": spec.fs, "seconds": spec.seconds},
        "features": {"source": bundle.feature_source},
    }
    return {key: str(value) for key, value in flatten(tree).items()}
