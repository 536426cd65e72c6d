"""Backbones over the signal, the feature branch, and the model that joins them."""

from heart_reader.models.backbones import BACKBONES, family, shape_type
from heart_reader.models.fusion import (
    Architecture,
    FusionConfig,
    FusionModel,
    ModelConfig,
    build_model,
)
from heart_reader.models.inception1d import InceptionConfig
from heart_reader.models.s4 import S4Config
from heart_reader.models.se_resnet1d import SEResNetConfig
from heart_reader.models.xresnet1d import XResNetConfig

__all__ = [
    "BACKBONES",
    "Architecture",
    "FusionConfig",
    "FusionModel",
    "InceptionConfig",
    "ModelConfig",
    "S4Config",
    "SEResNetConfig",
    "XResNetConfig",
    "build_model",
    "family",
    "shape_type",
]
