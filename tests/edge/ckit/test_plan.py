"""No two tensors that are needed at the same time lie over each other."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from heart_reader.edge.ckit.graph import Tensor
from heart_reader.edge.ckit.plan import ALIGNMENT, planned
from heart_reader.edge.ckit.program import Step


def tensor(number: int, n_bytes: int) -> Tensor:
    return Tensor(number, (n_bytes,), "int8", np.ones(1, np.float32), 0, None)


@st.composite
def programs(draw: st.DrawFn) -> tuple[list[Step], dict[int, Tensor]]:
    """Tensor k is made by step k of earlier ones, some in the place of one of them."""
    n = draw(st.integers(2, 12))
    tensors = {0: tensor(0, draw(st.integers(1, 200)))}
    steps = []
    for number in range(1, n):
        operands = draw(st.lists(st.integers(0, number - 1), min_size=1, max_size=3, unique=True))
        size = draw(st.integers(1, 200))
        in_place: tuple[int, ...] = ()
        if draw(st.booleans()):
            in_place, size = (operands[0],), tensors[operands[0]].n_bytes
        tensors[number] = tensor(number, size)
        steps.append(
            Step(
                "X",
                draw(st.sampled_from(["", "f()"])) if in_place else "f()",
                tuple(operands),
                number,
                in_place,
            )
        )
    return steps, tensors


@given(programs())
def test_what_is_written_stays_until_it_is_last_read(program):
    """A machine that runs the steps: each byte knows who wrote it."""
    steps, tensors = program
    last = steps[-1].out
    plan = planned(steps, tensors, [0], [last])
    owner = np.full(plan.n_bytes, -1)

    def place(number: int) -> slice:
        start = plan.offsets[number]
        assert start % ALIGNMENT == 0
        return slice(start, start + tensors[number].n_bytes)

    owner[place(0)] = 0
    value = {0: 0}  # whose values a tensor holds: its own, or those of what it is a view of
    for step in steps:
        for number in step.operands:
            assert (owner[place(number)] == value[number]).all()
        value[step.out] = step.out if step.call else value[step.operands[0]]
        owner[place(step.out)] = value[step.out]
    assert (owner[place(last)] == value[last]).all()


def test_a_chain_needs_its_two_largest_neighbours_and_in_place_needs_one():
    sizes = {0: 32, 1: 64, 2: 160, 3: 16}
    tensors = {number: tensor(number, size) for number, size in sizes.items()}
    chain = [Step("X", "f()", (k,), k + 1) for k in range(3)]
    assert planned(chain, tensors, [0], [3]).n_bytes == 64 + 160
    same = {number: tensor(number, 64) for number in range(4)}
    elementwise = [Step("X", "f()", (k,), k + 1, (k,)) for k in range(3)]
    assert planned(elementwise, same, [0], [3]).n_bytes == 64
