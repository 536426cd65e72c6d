"""A model of fewer channels than its configuration says, as structured pruning leaves it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from heart_reader.models.fusion import Architecture, build_model


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


def load_weights(model: nn.Module, weights: Mapping[str, Tensor], pruned: bool) -> None:
    """Puts weights into a model that its configuration built, thinner ones where it was pruned.

    Raises:
        RuntimeError: weights that don't fit.
    """
    if pruned:
        shrink(model, weights)
    model.load_state_dict(dict(weights))


Shapes = dict[str, tuple[int, ...]]  # of tensors, by name


def shapes_of(architecture: Architecture, n_features: int, n_classes: int, n_leads: int) -> Shapes:
    """The shapes of the weights that a model has before it is pruned; nothing is allocated."""
    with torch.device("meta"), _WithoutStart():
        full = build_model(architecture, n_features, n_classes, n_leads)
    return {name: tuple(value.shape) for name, value in full.state_dict().items()}


class _WithoutStart(TorchFunctionMode):
    """Leaves the first values of weights out: drawing them without memory would load the compiler
    of torch, which takes longer than all else that a prediction does."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        named = kwargs or {}
        is_start = getattr(func, "__module__", "") == "torch.nn.init"
        if is_start or func in (Tensor.normal_, Tensor.uniform_):
            return args[0] if args else named["tensor"]
        return func(*args, **named)


def _tell_sizes(module: nn.Module) -> None:
    """The sizes that a layer keeps beside its weights."""
    if isinstance(module, nn.Conv2d):
        module.out_channels, module.in_channels = module.weight.shape[:2]
    elif isinstance(module, nn.Linear):
        module.out_features, module.in_features = module.weight.shape
    elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
        module.num_features = len(module.weight)
