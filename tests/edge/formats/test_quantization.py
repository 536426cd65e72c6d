"""INT8 graphs: every convolution in integers, and the probabilities stay."""

from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest

from heart_reader.edge.formats.calibration import METHODS
from heart_reader.edge.formats.quantization import quantize_onnx, require_quantized
from heart_reader.edge.formats.table import load_runtime
from heart_reader.errors import ModelError


@pytest.fixture(scope="module")
def quantized(fused_onnx, calibration, judged, tmp_path_factory):
    path = tmp_path_factory.mktemp("int8") / "model.int8.onnx"
    return path, quantize_onnx(fused_onnx, path, calibration, judged)


def count(graph, kind):
    return sum(node.op_type == kind for node in graph.node)


def test_the_best_method_is_kept_and_named(quantized, fused_onnx, judged):
    path, result = quantized
    assert tuple(result.differences) == METHODS
    assert result.differences[result.method] == min(result.differences.values())
    arguments = (judged.signal, judged.features, judged.mask)
    found = load_runtime(path).probabilities(*arguments)
    expected = load_runtime(fused_onnx).probabilities(*arguments)
    difference = float(np.abs(found - expected).mean())
    assert difference == pytest.approx(result.differences[result.method], abs=1e-7)
    assert 0 < difference < 0.01
    assert [item.name for item in path.parent.iterdir()] == [path.name]  # no candidate is left


def test_onnx_runtime_makes_integer_kernels_of_every_convolution(quantized, fused_onnx, tmp_path):
    """What the runtime itself makes of the graph, not what we wrote into it."""
    path, result = quantized
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    kinds = Counter(n.op_type for n in onnx.load(options.optimized_model_filepath).graph.node)
    original = onnx.load(fused_onnx).graph
    assert kinds["QLinearConv"] == result.n_convolutions == count(original, "Conv")
    assert not any("Conv" in kind for kind in kinds if kind != "QLinearConv")
    # All linear layers but the last; neither gates nor sums nor pools fall back to float32.
    assert kinds["QGemm"] == count(original, "Gemm") - 1
    assert kinds["QLinearMul"] == count(original, "GlobalAveragePool") - 1
    assert kinds["QLinearGlobalAveragePool"] == count(original, "GlobalAveragePool")


def test_weights_take_a_byte_each(quantized, fused_onnx):
    original = onnx.load(fused_onnx).graph
    sizes = {item.name: int(np.prod(item.dims)) for item in original.initializer}
    weighted = [node for node in original.node if node.op_type in ("Conv", "Gemm")]
    expected = sum(sizes[node.input[1]] for node in weighted[:-1])
    graph = onnx.load(quantized[0]).graph
    in_bytes = [item for item in graph.initializer if item.data_type == onnx.TensorProto.INT8]
    assert sum(int(np.prod(item.dims)) for item in in_bytes if len(item.dims) > 1) == expected


def test_a_convolution_that_stays_in_float_is_noticed(quantized, fused_onnx):
    original = onnx.load(fused_onnx).graph
    n = count(original, "Conv")
    with pytest.raises(ModelError, match=rf"in 8 bits, but {n} of {n} stayed in float32"):
        require_quantized(original, original)
    graph = onnx.load(quantized[0]).graph
    node = next(node for node in graph.node if node.op_type == "Conv")
    dequantize = next(d for d in graph.node if node.input[1] in d.output)
    dequantize.op_type = "Cast"
    with pytest.raises(ModelError, match=rf"in 8 bits, but 1 of {n} stayed in float32"):
        require_quantized(graph, original)
