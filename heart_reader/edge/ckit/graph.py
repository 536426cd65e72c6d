"""An INT8 TFLite file as the C kit reads it: tensors and operators, without an interpreter."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heart_reader.errors import ModelError

TYPES = {"FLOAT32": np.float32, "INT8": np.int8, "INT32": np.int32}


@dataclass(frozen=True)
class Tensor:
    """One tensor of the graph.

    Attributes:
        number: in the file.
        shape: with a batch of 1 in front, where it has one.
        dtype: "float32", "int8" or "int32".
        scales: of its codes, one or one a channel, float32; empty where it has none.
        zero: the code of 0.
        values: of a constant; ``None``: it is computed.
    """

    number: int
    shape: tuple[int, ...]
    dtype: str
    scales: NDArray[np.float32]
    zero: int
    values: NDArray[Any] | None

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def n_bytes(self) -> int:
        """Of memory."""
        return self.size * (1 if self.dtype == "int8" else 4)

    @property
    def scale(self) -> np.float32:
        """Of all its codes.

        Raises:
            ModelError: it has none, or one a channel.
        """
        if len(self.scales) != 1:
            raise ModelError(f"tensor {self.number} must have one scale, but has {self.scales}")
        return np.float32(self.scales[0])


@dataclass(frozen=True)
class Operator:
    """One operator, in the order in which they run.

    Attributes:
        name: as TFLite says it, in capitals.
        inputs, outputs: numbers of tensors; -1 for an input that isn't there.
        options: of the operator's own kind.
    """

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Any


@dataclass(frozen=True)
class Graph:
    """A whole file.

    Attributes:
        tensors: by number.
        operators: in order.
        inputs: numbers of tensors by the names of the contract.
        output: the probabilities.
    """

    tensors: Mapping[int, Tensor]
    operators: Sequence[Operator]
    inputs: Mapping[str, int]
    output: int

    def users(self, number: int) -> list[Operator]:
        """Operators that read a tensor."""
        return [each for each in self.operators if number in each.inputs]

    def constant(self, number: int) -> NDArray[Any]:
        """The values of a constant.

        Raises:
            ModelError: it is computed.
        """
        values = self.tensors[number].values
        if values is None:
            raise ModelError(f"tensor {number} must be a constant")
        return values


def read_graph(path: Path) -> Graph:
    """The graph of a TFLite file.

    Raises:
        ModelError: a file that isn't one, several graphs, or numbers other than float32, int8
            and int32.
    """
    from ai_edge_litert import schema_py_generated as schema

    content = path.read_bytes()
    if content[4:8] != b"TFL3":
        raise ModelError(f"{path} is no TFLite file")
    model = schema.ModelT.InitFromPackedBuf(content)
    if len(model.subgraphs) != 1 or len(model.signatureDefs or ()) != 1:
        raise ModelError(f"{path} must hold one graph with one signature")
    graph, signature = model.subgraphs[0], model.signatureDefs[0]
    names = _names(schema.BuiltinOperator)
    types = _names(schema.TensorType)
    codes = [names.get(_code(each), "CUSTOM") for each in model.operatorCodes]
    operators = [
        Operator(
            codes[each.opcodeIndex],
            tuple(int(n) for n in each.inputs),
            tuple(int(n) for n in each.outputs),
            each.builtinOptions,
        )
        for each in graph.operators
    ]
    tensors = {
        number: _tensor(number, each, model.buffers[each.buffer].data, types[each.type])
        for number, each in enumerate(graph.tensors)
    }
    inputs = {each.name.decode(): int(each.tensorIndex) for each in signature.inputs}
    return Graph(tensors, operators, inputs, int(signature.outputs[0].tensorIndex))


def _names(enumeration: type) -> dict[int, str]:
    return {value: key for key, value in vars(enumeration).items() if isinstance(value, int)}


def _code(code: Any) -> int:
    """Old files have the operator in one byte, new ones in a number beside it."""
    return max(int(code.builtinCode), int(code.deprecatedBuiltinCode))


def _tensor(number: int, tensor: Any, data: Any, type_name: str) -> Tensor:
    shape = tuple(int(n) for n in (tensor.shape if tensor.shape is not None else ()))
    if type_name not in TYPES:
        raise ModelError(f"tensor {number} has numbers of type {type_name}, not {list(TYPES)}")
    dtype = TYPES[type_name]
    values = None
    if data is not None and len(data):
        values = np.asarray(data, np.uint8).view(dtype).reshape(shape)
    quantization = tensor.quantization
    scales = quantization.scale if quantization is not None else None
    zeros = quantization.zeroPoint if quantization is not None else None
    if zeros is not None and len(set(map(int, zeros))) > 1:
        raise ModelError(f"tensor {number} has zero points {zeros}, and must have one")
    return Tensor(
        number,
        shape,
        np.dtype(dtype).name,
        np.asarray(scales if scales is not None else [], np.float32),
        0 if zeros is None or not len(zeros) else int(zeros[0]),
        values,
    )
