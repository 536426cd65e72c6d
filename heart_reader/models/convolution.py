"""Convolutions over time, run as two-dimensional ones of unit height.

Notation used for tensor shapes:
    - n: batch
    - o, i: output and input channels
    - k: taps of the kernel
    - l: time steps
    - s: neighbouring time steps that are folded into channels
"""

import math
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

MAX_TAPS = 14
"""Longest kernel whose weight gradient oneDNN computes with its fast code on a CPU."""
FOLD = 4
"""Time steps that long kernels see side by side on a GPU: measured, ``benchmarks.cuda_steps``."""


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


def folded_convolution(x: Tensor, weight: Tensor, fold: int) -> Tensor:
    """A stride-1, same-length convolution with neighbouring time steps side by side as channels.

    Few channels and many taps leave a GPU's matrix units idle; ``fold`` times the channels and
    that many times fewer taps do the same sum on them. In channels_last order folding is a view.

    Args:
        x: (n, i, 1, l), channels_last.
        weight: (o, i, 1, k), k odd.
        fold: s.
    """
    n, n_in, _, n_times = x.shape
    n_out, _, _, n_taps = weight.shape
    over = -n_times % fold
    if over:
        x = nn.functional.pad(x, (0, over))
    length = (n_times + over) // fold
    rows = x.permute(0, 2, 3, 1).reshape(n, 1, length, fold * n_in)
    spread = weight.reshape(n_out * n_in, n_taps) @ _places(n_taps, fold, weight.dtype, x.device)
    taps = spread.view(n_out, n_in, fold, fold, -1).permute(2, 0, 4, 3, 1)  # (s, o, k', s, i)
    kernel = taps.reshape(fold * n_out, 1, -1, fold * n_in).permute(0, 3, 1, 2)
    half = kernel.shape[-1] // 2
    out = torch.conv2d(rows.permute(0, 3, 1, 2), kernel, padding=(0, half))  # (n, s o, 1, l / s)
    out = out.permute(0, 2, 3, 1).reshape(n, 1, n_times + over, n_out).permute(0, 3, 1, 2)
    return out[..., :n_times]


@lru_cache(maxsize=32)
def _places(n_taps: int, fold: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Where a tap goes when time is folded: (k, s s k'), by output step, input step, new tap.

    Output ``m s + a`` takes input ``(m + q) s + b`` by tap ``q s + b - a``, counted from the
    middle.
    """
    middle = n_taps // 2
    reach = (middle + fold - 1) // fold
    a, b, q = np.ogrid[:fold, :fold, -reach : reach + 1]
    tap = q * fold + b - a + middle  # (s, s, k')
    there = (np.arange(n_taps)[:, None] == tap.reshape(1, -1)).astype(np.float32)
    with torch.inference_mode(False):
        return torch.as_tensor(there).to(device, dtype)


class LongConvolution(nn.Conv2d):
    """``nn.Conv2d`` with a faster gradient for long kernels on a CPU, and folded on a GPU."""

    def forward(self, x: Tensor) -> Tensor:
        if x.is_cuda:
            return folded_convolution(x, self.weight, FOLD)
        if not torch.is_grad_enabled():
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
