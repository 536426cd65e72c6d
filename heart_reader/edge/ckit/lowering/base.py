"""What the lowerings of all operators share: the graph, and the program that grows."""

from heart_reader.edge.ckit.graph import Graph, Operator, Tensor
from heart_reader.edge.ckit.program import Program, Step
from heart_reader.errors import ModelError

SAME = 0  # padding, in the file's schema


class Lowering:
    """Of one graph.

    Attributes:
        graph: that is read.
        program: that is made.
        turned: the tensor of the signal as time by lead, in float32, which no memory holds.
        sources: what a tensor was before a pad that its readers take in, and the steps of zeros
            in front.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.program = Program()
        self.turned = -1
        self.sources: dict[int, tuple[int, int]] = {}
        self._known = set(graph.inputs.values())  # tensors that are there

    def tensor(self, number: int) -> Tensor:
        """One of the graph's."""
        return self.graph.tensors[number]

    def ends(self, operator: Operator) -> tuple[Tensor, Tensor]:
        """The first input, and the output."""
        return self.tensor(operator.inputs[0]), self.tensor(operator.outputs[0])

    def add(
        self,
        operator: Operator,
        call: str,
        operands: tuple[int, ...],
        in_place: tuple[int, ...] = (),
        n_macs: int = 0,
    ) -> None:
        """Adds a step; arguments as of `Step`.

        Raises:
            ModelError: an operand that no step has made.
        """
        for number in operands:
            values = self.tensor(number).values
            if values is not None:
                self.program.array(f"t{number}", values)
            elif number not in self._known:
                raise ModelError(f"{operator.name} reads float32 that the kit has no room for")
        self._known.add(operator.outputs[0])
        step = Step(operator.name, call, operands, operator.outputs[0], in_place, n_macs)
        self.program.steps.append(step)


def padding_in_front(options: object, width: int, l_in: int, l_out: int) -> int:
    """Steps of it, as TensorFlow counts them."""
    if options.padding != SAME:  # type: ignore[attr-defined]
        return 0
    stride: int = options.strideW  # type: ignore[attr-defined]
    return max((l_out - 1) * stride + width - l_in, 0) // 2
