"""ONNX in 8 bits: uint8 activations, int8 weights for each channel, as QDQ pairs.

Dynamic quantization would leave convolutions as they are, and signed activations run on slower
code: this is the combination that ONNX Runtime turns whole into integer kernels.
"""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, NodeProto, numpy_helper
from onnxruntime.quantization import QuantType
from onnxruntime.quantization.calibrate import CalibrationMethod, TensorData, TensorsData
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from heart_reader.edge.formats.calibration import METHODS, Ranges, activation_ranges
from heart_reader.edge.formats.onnx_runtime import OnnxRuntime
from heart_reader.edge.sample import Array, Sample
from heart_reader.errors import ModelError

WEIGHTED = ("Conv", "Gemm")
# Behind those, these stay in 8 bits too.
LINKING = (
    "Add",
    "AveragePool",
    "Concat",
    "Flatten",
    "GlobalAveragePool",
    "MaxPool",
    "Mul",
    "Relu",
    "Sigmoid",
    "Slice",
)


@dataclass(frozen=True)
class Quantized:
    """What a quantization did.

    Attributes:
        method: of ``METHODS``, whose file was kept.
        differences: of each method, the mean absolute difference to the float32 graph's
            probabilities on the records that it was judged on.
        n_convolutions: that compute in 8 bits now: all of them.
    """

    method: str
    differences: Mapping[str, float]
    n_convolutions: int


def quantize_onnx(source: Path, target: Path, calibration: Sample, judged: Sample) -> Quantized:
    """Writes the 8-bit graph whose ranges change the probabilities least.

    Args:
        source: float32 graph of `export_onnx`.
        target: appears whole or not at all.
        calibration: records of the training folds that the ranges are measured on.
        judged: other records of the training folds, on which a method is chosen.

    Raises:
        DataError: no calibration records.
        ModelError: a convolution that stayed in float32.
    """
    model = onnx.shape_inference.infer_shapes(onnx.load(source))
    nodes = nodes_to_quantize(model.graph)
    tensors = _tensors_of(model.graph, nodes)
    ranges = activation_ranges(source, tensors, calibration)
    expected = _probabilities(source, judged)
    differences = {}
    candidates = {
        method: target.with_name(f".{target.stem}.{method}.{os.getpid()}.onnx")
        for method in METHODS
    }
    try:
        for method, path in candidates.items():
            _write(model, nodes, ranges[method], path)
            found = _probabilities(path, judged)
            differences[method] = float(np.abs(found - expected).mean())
        best = min(METHODS, key=lambda method: differences[method])
        n_convolutions = require_quantized(onnx.load(candidates[best]).graph, model.graph)
        os.replace(candidates[best], target)
    finally:
        for path in candidates.values():
            path.unlink(missing_ok=True)
    return Quantized(best, differences, n_convolutions)


def _probabilities(path: Path, sample: Sample) -> Array:
    runtime = OnnxRuntime(path)
    if not runtime.n_features:
        return runtime.probabilities(sample.signal, None, None)
    return runtime.probabilities(sample.signal, sample.features, sample.mask)


# ---------------------------------------------------------------- which operators


def nodes_to_quantize(graph: GraphProto) -> list[str]:
    """Names of the operators that will compute in 8 bits.

    All with weights, but the last: its five logits in 8 bits would tie records that differ. Then
    all that lie between those. The normaliser and the encoder of the features stay in float32:
    one scale for milliseconds, millivolts and flags would erase the smaller ones.
    """
    weighted = [node.name for node in graph.node if node.op_type in WEIGHTED][:-1]
    chosen = []
    behind: set[str] = set()  # activations in 8 bits
    for node in graph.node:
        links = node.op_type in LINKING and any(name in behind for name in node.input)
        if links or node.name in weighted:
            chosen.append(node.name)
            behind.update(node.output)
    return chosen


def _tensors_of(graph: GraphProto, nodes: Sequence[str]) -> list[str]:
    """Activations that the nodes read and give."""
    constants = {item.name for item in graph.initializer} | {
        name for node in graph.node if node.op_type == "Constant" for name in node.output
    }
    inputs = {item.name for item in graph.input}
    names = [
        name
        for node in graph.node
        if node.name in set(nodes)
        for name in (*node.input, *node.output)
    ]
    return [name for name in dict.fromkeys(names) if name and name not in constants | inputs]


# ---------------------------------------------------------------- the graph


def _write(model: ModelProto, nodes: Sequence[str], ranges: Ranges, path: Path) -> None:
    copy = ModelProto()
    copy.CopyFrom(model)
    data = {
        name: TensorData(lowest=np.array(low, np.float32), highest=np.array(high, np.float32))
        for name, (low, high) in ranges.items()
    }
    quantizer = QDQQuantizer(
        copy,
        per_channel=True,
        reduce_range=False,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=TensorsData(CalibrationMethod.MinMax, data),
        nodes_to_quantize=list(nodes),
        nodes_to_exclude=[],
        op_types_to_quantize=[*WEIGHTED, *LINKING],
        extra_options={},
    )
    with _quiet():
        quantizer.quantize_model()
        quantizer.model.topological_sort()
    graph = quantizer.model.model
    _drop_bias_zeros(graph.graph)
    _shorten_names(graph.graph)
    onnx.checker.check_model(graph)
    onnx.save(graph, path)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the quantizer's advice on the root logger."""
    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(previous)


def _drop_bias_zeros(graph: GraphProto) -> None:
    """Zero points of int32 biases are 0 where there are none: 4% of an xresnet1d101."""
    zeros = {
        item.name: item
        for item in graph.initializer
        if item.data_type == onnx.TensorProto.INT32 and not numpy_helper.to_array(item).any()
    }
    for node in graph.node:
        if node.op_type == "DequantizeLinear" and len(node.input) == 3 and node.input[2] in zeros:
            del node.input[2]
    used = {name for node in graph.node for name in node.input}
    for name in zeros.keys() - used:
        graph.initializer.remove(zeros[name])


def _shorten_names(graph: GraphProto) -> None:
    """Module paths in every name would be a fifth of a small file."""
    kept = {item.name for item in (*graph.input, *graph.output)}
    short: dict[str, str] = {"": ""}

    def renamed(name: str) -> str:
        if name in kept:
            return name
        return short.setdefault(name, f"t{len(short)}")

    for number, node in enumerate(graph.node):
        node.name = f"n{number}"
        node.input[:] = [renamed(name) for name in node.input]
        node.output[:] = [renamed(name) for name in node.output]
    for item in graph.initializer:
        item.name = renamed(item.name)
    del graph.value_info[:]


def require_quantized(graph: GraphProto, original: GraphProto) -> int:
    """Counts the convolutions whose input and weights are 8-bit numbers.

    Raises:
        ModelError: one of the original's that isn't.
    """
    producer = {name: node for node in graph.node for name in node.output}
    types = {item.name: item.data_type for item in graph.initializer}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    count = sum(_is_integer(node, producer, types) for node in convolutions)
    expected = sum(node.op_type == "Conv" for node in original.node)
    if count < expected:
        raise ModelError(
            f"every convolution must compute in 8 bits, but {expected - count} of {expected} "
            "stayed in float32"
        )
    return count


def _is_integer(
    node: NodeProto, producer: Mapping[str, NodeProto], types: Mapping[str, int]
) -> bool:
    for name, wanted in zip(node.input, ("UINT8", "INT8"), strict=False):
        source = producer.get(name)
        if source is None or source.op_type != "DequantizeLinear":
            return False
        if types.get(source.input[2]) != getattr(onnx.TensorProto, wanted):
            return False
    return True
