"""Model files that are damaged, of another version or another's, and inputs that don't fit.

Covers: heart_reader.edge.formats.onnx_runtime.
"""

import shutil

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from heart_reader.edge.formats.table import load_runtime
from heart_reader.errors import DataError, ModelError


@pytest.fixture(params=["onnx", "tflite"])
def model(request, fused_onnx, tflite, tmp_path):
    """A file that may be spoilt."""
    path = tmp_path / f"model.{request.param}"
    shutil.copy(fused_onnx if request.param == "onnx" else tflite["int8"], path)
    return path


def test_damaged_files(model):
    content = model.read_bytes()
    for damaged in (b"", content[:100], content[: len(content) // 2], b"\x00" * 4096, b"no model"):
        model.write_bytes(damaged)
        with pytest.raises(ModelError) as caught:
            load_runtime(model)
        assert str(caught.value).startswith(str(model)) and "\n" not in str(caught.value)


def test_another_version(fused_onnx, tflite, tmp_path):
    graph = onnx.load(fused_onnx)
    graph.opset_import[0].version = 99
    onnx.save(graph, tmp_path / "model.onnx")
    with pytest.raises(ModelError, match=r"can't be read as ONNX: .*opset"):
        load_runtime(tmp_path / "model.onnx")
    content = tflite["fp32"].read_bytes()
    assert content[4:8] == b"TFL3"
    (tmp_path / "model.tflite").write_bytes(content[:4] + b"TFL9" + content[8:])
    with pytest.raises(ModelError, match="can't be read as TFLite"):
        load_runtime(tmp_path / "model.tflite")


def test_anothers_model(tmp_path):
    names = [("image", [1, 3, 224, 224]), ("probabilities", [1, 3, 224, 224])]
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in names)
    graph = helper.make_graph([helper.make_node("Relu", ["image"], [y.name])], "g", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, tmp_path / "cats.onnx")
    with pytest.raises(ModelError, match=r"cats.onnx is no model of this project: it reads"):
        load_runtime(tmp_path / "cats.onnx")


def test_no_file_and_another_ending(tmp_path):
    with pytest.raises(ModelError, match=r"there is no model file .*gone.onnx"):
        load_runtime(tmp_path / "gone.onnx")
    (tmp_path / "model.pt").write_bytes(b"")
    with pytest.raises(ModelError, match=r"ends in .onnx or .tflite, but this is .*model.pt"):
        load_runtime(tmp_path / "model.pt")


def test_inputs_that_do_not_fit(model, signal_onnx, judged):
    runtime = load_runtime(model)
    n, width = len(judged), judged.features.shape[1]
    with pytest.raises(DataError, match=r"signal must have the shape \(n, 12, 1000\)"):
        runtime.probabilities(judged.signal.transpose(0, 2, 1), None, None)
    with pytest.raises(DataError, match=rf"features must have the shape \({n}, {width}\)"):
        runtime.probabilities(judged.signal, judged.features[1:], None)
    with pytest.raises(DataError, match=rf"mask must have the shape \({n}, {width}\)"):
        runtime.probabilities(judged.signal, judged.features, judged.mask[:, 1:])
    with pytest.raises(DataError, match=r"signal.onnx reads no features, but was given some"):
        load_runtime(signal_onnx).probabilities(judged.signal, judged.features, None)


def test_nan_is_missing(model, judged):
    runtime = load_runtime(model)
    raw = np.where(judged.mask > 0, judged.features, np.nan)
    raw[:, 3] = np.nan
    mask = judged.mask.copy()
    mask[:, 3] = 0
    np.testing.assert_array_equal(
        runtime.probabilities(judged.signal, raw, None),
        runtime.probabilities(judged.signal, judged.features, mask),
    )
