"""The model: a backbone over the signal, a branch over the features, and a head over both.

Notation used for tensor shapes:
    - n: batch
    - c: channels of the backbone
    - l: time steps
"""

from dataclasses import dataclass, make_dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from heart_reader.models.backbones import BACKBONES, kind_of, unknown
from heart_reader.models.blocks import Backbone, ConcatPool, as_image, initialise
from heart_reader.models.feature_branch import FeatureBranch
from heart_reader.models.rules import not_positive


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
class ModelChoice:
    """What may be chosen of a model, but for the backbones' own sections."""

    backbone: str
    """A key of BACKBONES."""
    fusion: FusionConfig

    def problems(self) -> list[str]:
        """The rules that types can't say."""
        return [] if self.backbone in BACKBONES else [f"backbone: {unknown(self.backbone)}"]

    @property
    def architecture(self) -> Architecture:
        """The shape of the backbone that is chosen.

        Raises:
            ConfigError: no backbone of that name.
        """
        section = kind_of(self.backbone).family
        return Architecture(self.backbone, getattr(self, section), self.fusion)


# With a section for each family of BACKBONES, so that none is listed twice.
if TYPE_CHECKING:
    ModelConfig = ModelChoice
else:
    ModelConfig = make_dataclass(
        "ModelConfig",
        {kind.family: kind.shape for kind in BACKBONES.values()}.items(),
        bases=(ModelChoice,),
        namespace={"__module__": __name__, "__doc__": "What may be chosen of a model."},
        frozen=True,
    )


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

    def embed(self, signal: Tensor, lengths: Tensor | None = None) -> Tensor:
        """The vector (n, embedding_size) of a normalised signal (n, n_leads, n_times).

        Of a record that is shorter than the signal, only the steps that lie in it are pooled.
        """
        encoded = self.backbone(as_image(signal))  # (n, c, 1, l)
        if lengths is None:
            pooled = self.pool(encoded)
        else:
            n, n_steps = signal.shape[-1], encoded.shape[-1]
            stride = 1 << (-(-n // n_steps) - 1).bit_length()  # backbones halve, rounding up
            pooled = self.pool(encoded, -(-lengths.clamp(max=n) // stride))
        vector: Tensor = self.projection(pooled)  # (n, embedding_size)
        return vector

    def forward(
        self,
        signal: Tensor,
        features: Tensor | None = None,
        present: Tensor | None = None,
        lengths: Tensor | None = None,
    ) -> Tensor:
        """Logits (n, n_classes).

        Args:
            signal: (n, n_leads, n_times), normalised; fastest as a transposed view of
                (n, n_times, n_leads) memory.
            features: (n, n_features), standardised; None where no record has any. A signal-only
                model ignores them.
            present: (n,) bool, False where a record's features are missing; None where all
                are present.
            lengths: (n,) samples that are a record's own; None where all are.
        """
        return self.classify(self.embed(signal, lengths), features, present)

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
    backbone = kind_of(architecture.backbone).build(architecture.shape, n_leads)
    return FusionModel(backbone, architecture.fusion, n_features, n_classes)
