"""ONNX: float32, and 8 bits as QDQ pairs; run by ONNX Runtime."""

from collections.abc import Iterator

from heart_reader.edge.formats.base import Example, Format, Made, Part, Source
from heart_reader.edge.formats.onnx_runtime import OnnxRuntime

FP32, INT8 = "ONNX fp32", "ONNX INT8"


# ---------------------------------------------------------------- files
# What writes them is imported where it is called: a board has neither PyTorch nor onnx.


def _make_fp32(source: Source) -> Iterator[Made]:
    from heart_reader.edge.formats.onnx_export import OPSET, export_onnx

    export_onnx(source.model, source.onnx)
    yield Made(FP32, source.onnx, "fp32", f"opset {OPSET}")


def _make_int8(source: Source) -> Iterator[Made]:
    from heart_reader.edge.formats.quantization import quantize_onnx

    path, (calibrate, judge) = source.file(".int8.onnx"), source.calibration()
    done = quantize_onnx(source.onnx, path, calibrate, judge)
    notes = f"calibrated by {done.method}, {done.n_convolutions} convolutions in 8 bits"
    yield Made(INT8, path, "int8", notes)


ONNX = Format(
    name="ONNX",
    library="onnxruntime",
    packages=("onnx", "onnxruntime"),
    any_number=True,
    load=OnnxRuntime,
    example=Example(
        "import onnxruntime",
        """session = onnxruntime.InferenceSession(model)
shapes = {item.name: [1, *item.shape[1:]] for item in session.get_inputs()}
feed = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
(probabilities,) = session.run(None, feed | {"signal": signal})""",
    ),
    parts=(Part(FP32, None, _make_fp32), Part(INT8, "quantize", _make_int8)),
)
