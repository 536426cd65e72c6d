"""Operators on each element, in codes and in float32, and those that move elements."""

from heart_reader.edge.ckit import arithmetic
from heart_reader.edge.ckit.arithmetic import Factor
from heart_reader.edge.ckit.graph import Operator, Tensor
from heart_reader.edge.ckit.lowering.base import Lowering
from heart_reader.edge.ckit.lowering.beginning import normalise
from heart_reader.edge.ckit.program import c_of
from heart_reader.errors import ModelError

FLOAT_PAIRS = {
    "ADD": "hr_float_add",
    "SUB": "hr_float_subtract",
    "MUL": "hr_float_multiply",
    "MAXIMUM": "hr_float_maximum",
    "MINIMUM": "hr_float_minimum",
}


# ---------------------------------------------------------------- of two tensors


def pair(lowering: Lowering, operator: Operator) -> None:
    """Sum, difference, product, larger or smaller; a shorter operand repeats."""
    a, b = (lowering.tensor(number) for number in operator.inputs)
    out = lowering.tensor(operator.outputs[0])
    _require_repeats(a, b, out)
    if out.dtype == "float32":
        if getattr(operator.options, "fusedActivationFunction", 0):
            raise ModelError(f"{operator.name} in float32 must have no activation")
        kernel = FLOAT_PAIRS[operator.name]
        call = f"{kernel}({out.size}, {a.size}, {{0}}, {b.size}, {{1}}, {{out}})"
    elif operator.name in ("ADD", "SUB", "MUL") and out.dtype == "int8":
        call = _of_codes(lowering, operator, a, b, out)
    else:
        raise ModelError(f"{operator.name} must be in float32, but is in {out.dtype}")
    in_place = tuple(each.number for each in (a, b) if each.size == out.size)
    lowering.add(operator, call, (a.number, b.number), in_place)


def _of_codes(lowering: Lowering, operator: Operator, a: Tensor, b: Tensor, out: Tensor) -> str:
    low, high = arithmetic.code_range(operator.options.fusedActivationFunction, out)
    op = lowering.program.structure(
        "hr_pair_op",
        n=out.size,
        n_a=a.size,
        n_b=b.size,
        a_zero=a.zero,
        b_zero=b.zero,
        out_zero=out.zero,
        low=low,
        high=high,
        **_factors(operator.name, a, b, out),
    )
    kernel = "hr_multiply" if operator.name == "MUL" else "hr_add"
    return f"{kernel}({op}, {{0}}, {{1}}, {{out}})"


def _factors(name: str, a: Tensor, b: Tensor, out: Tensor) -> dict[str, Factor]:
    if name == "MUL":
        return {"out": arithmetic.product_factor(a, b, out)}
    first, second, whole = arithmetic.sum_factors(a, b, out)
    if name == "SUB":
        second = Factor(-second.mantissa, second.shift)
    return {"a": first, "b": second, "out": whole}


def _require_repeats(a: Tensor, b: Tensor, out: Tensor) -> None:
    """A shorter operand must be one that repeats: a number, or the last axes of the other."""
    whole = [n for n in out.shape if n != 1]
    for each in (a, b):
        shape = [n for n in each.shape if n != 1]
        if shape and shape != whole[len(whole) - len(shape) :]:
            raise ModelError(f"operands of shapes {a.shape} and {b.shape} don't repeat evenly")


# ---------------------------------------------------------------- of one tensor


def sigmoid(lowering: Lowering, operator: Operator) -> None:
    """By a table of all codes, or in float32."""
    x, out = lowering.ends(operator)
    call = f"hr_float_sigmoid({x.size}, {{0}}, {{out}})"
    if x.dtype == "int8":
        table = f"table{len(lowering.program.steps)}"
        lowering.program.array(table, arithmetic.sigmoid_table(x, out))
        call = f"hr_look_up({table}, {x.size}, {{0}}, {{out}})"
    lowering.add(operator, call, (x.number,), (x.number,))


def quantize(lowering: Lowering, operator: Operator) -> None:
    """Numbers to codes, or codes to others."""
    if operator.inputs[0] == lowering.turned:
        normalise(lowering, operator)
        return
    x, out = lowering.ends(operator)
    if x.dtype == "float32":
        call = f"hr_quantise({c_of(out.scale)}, {out.zero}, {x.size}, {{0}}, {{out}})"
        lowering.add(operator, call, (x.number,))
        return
    factor = c_of(arithmetic.factor_of(float(x.scale) / float(out.scale)))
    call = f"hr_recode((hr_factor){factor}, {x.zero}, {out.zero}, {x.size}, {{0}}, {{out}})"
    lowering.add(operator, call, (x.number,), (x.number,))


def dequantize(lowering: Lowering, operator: Operator) -> None:
    """The last codes, that the last layer reads in float32."""
    x, _ = lowering.ends(operator)
    lowering.program.last_codes = x.number
    call = f"hr_dequantise({c_of(x.scale)}, {x.zero}, {x.size}, {{0}}, {{out}})"
    lowering.add(operator, call, (x.number,))


def largest(lowering: Lowering, operator: Operator) -> None:
    """Of one row in float32."""
    x, out = lowering.ends(operator)
    if x.dtype != "float32" or out.size != 1:
        raise ModelError("a maximum must be of all numbers of a row in float32")
    lowering.add(operator, f"hr_float_largest({x.size}, {{0}}, {{out}})", (x.number,))


# ---------------------------------------------------------------- without arithmetic


def reshape(lowering: Lowering, operator: Operator) -> None:
    """The same memory."""
    lowering.add(operator, "", operator.inputs[:1], operator.inputs[:1])


def first_of_row(lowering: Lowering, operator: Operator) -> None:
    """STRIDED_SLICE of the first numbers of a row: the features without age and sex."""
    x, _ = lowering.ends(operator)
    begin, _, step = (lowering.graph.constant(number) for number in operator.inputs[1:])
    options = operator.options
    from_zero = all(start == 0 or options.beginMask >> k & 1 for k, start in enumerate(begin))
    plain = options.ellipsisMask == options.newAxisMask == options.shrinkAxisMask == 0
    if not (from_zero and plain and (step == 1).all() and len(x.shape) == 2):
        raise ModelError("a slice must be of the first numbers of one row")
    lowering.add(operator, "", operator.inputs[:1], operator.inputs[:1])


def concatenation(lowering: Lowering, operator: Operator) -> None:
    """Of channels."""
    out = lowering.tensor(operator.outputs[0])
    n_channels, n_bytes = out.shape[-1], out.n_bytes // out.size
    if operator.options.axis % len(out.shape) != len(out.shape) - 1:
        raise ModelError("a concatenation must be of channels")
    calls, place = [], 0
    for k, number in enumerate(operator.inputs):
        x = lowering.tensor(number)
        if out.dtype == "int8" and (x.scale, x.zero) != (out.scale, out.zero):
            raise ModelError("a concatenation must not change codes")
        width = x.shape[-1] * n_bytes
        sizes = f"{out.size // n_channels}, {width}, {n_channels * n_bytes}"
        calls.append(f"hr_join({sizes}, {{{k}}}, (char *){{out}} + {place})")
        place += width
    lowering.add(operator, ";\n    ".join(calls), operator.inputs)
