"""Blocks that the backbones share.

A one-dimensional convolution runs here as a two-dimensional one of unit height, on memory in
channels_last order: the same function as ``nn.Conv1d``, and several times faster on a CPU.

Notation used for tensor shapes:
    - n: batch
    - c: channels
    - l: time steps
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from heart_reader.models.convolution import convolution


class Backbone(nn.Module):
    """A signal encoder: (n, n_leads, 1, l) in channels_last -> (n, out_channels, 1, l')."""

    out_channels: int
    prunable = True
    """Whether channels of it can be removed."""

    def recurrent(self) -> list[nn.Parameter]:
        """Parameters of a recurrence, which learn slowly and aren't drawn to zero; here none."""
        return []


def as_image(signal: Tensor) -> Tensor:
    """A signal (n, c, l) as (n, c, 1, l) in channels_last: no copy of a transposed (n, l, c)."""
    return signal.unsqueeze(2).contiguous(memory_format=torch.channels_last)  # (n, c, 1, l)


def conv_norm(
    in_channels: int, out_channels: int, kernel_size: int, stride: int, activation: bool
) -> nn.Sequential:
    """Convolution, batch norm and, where ``activation``, a ReLU."""
    layers: list[nn.Module] = [
        convolution(in_channels, out_channels, kernel_size, stride),
        nn.BatchNorm2d(out_channels),
    ]
    if activation:
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


def mean_over_time(x: Tensor) -> Tensor:
    """The mean of (n, c, 1, l) over time, (n, c).

    On a CPU it runs as an average pooling: the same mean, whose gradient is born in channels_last
    where that of ``x.mean`` is an expanded view that slows every sum it enters, and for bfloat16
    6 times faster (0.5 against 3.2 ms for 128 x 128 x 1000). An exported graph and a GPU get the
    plain reduction.
    """
    if x.is_cuda or torch.onnx.is_in_onnx_export():
        return x.mean((2, 3))  # (n, c)
    return nn.functional.avg_pool2d(x, (1, x.shape[-1])).flatten(1)  # (n, c)


class _ScaleChannels(torch.autograd.Function):
    """``x * gate`` whose gradient of the gate is summed by :func:`mean_over_time`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gate: Tensor) -> Tensor:
        ctx.save_for_backward(x, gate)
        return x * gate[:, :, None, None]  # (n, c, 1, l)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        (grad,) = grads  # (n, c, 1, l)
        x, gate = ctx.saved_tensors
        grad_gate = mean_over_time(grad * x) * x.shape[-1]  # (n, c)
        return grad * gate[:, :, None, None], grad_gate


class SqueezeExcite(nn.Module):
    """Channel gates from the mean over time.

    Hu et al., "Squeeze-and-Excitation Networks", CVPR 2018. https://arxiv.org/abs/1709.01507
    """

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, channels // reduction)
        self.excite = nn.Linear(channels // reduction, channels)

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.relu(self.squeeze(mean_over_time(x)))  # (n, c / reduction)
        gate = torch.sigmoid(self.excite(hidden))  # (n, c)
        if torch.onnx.is_in_onnx_export():
            return x * gate[:, :, None, None]
        scaled: Tensor = _ScaleChannels.apply(x, gate)  # type: ignore[no-untyped-call]
        return scaled


class ConcatPool(nn.Module):
    """Average and maximum over time, side by side: (n, c, 1, l) -> (n, 2 c)."""

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """``lengths``: (n,) steps of each that count, at least 1; ``None``: all do."""
        x = x.squeeze(2)  # (n, c, l)
        if lengths is not None:
            there = within(lengths, x.shape[-1])  # (n, 1, l)
            mean = (x * there).sum(-1) / there.sum(-1)
            return torch.cat([mean, x.masked_fill(~there, -torch.inf).amax(-1)], dim=1)
        return torch.cat([x.mean(-1), x.amax(-1)], dim=1)  # (n, 2 c)


def within(lengths: Tensor, n_times: int) -> Tensor:
    """Which of ``n_times`` steps lie before each length: bool (n, 1, n_times) of lengths (n,)."""
    steps = torch.arange(n_times, device=lengths.device)
    return (steps < lengths[:, None])[:, None]


def halve(x: Tensor) -> Tensor:
    """Average pairs of time steps; an odd last step stands alone, as with ``ceil_mode=True``.

    ONNX Runtime and onnx2tf get ``ceil_mode`` wrong, so the last step is doubled instead;
    by padding, since torch-pruning takes a concat for one of channels.
    """
    if x.shape[-1] % 2:
        x = nn.functional.pad(x, (0, 1, 0, 0), mode="replicate")  # (n, c, 1, l + 1)
    return nn.functional.avg_pool2d(x, (1, 2))  # (n, c, 1, ceil(l / 2))


def initialise(module: nn.Module) -> None:
    """He initialisation of every convolution and linear layer; batch norms start as identity.

    He et al., "Delving Deep into Rectifiers", ICCV 2015. https://arxiv.org/abs/1502.01852
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.ones_(layer.weight)
            nn.init.zeros_(layer.bias)


def zero_last_norm(branch: Sequence[nn.Module] | nn.Sequential) -> None:
    """Make a residual branch start at zero, through the weight of its last batch norm.

    Goyal et al., "Accurate, Large Minibatch SGD", 2017. https://arxiv.org/abs/1706.02677
    """
    norms = [m for layer in branch for m in layer.modules() if isinstance(m, nn.BatchNorm2d)]
    nn.init.zeros_(norms[-1].weight)
