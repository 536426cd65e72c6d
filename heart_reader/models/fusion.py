"""The model: a backbone over the signal, a branch over the features, and a head over both.

Notation used for tensor shapes:
    - n: batch
    - c: channels of the backbone
    - l: time steps
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_type_hints

import torch
from torch import Tensor, nn

from heart_reader.errors import ConfigError, did_you_mean
from heart_reader.models.blocks import Backbone, ConcatPool, as_image, initialise
from heart_reader.models.feature_branch import FeatureBranch
from heart_reader.models.inception1d import InceptionConfig, inception1d
from heart_reader.models.rules import not_positive
from heart_reader.models.se_resnet1d import SEResNetConfig, se_resnet1d
from heart_reader.models.xresnet1d import (
    XResNetConfig,
    xresnet1d18,
    xresnet1d34,
    xresnet1d50,
    xresnet1d101,
    xresnet1d152,
)

BACKBONES: dict[str, Callable[[Any, int], Backbone]] = {
    "inception1d": inception1d,
    "xresnet1d18": xresnet1d18,
    "xresnet1d34": xresnet1d34,
    "xresnet1d50": xresnet1d50,
    "xresnet1d101": xresnet1d101,
    "xresnet1d152": xresnet1d152,
    "se_resnet1d": se_resnet1d,
}


@dataclass(frozen=True)
class FusionConfig:
    """Shape of what stands on the backbone."""

    embedding_size: int
    """Length of the vector that stands for the signal."""
    feature_sizes: tuple[int, ...]
    """Layers of the feature branch."""
    feature_mlp_dropout: float
    """Probability that a unit of the feature branch is dropped in training."""
    head_size: int
    head_dropout: float
    """Probability that a unit of the head is dropped in training."""

    def problems(self) -> list[str]:
        """The rules that types can't say."""
        return not_positive(self) + [
            f"{name} must be at least 0 and below 1, but is {value}"
            for name, value in vars(self).items()
            if name.endswith("dropout") and not 0 <= value < 1
        ]


@dataclass(frozen=True)
class Architecture:
    """One model's shape: all that rebuilding it takes, whatever other backbones there are."""

    backbone: str
    """A key of BACKBONES."""
    shape: Any
    """The backbone's own section of `ModelConfig`."""
    fusion: FusionConfig


@dataclass(frozen=True)
class ModelConfig:
    """What may be chosen of a model: a section for each family of backbones."""

    backbone: str
    """A key of BACKBONES."""
    inception1d: InceptionConfig
    xresnet1d: XResNetConfig
    se_resnet1d: SEResNetConfig
    fusion: FusionConfig

    def problems(self) -> list[str]:
        """The rules that types can't say."""
        unknown = self.backbone not in BACKBONES
        return [f"backbone: {_unknown(self.backbone)}"] if unknown else []

    @property
    def architecture(self) -> Architecture:
        """The shape of the backbone that is chosen.

        Raises:
            ConfigError: no backbone of that name.
        """
        shape_type(self.backbone)
        return Architecture(self.backbone, getattr(self, family(self.backbone)), self.fusion)


def shape_type(backbone: str) -> type:
    """The type of a backbone's section.

    Raises:
        ConfigError: no backbone of that name.
    """
    if backbone not in BACKBONES:
        raise ConfigError(_unknown(backbone))
    found: type = get_type_hints(ModelConfig)[family(backbone)]
    return found


class FusionModel(nn.Module):
    """Logits from a signal and, where ``n_features`` is not 0, from structured features."""

    def __init__(
        self, backbone: Backbone, config: FusionConfig, n_features: int, n_classes: int
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.pool = ConcatPool()
        self.projection: nn.Module = nn.Identity()
        if 2 * backbone.out_channels != config.embedding_size:
            self.projection = nn.Linear(2 * backbone.out_channels, config.embedding_size)
        self.feature_branch: FeatureBranch | None = None
        joined_size = config.embedding_size
        if n_features > 0:
            self.feature_branch = FeatureBranch(
                n_features, config.feature_sizes, config.feature_mlp_dropout
            )
            joined_size += config.feature_sizes[-1]
        logits_layer = nn.Linear(config.head_size, n_classes)
        self.head = nn.Sequential(
            nn.Linear(joined_size, config.head_size),
            nn.ReLU(inplace=True),
            nn.Dropout(config.head_dropout),
            logits_layer,
        )
        initialise(self.projection)
        initialise(self.head)
        nn.init.normal_(logits_layer.weight, std=0.01)  # first probabilities close to 0.5

    def embed(self, signal: Tensor) -> Tensor:
        """The vector (n, embedding_size) of a normalised signal (n, n_leads, n_times)."""
        encoded = self.backbone(as_image(signal))  # (n, c, 1, l)
        vector: Tensor = self.projection(self.pool(encoded))  # (n, embedding_size)
        return vector

    def forward(
        self, signal: Tensor, features: Tensor | None = None, present: Tensor | None = None
    ) -> Tensor:
        """Logits (n, n_classes).

        Args:
            signal: (n, n_leads, n_times), normalised; fastest as a transposed view of
                (n, n_times, n_leads) memory.
            features: (n, n_features), standardised; None where no record has any. A signal-only
                model ignores them.
            present: (n,) bool, False where a record's features are missing; None where all
                are present.
        """
        return self.classify(self.embed(signal), features, present)

    def classify(self, vector: Tensor, features: Tensor | None, present: Tensor | None) -> Tensor:
        """Logits (n, n_classes) of a signal's vector (n, embedding_size); the rest as `forward`.

        Training calls it twice on one vector: with the features, and without.
        """
        if self.feature_branch is not None:
            encoded = self.feature_branch(features, present, vector.shape[0])
            vector = torch.cat([vector, encoded.to(vector.dtype)], dim=1)  # (n, joined_size)
        logits: Tensor = self.head(vector)  # (n, n_classes)
        return logits


def build_model(
    architecture: Architecture, n_features: int, n_classes: int, n_leads: int
) -> FusionModel:
    """A freshly initialised model; seed torch before to get the same one again.

    Args:
        architecture: the model's shape.
        n_features: columns of the feature table; 0 for a signal-only model.
        n_classes: of the task.
        n_leads: of the signal.

    Raises:
        ConfigError: no backbone of that name.
    """
    shape_type(architecture.backbone)
    backbone = BACKBONES[architecture.backbone](architecture.shape, n_leads)
    return FusionModel(backbone, architecture.fusion, n_features, n_classes)


def family(backbone: str) -> str:
    """The section of `ModelConfig` that shapes a backbone: the xresnet1d variants share one."""
    return "xresnet1d" if backbone.startswith("xresnet1d") else backbone


def _unknown(backbone: str) -> str:
    hint = did_you_mean(backbone, BACKBONES) or f" (there are {', '.join(BACKBONES)})"
    return f"unknown backbone {backbone!r}{hint}"
