"""The signal's way to its first codes: one kernel instead of seven operators on float32."""

import numpy as np

from heart_reader.edge.ckit.graph import Graph, Operator
from heart_reader.edge.ckit.lowering.base import Lowering
from heart_reader.edge.ckit.program import c_of
from heart_reader.errors import ModelError

BEGINNING = ("MEAN", "SUB", "MUL", "ADD", "RESHAPE", "TRANSPOSE")
NEUTRAL = {"MUL": 1.0, "ADD": 0.0}  # the converter drops those that change nothing


def take_beginning(lowering: Lowering) -> list[Operator]:
    """The operators that centre, normalise and turn the signal; what they need is kept.

    Raises:
        ModelError: the signal goes another way.
    """
    graph, program = lowering.graph, lowering.program
    found = {each.name: each for each in _way_of_the_signal(graph)}
    if [name for name in BEGINNING if name in found or name not in NEUTRAL] != list(found):
        raise ModelError(f"the signal must go through {BEGINNING}, but goes through {[*found]}")
    n_leads = graph.tensors[graph.inputs["signal"]].shape[1]
    axes = graph.constant(found["MEAN"].inputs[1]).reshape(-1) % 3
    lowering.turned = found["TRANSPOSE"].outputs[0]
    if list(axes) != [2] or graph.tensors[lowering.turned].shape[3] != n_leads:
        raise ModelError("the signal's mean must be over time, and leads its last axis then")
    for array, name in (("scale", "MUL"), ("shift", "ADD")):
        values = np.full(n_leads, NEUTRAL[name], np.float32)
        if name in found:
            values = graph.constant(found[name].inputs[1]).reshape(n_leads)
        program.array(array, values)
    return list(found.values())


def normalise(lowering: Lowering, operator: Operator) -> None:
    """A QUANTIZE of the turned signal, and all before it."""
    signal = lowering.tensor(lowering.graph.inputs["signal"])
    _, n_leads, n_times = signal.shape
    out = lowering.tensor(operator.outputs[0])
    call = (
        f"hr_normalise({n_leads}, {n_times}, scale, shift, {c_of(out.scale)}, {out.zero}, "
        "{0}, {out})"
    )
    lowering.add(operator, call, (signal.number,))


def _way_of_the_signal(graph: Graph) -> list[Operator]:
    """Up to TRANSPOSE, or to where it leaves the way."""
    users = graph.users(graph.inputs["signal"])
    # The mean, and the subtraction of it, both read the signal.
    if sorted(each.name for each in users) != ["MEAN", "SUB"]:
        return users
    found = sorted(users, key=lambda each: each.name)
    while found[-1].name != BEGINNING[-1]:
        users = graph.users(found[-1].outputs[0])
        if len(users) != 1 or users[0].name not in BEGINNING[2:]:
            break
        found += users
    return found
