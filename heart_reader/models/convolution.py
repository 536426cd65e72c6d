"""Convolutions over time, run as two-dimensional ones of unit height.

Notation used for tensor shapes:
    - n: batch
    - o, i: output and input channels
    - k: taps of the kernel
    - l: time steps
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

MAX_TAPS = 14
"""Longest kernel whose weight gradient oneDNN computes with its fast code on a CPU."""


class _LongConvolution(torch.autograd.Function):
    """A stride-1, same-length convolution whose weight gradient is computed some taps at a time.

    Beyond MAX_TAPS, oneDNN 3 falls back to an im2col for the gradient of the weights: with 39
    taps, 32 channels and 32 records of 1000 steps 17.2 ms in float32 and 12.7 in bfloat16, against
    5.9 and 3.9 in three parts of 13 taps.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return torch.conv2d(x, weight, padding=(0, weight.shape[-1] // 2))  # (n, o, 1, l)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        grad = grads[0].contiguous(memory_format=torch.channels_last)  # (n, o, 1, l)
        grad_x = grad_weight = None
        if ctx.needs_input_grad[0]:
            padding = weight.shape[-1] // 2
            grad_x = _gradients(x, weight, grad, padding, (True, False))[0]  # (n, i, 1, l)
        if ctx.needs_input_grad[1]:
            grad_weight = _weight_gradient(x, weight, grad)  # (o, i, 1, k)
        return grad_x, grad_weight


def _gradients(
    x: Tensor, weight: Tensor, grad: Tensor, padding: int, wanted: tuple[bool, bool]
) -> tuple[Tensor, Tensor]:
    # torch.nn.grad.conv2d_input loses the memory format, and with it half the speed
    grad_x, grad_weight, _ = torch.ops.aten.convolution_backward(
        grad, x, weight, None, (1, 1), (0, padding), (1, 1), False, (0, 0), 1, (*wanted, False)
    )
    return grad_x, grad_weight


def _weight_gradient(x: Tensor, weight: Tensor, grad: Tensor) -> Tensor:
    n_steps, n_taps = x.shape[-1], weight.shape[-1]
    padded = nn.functional.pad(x, (n_taps // 2, n_taps // 2))  # (n, i, 1, l + k - 1)
    parts, start = [], 0
    for taps in weight.chunk(math.ceil(n_taps / MAX_TAPS), dim=-1):
        size = taps.shape[-1]
        window = padded[..., start : start + n_steps + size - 1]  # (n, i, 1, l + size - 1)
        parts.append(_gradients(window, taps, grad, 0, (False, True))[1])
        start += size
    return torch.cat(parts, dim=-1)  # (o, i, 1, k)


class LongConvolution(nn.Conv2d):
    """``nn.Conv2d`` with a faster gradient for long kernels on a CPU; the same function."""

    def forward(self, x: Tensor) -> Tensor:
        if x.is_cuda or not torch.is_grad_enabled():
            return super().forward(x)
        weight = self.weight
        if torch.is_autocast_enabled("cpu"):
            dtype = torch.get_autocast_dtype("cpu")
            x, weight = x.to(dtype), weight.to(dtype)
        out: Tensor = _LongConvolution.apply(x, weight)  # type: ignore[no-untyped-call]
        return out


def convolution(in_channels: int, out_channels: int, kernel_size: int, stride: int) -> nn.Conv2d:
    """A bias-free convolution over time that keeps ceil(l / stride) steps; odd kernels only."""
    kind = LongConvolution if kernel_size > MAX_TAPS and stride == 1 else nn.Conv2d
    return kind(
        in_channels,
        out_channels,
        kernel_size=(1, kernel_size),
        stride=(1, stride),
        padding=(0, (kernel_size - 1) // 2),
        bias=False,
    )
