"""Pads, means and pools over time; tensors are (1, 1, l, c)."""

import numpy as np

from heart_reader.edge.ckit import arithmetic
from heart_reader.edge.ckit.graph import Operator, Tensor
from heart_reader.edge.ckit.lowering.base import SAME, Lowering, padding_in_front
from heart_reader.errors import ModelError


def pad(lowering: Lowering, operator: Operator) -> None:
    """Taken into the convolutions that read it, where nothing else does."""
    x, out = lowering.ends(operator)
    amounts = lowering.graph.constant(operator.inputs[1])
    if amounts.shape != (4, 2) or np.delete(amounts, 2, axis=0).any():
        raise ModelError(f"a pad must be over time, but is {amounts.tolist()}")
    _require_same_codes(operator, x, out)
    before, behind = map(int, amounts[2])
    users = lowering.graph.users(out.number)
    if all(each.name == "CONV_2D" and each.options.padding != SAME for each in users):
        lowering.sources[out.number] = (x.number, before)
        return
    n = x.shape[3]
    call = f"hr_pad({out.zero}, {before * n}, {x.size}, {behind * n}, {{0}}, {{out}})"
    lowering.add(operator, call, (x.number,))


def mean(lowering: Lowering, operator: Operator) -> None:
    """Of each channel."""
    x, out = lowering.ends(operator)
    axes = lowering.graph.constant(operator.inputs[1]).reshape(-1) % len(x.shape)
    if x.dtype != "int8" or sorted(axes) != [1, 2] or len(out.shape) != 4 or x.shape[1] != 1:
        raise ModelError(f"a mean must be of codes over time, and keep its axes: {x.shape}")
    op = lowering.program.structure(
        "hr_mean_op",
        n_channels=x.shape[3],
        n_times=x.shape[2],
        in_zero=x.zero,
        out_zero=out.zero,
        factor=arithmetic.mean_factor(x, out, x.shape[2]),
    )
    lowering.add(operator, f"hr_mean({op}, {{0}}, {{out}})", (x.number,))


def pool(lowering: Lowering, operator: Operator) -> None:
    """Maximum or average."""
    x, out = lowering.ends(operator)
    options = operator.options
    if x.shape[1] != 1:
        raise ModelError(f"a pool must be over time, but reads {x.shape}")
    _require_same_codes(operator, x, out)
    low, high = arithmetic.code_range(options.fusedActivationFunction, out)
    op = lowering.program.structure(
        "hr_pool_op",
        n_channels=x.shape[3],
        width=options.filterWidth,
        stride=options.strideW,
        pad=padding_in_front(options, options.filterWidth, x.shape[2], out.shape[2]),
        l_in=x.shape[2],
        l_out=out.shape[2],
        low=low,
        high=high,
    )
    kernel = {"MAX_POOL_2D": "hr_max_pool", "AVERAGE_POOL_2D": "hr_average_pool"}[operator.name]
    lowering.add(operator, f"{kernel}({op}, {{0}}, {{out}})", (x.number,))


def _require_same_codes(operator: Operator, x: Tensor, out: Tensor) -> None:
    if x.dtype != "int8" or (x.scale, x.zero) != (out.scale, out.zero):
        raise ModelError(f"{operator.name} must be of codes, and must not change their scale")
