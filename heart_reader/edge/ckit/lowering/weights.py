"""Convolutions over time and linear layers.

Notation used for tensor shapes: n (batch, always 1), l (time), c (channels); a convolution's
tensors are (1, 1, l, c), its weights (n_out, 1, width, n_in).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heart_reader.edge.ckit import arithmetic
from heart_reader.edge.ckit.graph import Operator, Tensor
from heart_reader.edge.ckit.lowering.base import Lowering, padding_in_front
from heart_reader.errors import ModelError


@dataclass(frozen=True)
class Window:
    """How a layer with weights goes over time; a linear layer has one step."""

    width: int
    stride: int
    pad: int
    l_in: int
    l_out: int


def convolution(lowering: Lowering, operator: Operator) -> None:
    """CONV_2D over one axis, with the pad in front of it where there is one."""
    number = operator.inputs[0]
    source, pad = lowering.sources.get(number, (number, None))
    x, weights = lowering.tensor(source), lowering.tensor(operator.inputs[1])
    out, options = lowering.tensor(operator.outputs[0]), operator.options
    if weights.shape[1] != 1 or x.shape[1] != 1 or weights.shape[3] != x.shape[3]:
        raise ModelError(f"a convolution must be over time and all channels: {weights.shape}")
    if options.dilationWFactor != 1:
        raise ModelError(f"a convolution must not be dilated, but is by {options.dilationWFactor}")
    width, l_in, l_out = weights.shape[2], x.shape[2], out.shape[2]
    if pad is None:
        pad = padding_in_front(options, width, l_in, l_out)
    _weighted(lowering, operator, x, weights, Window(width, options.strideW, pad, l_in, l_out))


def linear(lowering: Lowering, operator: Operator) -> None:
    """FULLY_CONNECTED of one row, in codes or in float32."""
    x, weights = (lowering.tensor(number) for number in operator.inputs[:2])
    n_out, n_in = weights.shape
    if x.size != n_in:
        raise ModelError(
            f"a linear layer of {weights.shape} must read one row, but reads {x.shape}"
        )
    if x.dtype == "int8":
        _weighted(lowering, operator, x, weights, Window(1, 1, 0, 1, 1))
        return
    if operator.options.fusedActivationFunction or operator.inputs[2] < 0:
        raise ModelError("a linear layer in float32 must have a bias and no activation")
    call = f"hr_float_linear({n_in}, {n_out}, {{1}}, {{2}}, {{0}}, {{out}})"
    lowering.add(operator, call, operator.inputs, n_macs=weights.size)


def _weighted(
    lowering: Lowering, operator: Operator, x: Tensor, weights: Tensor, window: Window
) -> None:
    if weights.zero:
        raise ModelError(f"the weights' zero point must be 0, but is {weights.zero}")
    out, n_out = lowering.tensor(operator.outputs[0]), weights.shape[0]
    values = lowering.graph.constant(weights.number).reshape(n_out, -1)
    factors = arithmetic.convolution_factors(x, weights, out, n_out)
    low, high = arithmetic.code_range(operator.options.fusedActivationFunction, out)
    program, number = lowering.program, len(lowering.program.steps)
    arrays: dict[str, NDArray[Any]] = {
        "weights": values.astype(np.int8),
        "bias": _bias(lowering, operator, x, values),
        "mantissas": np.array([each.mantissa for each in factors], np.int32),
        "shifts": np.array([each.shift for each in factors], np.int8),
    }
    op = program.structure(
        "hr_conv_op",
        n_in=weights.shape[-1],
        n_out=n_out,
        **vars(window),
        in_zero=x.zero,
        out_zero=out.zero,
        low=low,
        high=high,
        rounds_once=int(len(weights.shape) == 2),
        **{key: program.array(f"{key}{number}", each) for key, each in arrays.items()},
    )
    n_macs = weights.size * window.l_out
    lowering.add(operator, f"hr_conv({op}, {{0}}, {{out}})", (x.number,), n_macs=n_macs)


def _bias(
    lowering: Lowering, operator: Operator, x: Tensor, values: NDArray[Any]
) -> NDArray[np.int32]:
    """With what the input's zero point adds where a window lies inside.

    Raises:
        ModelError: more than 32 bits.
    """
    bias = -x.zero * values.sum(1, dtype=np.int64)  # (n_out,)
    if len(operator.inputs) > 2 and operator.inputs[2] >= 0:
        bias = bias + lowering.graph.constant(operator.inputs[2])
    if np.abs(bias).max() >= 2**31:
        raise ModelError("a bias doesn't fit into 32 bits")
    return np.asarray(bias, np.int32)
