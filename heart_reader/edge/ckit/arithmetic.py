"""Constants of 8-bit arithmetic, computed as TensorFlow Lite prepares its reference kernels.

Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference", CVPR 2018, https://arxiv.org/abs/1712.05877; in single and double precision just
where TensorFlow Lite uses them, or a multiplier would differ in its last bit.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heart_reader.edge.ckit.graph import Tensor
from heart_reader.errors import ModelError

LOWEST, HIGHEST = -128, 127
SUM_SHIFT = 20  # codes of a sum are scaled up by so many bits first
NO_ACTIVATION, RELU, RELU6 = 0, 1, 3  # in the file's schema


@dataclass(frozen=True)
class Factor:
    """mantissa * 2 ** (shift - 31), mantissa from 2 ** 30 to below 2 ** 31."""

    mantissa: int
    shift: int


def factor_of(real: float) -> Factor:
    """The nearest factor; 0 below 2 ** -32.

    Raises:
        ModelError: not above 0.
    """
    if not real > 0:
        raise ModelError(f"a scale must be above 0, but is {real}")
    fraction, shift = math.frexp(real)
    mantissa = math.floor(fraction * 2**31 + 0.5)
    if mantissa == 2**31:
        mantissa, shift = mantissa // 2, shift + 1
    return Factor(0, 0) if shift < -31 else Factor(mantissa, shift)


def convolution_factors(x: Tensor, weights: Tensor, out: Tensor, n_out: int) -> list[Factor]:
    """One for each output channel."""
    scales = np.broadcast_to(weights.scales, n_out)
    if out.dtype == "int8" and len(weights.scales) == 1 and len(weights.shape) == 2:
        # A linear layer with one scale multiplies in single precision.
        return [factor_of(float(x.scale * weights.scale) / float(out.scale))] * n_out
    return [factor_of(float(x.scale) * float(s) / float(out.scale)) for s in scales]


def sum_factors(a: Tensor, b: Tensor, out: Tensor) -> tuple[Factor, Factor, Factor]:
    """Of both terms and of their sum."""
    twice = float(np.float32(2) * max(a.scale, b.scale))
    whole = twice / float(np.float32(1 << SUM_SHIFT) * out.scale)
    return factor_of(float(a.scale) / twice), factor_of(float(b.scale) / twice), factor_of(whole)


def product_factor(a: Tensor, b: Tensor, out: Tensor) -> Factor:
    """Of a product of two tensors."""
    return factor_of(float(a.scale) * float(b.scale) / float(out.scale))


def mean_factor(x: Tensor, out: Tensor, n: int) -> Factor:
    """That turns a sum of ``n`` codes into their mean: the division is part of it."""
    whole = factor_of(float(x.scale) / float(out.scale))
    shift = min(n.bit_length() - 1, 31 + whole.shift)
    return Factor((whole.mantissa << shift) // n, whole.shift - shift)


def code_range(activation: int, out: Tensor) -> tuple[int, int]:
    """Codes that an output may have behind its activation.

    Raises:
        ModelError: an activation other than ReLU and ReLU6.
    """
    if activation == NO_ACTIVATION:
        return LOWEST, HIGHEST
    if activation not in (RELU, RELU6):
        raise ModelError(f"activation {activation} is none that the C kit knows")
    high = HIGHEST if activation == RELU else min(HIGHEST, out.zero + _rounded(6 / out.scale))
    return max(LOWEST, out.zero), high


def sigmoid_table(x: Tensor, out: Tensor) -> NDArray[np.int8]:
    """The answer to each code from -128 on, (256,)."""
    codes = np.arange(LOWEST, HIGHEST + 1, dtype=np.int32)
    values = x.scale * (codes - x.zero).astype(np.float32)
    answers = np.float32(1) / (np.float32(1) + np.exp(-values))
    scaled = answers * (np.float32(1) / out.scale)
    rounded = np.trunc(scaled + np.copysign(np.float32(0.5), scaled)) + out.zero
    return np.asarray(np.clip(rounded, LOWEST, HIGHEST), np.int8)


def _rounded(x: np.float32) -> int:
    return math.floor(float(x) + 0.5)
