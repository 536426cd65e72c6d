"""A graph that says the same in 8 bits earlier: the C kit's arena has no room for a signal in
float32."""

from dataclasses import replace

from heart_reader.edge.ckit.graph import Graph, Operator, Tensor

# A rounding that never falls gives the same before them as behind: padding is 0, whose code is
# the zero point.
COMMUTING = ("PAD", "MAX_POOL_2D")


def quantised_first(graph: Graph) -> Graph:
    """The graph with each QUANTIZE in front of the pads and maxima that it stood behind."""
    tensors, operators = dict(graph.tensors), list(graph.operators)
    maker = {number: k for k, each in enumerate(operators) for number in each.outputs}
    for k, quantize in enumerate(operators):
        source = maker.get(quantize.inputs[0])
        if quantize.name != "QUANTIZE" or source is None:
            continue
        inner = operators[source]
        if inner.name in COMMUTING and len(graph.users(quantize.inputs[0])) == 1:
            codes = _codes(tensors, inner, quantize)
            operators[source] = replace(quantize, inputs=inner.inputs[:1], outputs=(codes,))
            operators[k] = replace(
                inner, inputs=(codes, *inner.inputs[1:]), outputs=quantize.outputs
            )
    return replace(graph, tensors=tensors, operators=operators)


def _codes(tensors: dict[int, Tensor], inner: Operator, quantize: Operator) -> int:
    """Adds the tensor of codes between both; its number."""
    number = max(tensors) + 1
    before, out = tensors[inner.inputs[0]], tensors[quantize.outputs[0]]
    tensors[number] = replace(out, number=number, shape=before.shape)
    return number
