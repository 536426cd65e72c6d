"""Small bundles of all backbones that went through no training."""

import numpy as np
import torch
from torch import nn

from heart_reader.bundle.single import Bundle
from heart_reader.config.load import load_config
from heart_reader.data.features import FeatureEncoder
from heart_reader.data.normaliser import Normaliser
from heart_reader.data.spec import default_spec
from heart_reader.models import build_model
from heart_reader.tasks.task import default_task

BACKBONES = ["inception1d", "xresnet1d18", "se_resnet1d"]
EXPORTED = [*BACKBONES, "s4"]  # which can't be pruned
# Wide enough for rounding to 8, and few blocks.
SMALL = {
    "model.inception1d.depth": 3,
    "model.inception1d.bottleneck_channels": 16,
    "model.inception1d.branch_channels": 16,
    "model.xresnet1d.stem_channels": [16, 16, 32],
    "model.xresnet1d.stage_widths": [32, 32, 32, 32],
    "model.se_resnet1d.width": 32,
    "model.s4.width": 16,
    "model.s4.depth": 2,
    "model.fusion.embedding_size": 64,
    "model.fusion.feature_sizes": [32, 16],
    "model.fusion.head_size": 32,
}
N_FEATURES = 6


def fresh_bundle(backbone: str, n_features: int = N_FEATURES) -> Bundle:
    """Random weights, running statistics and residual branches that aren't a fresh model's."""
    torch.manual_seed(0)
    config = load_config("default", SMALL | {"backbone": backbone}).model.architecture
    model = build_model(config, 2 * n_features, 5, 12)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.2, 0.5)
            nn.init.uniform_(module.bias, -0.2, 0.2)
    nn.init.normal_(model.head[-1].weight, std=0.2 if backbone == "s4" else 1.0)
    model(torch.randn(8, 12, 100), torch.randn(8, 2 * n_features) if n_features else None)
    return Bundle(
        config,
        model.eval(),
        Normaliser((0.01,) * 12, (0.2,) * 12, (1,)),
        fresh_encoder(n_features) if n_features else None,
        np.full(5, 0.5),
        {},
        default_task(),
        default_spec(),
    )


def fresh_encoder(n_features: int) -> FeatureEncoder:
    """Features of very different scales."""
    median = np.geomspace(0.1, 1000, n_features).astype(np.float32)
    names = tuple(f"feature_{k}" for k in range(n_features))
    return FeatureEncoder("table", names, median / 2, 2 * median, median, median / 3, (1,))


def some_signals(n_records: int) -> np.ndarray:
    """mV (n_records, 12, 1000), as weak as an ECG."""
    generator = np.random.default_rng(0)
    strength = generator.uniform(0.05, 0.5, (n_records, 12, 1))
    return generator.normal(0, strength, (n_records, 12, 1000)).astype(np.float32)


def some_features(n_records: int, n_features: int = N_FEATURES) -> np.ndarray:
    """Raw values (n_records, n_features), some missing, and all of the first record."""
    generator = np.random.default_rng(1)
    values = np.geomspace(0.1, 1000, n_features) * generator.uniform(0.4, 2.2, (n_records, 1))
    values[generator.random(values.shape) < 0.2] = np.nan
    values[0] = np.nan
    return values.astype(np.float32)
