"""Backbones over the signal, the feature branch, and the model that joins them."""

from heart_reader.models.fusion import (
    BACKBONES,
    FusionConfig,
    FusionModel,
    ModelConfig,
    build_model,
    family,
)
from heart_reader.models.inception1d import InceptionConfig
from heart_reader.models.se_resnet1d import SEResNetConfig
from heart_reader.models.xresnet1d import XResNetConfig

__all__ = [
    "BACKBONES",
    "FusionConfig",
    "FusionModel",
    "InceptionConfig",
    "ModelConfig",
    "SEResNetConfig",
    "XResNetConfig",
    "build_model",
    "family",
]
