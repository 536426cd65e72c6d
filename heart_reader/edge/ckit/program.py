"""What the generated C consists of: steps that call kernels, and the constants that they read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heart_reader.edge.ckit.arithmetic import Factor


@dataclass(frozen=True)
class Step:
    """One call of a kernel.

    Attributes:
        title: the operator's name in the file.
        call: C, with ``{0}``, ``{1}``, ... for the addresses of ``operands`` and ``{out}``; "":
            nothing is called, the output is the first operand under another shape.
        operands: tensors that it reads, constants among them.
        out: the tensor that it writes.
        in_place: operands whose memory the output may take.
        n_macs: multiplications with a weight.
    """

    title: str
    call: str
    operands: tuple[int, ...]
    out: int
    in_place: tuple[int, ...] = ()
    n_macs: int = 0


@dataclass(frozen=True)
class Structure:
    """A constant structure of a kernel: its type, and its fields as C."""

    kind: str
    fields: Mapping[str, str]


@dataclass
class Program:
    """The whole network as C.

    Attributes:
        steps: in order.
        arrays: constants by their names in C.
        structures: likewise.
        last_codes: the tensor that the probabilities are computed from.
    """

    steps: list[Step] = field(default_factory=list)
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    structures: dict[str, Structure] = field(default_factory=dict)
    last_codes: int = -1

    def array(self, name: str, values: NDArray[Any]) -> str:
        """Adds a constant; its name."""
        self.arrays[name] = np.ascontiguousarray(values)
        return name

    def structure(self, kind: str, **fields: object) -> str:
        """Adds a structure; its address in C."""
        name = f"op{len(self.steps)}"
        self.structures[name] = Structure(kind, {key: c_of(v) for key, v in fields.items()})
        return f"&{name}"

    @property
    def n_constant_bytes(self) -> int:
        """Of all arrays."""
        return sum(values.nbytes for values in self.arrays.values())


def c_of(value: object) -> str:
    """A field's value as C."""
    if isinstance(value, Factor):
        return f"{{{value.mantissa}, {value.shift}}}"
    if isinstance(value, float | np.floating):
        return c_float(float(value))
    return str(value)


def c_float(value: float) -> str:
    """A float32, exactly."""
    text = repr(np.float32(value).item())
    return f"{text}f" if "." in text or "e" in text else f"{text}.0f"
