"""The process that turns one ONNX file into TFLite files; `tflite.export_tflite` starts it.

python -m heart_reader.edge.formats.tflite_converter SOURCE FOLDER

FOLDER holds calibration.npz. It gets FORMAT.tflite for each format, and inputs.json; or error,
one line, where the conversion failed.
"""

import contextlib
import io
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from heart_reader.edge.contract import OUTPUT
from heart_reader.edge.sample import Array

SIGNATURE = "serving_default"
SMALLEST = 1e-6  # activations below it are 0 but for rounding


class NetworkWantedError(Exception):
    """The converter tried to reach another machine."""


def converted(write_all: Callable[[Path, Path], None]) -> int:
    """Converts what the command line names, offline; the exit code is 1 where that failed.

    What failed is in the file "error", in the words of who knew most.
    """
    source, folder = Path(sys.argv[1]), Path(sys.argv[2])
    sys.addaudithook(refuse_network)
    try:
        write_all(source, folder)
    except NetworkWantedError as error:
        (folder / "error").write_text(str(error), encoding="utf-8")
        return 1
    except Exception as error:
        if not (folder / "error").exists():
            text = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            (folder / "error").write_text(text, encoding="utf-8")
        raise
    return 0


def refuse_network(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.getaddrinfo"):
        where = arguments[-1] if event == "socket.connect" else arguments[0]
        raise NetworkWantedError(f"it wants the network ({where}), and conversion is offline")


def _write_all(source: Path, folder: Path) -> None:
    import tensorflow as tf

    with np.load(folder / "calibration.npz", allow_pickle=False) as arrays:
        calibration: dict[str, Array] = dict(arrays)
    graph = _for_one_record(onnx.load(source))
    names = [item.name for item in graph.graph.input]
    _save_model(_as_keras(graph, names, folder), folder / "saved_model")
    for key, options in _plain_formats(tf).items():
        converter = _converter(tf, folder)
        for option, value in options.items():
            target = converter.target_spec if option == "supported_types" else converter
            setattr(target, option, value)
        (folder / f"{key}.tflite").write_bytes(_nameless(converter.convert()))
    inputs = {name: calibration[name] for name in names}
    quantized = _nameless(_in_eight_bits(tf, folder, inputs))
    (folder / "int8.tflite").write_bytes(quantized)
    runner = tf.lite.Interpreter(model_content=quantized).get_signature_runner(SIGNATURE)
    told = {name: described(item) for name, item in runner.get_input_details().items()}
    (folder / "inputs.json").write_text(json.dumps(told), encoding="utf-8")


def _plain_formats(tf: Any) -> dict[str, dict[str, Any]]:
    smaller = [tf.lite.Optimize.DEFAULT]
    return {
        "fp32": {},
        "fp16": {"optimizations": smaller, "supported_types": [tf.float16]},
        "dynamic": {"optimizations": smaller},
    }


def described(item: dict[str, Any]) -> dict[str, Any]:
    return {"shape": [int(n) for n in item["shape"]], "dtype": np.dtype(item["dtype"]).name}


def _for_one_record(graph: onnx.ModelProto) -> onnx.ModelProto:
    """With a batch size of 1 in every shape: onnx2tf tells layouts apart by comparing them."""
    for item in (*graph.graph.input, *graph.graph.output):
        item.type.tensor_type.shape.dim[0].dim_value = 1
    del graph.graph.value_info[:]
    _pad_by_zeros(graph.graph)
    return onnx.shape_inference.infer_shapes(graph, strict_mode=True)


def _pad_by_zeros(graph: onnx.GraphProto) -> None:
    """Max pools with a stride behind a ReLU get a Pad of zeros in front: the same maximum.

    TFLite can't pad them as ONNX does, and onnx2tf would put the smallest float32 there, which
    leaves one 8-bit code for all values that occur.
    """
    producer = {name: node.op_type for node in graph.node for name in node.output}
    for position, node in reversed(list(enumerate(graph.node))):
        attributes = {item.name: item for item in node.attribute}
        strided = max(getattr(attributes.get("strides"), "ints", [1])) > 1
        if node.op_type != "MaxPool" or not strided or producer.get(node.input[0]) != "Relu":
            continue
        before, after = np.split(np.array(attributes["pads"].ints, np.int64), 2)
        pads = np.concatenate([[0, 0], before, [0, 0], after])
        name = f"{node.input[0]}_padded"
        graph.initializer.append(onnx.numpy_helper.from_array(pads, f"{name}_by"))
        attributes["pads"].ints[:] = [0] * len(attributes["pads"].ints)
        pad = onnx.helper.make_node("Pad", [node.input[0], f"{name}_by"], [name], name)
        node.input[0] = name
        graph.node.insert(position, pad)


def _as_keras(graph: onnx.ModelProto, names: list[str], folder: Path) -> Any:
    """The graph as a Keras model for one record.

    ``keep_shape_absolutely_input_names``: without it a signal that becomes an image inside is
    transposed once too often, and nothing says so.
    """
    import onnx2tf

    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            return onnx2tf.convert(
                onnx_graph=graph,
                output_folder_path=str(folder / "onnx2tf"),
                keep_shape_absolutely_input_names=names,
                not_use_onnxsim=True,
                disable_model_save=True,
                non_verbose=True,
                verbosity="error",
            )
    except SystemExit as error:
        (folder / "error").write_text(_complaint(said.getvalue()), encoding="utf-8")
        raise SystemExit(1) from error
    except Exception as error:
        where = getattr(error, "onnx_op_name", None) or "the graph"
        text = " ".join(f"{where}: {error!r}".split())[:300]
        (folder / "error").write_text(text, encoding="utf-8")
        raise


def _complaint(text: str) -> str:
    """The lines that onnx2tf marks as errors, without their colours."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    lines = [line.removeprefix("ERROR:").strip() for line in plain.splitlines()]
    told = [line for line in lines if line]
    return "; ".join(told)[:300] or "onnx2tf gave up without a word"


def _save_model(model: Any, folder: Path) -> None:
    import tensorflow as tf
    import tf_keras

    archive = tf_keras.export.ExportArchive()
    archive.add_endpoint(
        name=SIGNATURE,
        fn=lambda *inputs: {OUTPUT: model(inputs)},
        input_signature=[tf.TensorSpec(x.shape, x.dtype, x.name) for x in model.inputs],
    )
    with contextlib.redirect_stdout(io.StringIO()):
        archive.write_out(str(folder))


def _converter(tf: Any, folder: Path) -> Any:
    return tf.lite.TFLiteConverter.from_saved_model(str(folder / "saved_model"))


def _in_eight_bits(tf: Any, folder: Path, calibration: dict[str, Array]) -> bytes:
    from tensorflow.lite.python.convert import mlir_quantize

    def records() -> Iterator[dict[str, Array]]:
        for row in range(len(calibration["signal"])):
            yield {name: values[row : row + 1] for name, values in calibration.items()}

    converter = _converter(tf, folder)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.representative_dataset = records
    converter._experimental_calibrate_only = True
    calibrated = _with_ranges(converter.convert())
    kept = stay_in_float(tf.lite.Interpreter(model_content=calibrated))
    quantized: bytes = mlir_quantize(calibrated, denylisted_nodes=kept)
    return quantized


def _nameless(content: bytes) -> bytes:
    """Without names of tensors inside: they are paths, and up to a tenth of an INT8 file."""
    from tensorflow.lite.tools import flatbuffer_utils

    model = flatbuffer_utils.convert_bytearray_to_object(content)
    for graph in model.subgraphs:
        kept = {int(index) for index in (*graph.inputs, *graph.outputs)}
        for index, tensor in enumerate(graph.tensors):
            if index not in kept:
                tensor.name = b""
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _with_ranges(calibrated: bytes) -> bytes:
    """With a range for activations that were 0 throughout, as of a ReLU that is dead.

    Their scale would be so small that XNNPACK refuses the whole file.
    """
    from tensorflow.lite.tools import flatbuffer_utils

    model = flatbuffer_utils.convert_bytearray_to_object(calibrated)
    for tensor in model.subgraphs[0].tensors:
        measured = tensor.quantization
        if measured is None or measured.min is None or len(measured.min) != 1:
            continue
        if max(abs(measured.min[0]), abs(measured.max[0])) < SMALLEST:
            measured.min, measured.max = [0.0], [1.0]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def stay_in_float(interpreter: Any) -> set[str]:
    """Names of the operators before the first weights and from the last on.

    The encoder of the features reads milliseconds, millivolts and flags side by side, which one
    scale can't hold; the logits in 8 bits would tie records that differ.
    """
    names = {item["index"]: item["name"] for item in interpreter.get_tensor_details()}
    weighted = ("CONV_2D", "FULLY_CONNECTED")
    operators = interpreter._get_ops_details()
    last = max(i for i, item in enumerate(operators) if item["op_name"] in weighted)
    behind: set[int] = set()  # tensors that come from weights
    kept: set[str] = set()
    for i, item in enumerate(operators):
        outputs = [int(index) for index in item["outputs"]]
        if item["op_name"] in weighted or behind & {int(index) for index in item["inputs"]}:
            behind.update(outputs)
            if i < last:
                continue
        kept.update(names[index] for index in outputs)
    return kept


if __name__ == "__main__":
    raise SystemExit(converted(_write_all))
