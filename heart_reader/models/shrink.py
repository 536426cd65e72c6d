"""A model of fewer channels than its configuration says, as structured pruning leaves it."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn


def shrink(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Gives every layer the shape of its weights, so that these can be loaded.

    Layers whose weights aren't there, or differ in anything but channels, are left for
    ``load_state_dict`` to complain of.

    Args:
        model: as the configuration builds it.
        weights: a state dict of the same layers, with as many channels or fewer.
    """
    for name, parameter in list(model.named_parameters()) + list(model.named_buffers()):
        found = weights.get(name)
        if found is None or found.shape == parameter.shape or found.ndim != parameter.ndim:
            continue
        if found.shape[2:] == parameter.shape[2:]:
            parameter.data = torch.empty(found.shape, dtype=parameter.dtype)
    for module in model.modules():
        _tell_sizes(module)


def _tell_sizes(module: nn.Module) -> None:
    """The sizes that a layer keeps beside its weights."""
    if isinstance(module, nn.Conv2d):
        module.out_channels, module.in_channels = module.weight.shape[:2]
    elif isinstance(module, nn.Linear):
        module.out_features, module.in_features = module.weight.shape
    elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
        module.num_features = len(module.weight)
