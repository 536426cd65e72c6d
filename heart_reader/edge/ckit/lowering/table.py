"""From the operators of an INT8 TFLite file to calls of the C kernels.

A new operator is a kernel in ``sources/hr_kernels.c``, a function in one of the files beside this
one, and a line in `LOWERINGS`.
"""

from collections.abc import Callable
from pathlib import Path

from heart_reader.edge.ckit.graph import Graph, Operator
from heart_reader.edge.ckit.lowering.base import Lowering
from heart_reader.edge.ckit.lowering.beginning import take_beginning
from heart_reader.edge.ckit.lowering.elements import (
    concatenation,
    dequantize,
    first_of_row,
    largest,
    pair,
    quantize,
    reshape,
    sigmoid,
)
from heart_reader.edge.ckit.lowering.over_time import mean, pad, pool
from heart_reader.edge.ckit.lowering.weights import convolution, linear
from heart_reader.edge.ckit.program import Program
from heart_reader.errors import ModelError

LOWERINGS: dict[str, Callable[[Lowering, Operator], None]] = {
    "ADD": pair,
    "AVERAGE_POOL_2D": pool,
    "CONCATENATION": concatenation,
    "CONV_2D": convolution,
    "DEQUANTIZE": dequantize,
    "FULLY_CONNECTED": linear,
    "LOGISTIC": sigmoid,
    "MAXIMUM": pair,
    "MAX_POOL_2D": pool,
    "MEAN": mean,
    "MINIMUM": pair,
    "MUL": pair,
    "PAD": pad,
    "QUANTIZE": quantize,
    "REDUCE_MAX": largest,
    "RESHAPE": reshape,
    "STRIDED_SLICE": first_of_row,
    "SUB": pair,
}


def lowered(graph: Graph, path: Path) -> Program:
    """The program of a graph.

    Raises:
        ModelError: an operator, or a use of one, that the kernels don't have; ``path`` is named.
    """
    lowering = Lowering(graph)
    try:
        _require_known(graph)
        taken = take_beginning(lowering)
        for operator in graph.operators:
            if operator not in taken:
                LOWERINGS[operator.name](lowering, operator)
        if lowering.program.last_codes < 0:
            raise ModelError("it has no codes that a last layer in float32 reads")
    except ModelError as error:
        raise ModelError(f"{path.name} can't become C: {error}") from error
    return lowering.program


def _require_known(graph: Graph) -> None:
    names = {each.name for each in graph.operators} - {"TRANSPOSE"}
    foreign = sorted(names - set(LOWERINGS))
    if foreign:
        raise ModelError(
            f"the kit has no {', '.join(foreign)}; it has {', '.join(sorted(LOWERINGS))}"
        )
