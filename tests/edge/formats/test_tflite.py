"""TFLite files: what the LiteRT interpreter makes of them, and a converter that can't go on.

Covers: heart_reader.edge.formats.tflite_format.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from ai_edge_litert.interpreter import Interpreter
from onnx import TensorProto, helper

from heart_reader.edge.formats import tflite_converter
from heart_reader.edge.formats.onnx_export import export_onnx
from heart_reader.edge.formats.table import load_runtime
from heart_reader.edge.formats.tflite import FORMATS, INPUTS_FILE, export_tflite
from heart_reader.edge.network.device_model import device_model
from heart_reader.edge.sample import Sample
from heart_reader.errors import DataError, ModelError
from tests.conftest import REPOSITORY
from tests.edge.bundles import fresh_bundle, some_signals

# Mean difference in probability to ONNX in float32 that a format may make on the tiny model.
TOLERANCES = {"fp32": 1e-6, "fp16": 1e-3, "dynamic": 5e-3, "int8": 0.01}


@pytest.mark.parametrize("key", FORMATS)
def test_each_format_gives_what_onnx_gives(key, tflite, fused_onnx, judged):
    lite, reference = load_runtime(tflite[key]), load_runtime(fused_onnx)
    arguments = (judged.signal, judged.features, judged.mask)
    expected = reference.probabilities(*arguments)
    found = lite.probabilities(*arguments)
    assert found.dtype == np.float32 and found.shape == (len(judged), 5)
    assert np.abs(found - expected).mean() < TOLERANCES[key]
    assert np.abs(found - expected).max() < 20 * TOLERANCES[key]
    masked = reference.probabilities(judged.signal, None, None)
    assert np.abs(masked - expected).max() > 1e-4  # features matter
    given = lite.probabilities(judged.signal, None, None)
    assert np.abs(given - masked).mean() < TOLERANCES[key]
    assert lite.probabilities(judged.signal[:0], None, None).shape == (0, 5)


def test_int8_computes_in_8_bits_but_for_the_feature_encoder_and_the_logits(tflite):
    interpreter = Interpreter(str(tflite["int8"]))
    types = {item["index"]: item["dtype"] for item in interpreter.get_tensor_details()}
    weighted = [
        [types[index] for index in item["inputs"][:2]]
        for item in interpreter._get_ops_details()
        if item["op_name"] in ("CONV_2D", "FULLY_CONNECTED")
    ]
    assert len(weighted) > 6
    assert all(kinds == [np.int8, np.int8] for kinds in weighted[:-1])
    clipped = [i for i in interpreter._get_ops_details() if i["op_name"] in ("MINIMUM", "MAXIMUM")]
    assert len(clipped) == 2
    assert all(types[index] == np.float32 for item in clipped for index in item["outputs"])


def test_inputs_are_described_beside_the_files(tflite):
    folder = tflite["fp32"].parent
    described = json.loads((folder / INPUTS_FILE).read_text())
    assert set(described) == {path.name for path in tflite.values()}
    for path in tflite.values():
        runner = Interpreter(str(path)).get_signature_runner()
        for name, item in runner.get_input_details().items():
            assert described[path.name][name]["shape"] == item["shape"].tolist()
    assert described[tflite["int8"].name]["signal"] == {"shape": [1, 12, 1000], "dtype": "float32"}
    names = {path.name for path in folder.iterdir()}
    assert names == {INPUTS_FILE, *(path.name for path in tflite.values())}  # nothing half-made


# ---------------------------------------------------------------- what can't be converted


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"seconds": 0.3}, "was stopped: it took more than 0 s"),
        ({"megabytes": 20.0}, "was stopped: it took more than 20 MB of memory"),
    ],
)
def test_a_converter_that_takes_too_much_is_stopped(
    limits, message, fused_onnx, calibration, tmp_path
):
    with pytest.raises(ModelError, match=message):
        export_tflite(fused_onnx, tmp_path, calibration, **limits)
    assert list(tmp_path.iterdir()) == []


def test_an_operator_that_the_converter_does_not_know(calibration, tmp_path):
    source = tmp_path / "model.onnx"
    node = helper.make_node("LpPool", ["signal"], ["probabilities"], "pool", kernel_shape=[5])
    shapes = {"signal": ["batch", 12, 1000], "probabilities": ["batch", 12, 996]}
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in shapes.items())
    graph = helper.make_graph([node], "graph", [x], [y])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]), source)
    with pytest.raises(ModelError) as caught:
        export_tflite(source, tmp_path, calibration)
    assert "the TFLite converter can't take model.onnx: " in str(caught.value)
    assert "LpPool" in str(caught.value) and "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


def test_a_converter_that_wants_the_network():
    code = (
        "import socket, sys\n"
        "from heart_reader.edge.formats import tflite_converter as converter\n"
        "sys.addaudithook(converter.refuse_network)\n"
        "try:\n"
        "    socket.create_connection(('example.org', 80), timeout=1)\n"
        "except converter.NetworkWantedError as error:\n"
        "    print(error)\n"
    )
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY)
    assert run.stdout == "it wants the network (example.org), and conversion is offline\n"


def test_no_calibration_records(fused_onnx, calibration, tmp_path):
    none = Sample(*(values[:0] for values in vars(calibration).values()))
    with pytest.raises(DataError, match="no records to calibrate on"):
        export_tflite(fused_onnx, Path(tmp_path), none)


def test_a_strided_max_pool_is_padded_by_zeros_and_gives_the_same(tmp_path):
    """Padded by the smallest float32 instead, all of its values would share one 8-bit code."""
    source = tmp_path / "model.onnx"
    export_onnx(device_model(fresh_bundle("xresnet1d18"), "signal"), source)
    changed = tflite_converter._for_one_record(onnx.load(source))
    onnx.checker.check_model(changed, full_check=True)
    pools = [node for node in changed.graph.node if node.op_type == "MaxPool"]
    attributes = [{item.name: list(item.ints) for item in node.attribute} for node in pools]
    assert attributes[0]["strides"] == [1, 2]  # the stem's
    assert not any(any(each.get("pads", [])) for each in attributes)
    onnx.save(changed, tmp_path / "changed.onnx")
    signal = some_signals(1)
    np.testing.assert_allclose(
        load_runtime(tmp_path / "changed.onnx").probabilities(signal, None, None),
        load_runtime(source).probabilities(signal, None, None),
        atol=1e-6,
    )
