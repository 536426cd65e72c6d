"""What TensorFlow Lite's reference kernels say: the arithmetic that the C kit follows."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from heart_reader.edge.ckit.graph import Graph
from heart_reader.edge.sample import Array


class Answers(NamedTuple):
    """Of some records.

    Attributes:
        codes: that the last layer reads, (n, n_codes) int8.
        probabilities: (n, n_classes) float32, not calibrated.
    """

    codes: NDArray[np.int8]
    probabilities: Array


def reference_answers(
    path: Path, graph: Graph, last_codes: int, feed: Mapping[str, Array]
) -> Answers:
    """Answers to records one after the other.

    The interpreter's usual kernels (XNNPACK's) round elsewhere: their probabilities differ from
    these by up to 0.04 in our models.

    Args:
        path: of the TFLite file.
        graph: of the same file.
        last_codes: the tensor whose codes are asked for.
        feed: inputs by name, each (n, ...) float32.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_path=str(path),
        num_threads=1,
        experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    codes, probabilities = [], []
    for row in range(len(feed["signal"])):
        for name, number in graph.inputs.items():
            interpreter.set_tensor(number, feed[name][row : row + 1])
        interpreter.invoke()
        codes.append(interpreter.get_tensor(last_codes).reshape(-1))
        probabilities.append(interpreter.get_tensor(graph.output).reshape(-1))
    return Answers(np.array(codes, np.int8), np.array(probabilities, np.float32))
