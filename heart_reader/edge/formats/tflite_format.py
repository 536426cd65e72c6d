"""TFLite: float32, float16, dynamic range and 8 bits; run by LiteRT."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from heart_reader.edge.formats.base import Example, Format, Made, Part, Precision, Source
from heart_reader.edge.formats.runtime import Runtime, contract_of, one_line
from heart_reader.edge.sample import Array
from heart_reader.errors import ModelError

# By the converter's word for each file. Weights of a dynamic range are in 8 bits as well.
TITLES: dict[str, tuple[str, Precision]] = {
    "fp32": ("TFLite fp32", "fp32"),
    "fp16": ("TFLite fp16", "fp16"),
    "dynamic": ("TFLite dynamic range", "int8"),
    "int8": ("TFLite INT8", "int8"),
}


class LiteRuntime(Runtime):
    """By the LiteRT interpreter, a record at a time."""

    def __init__(self, path: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter

        try:
            self._interpreter = Interpreter(model_path=str(path), num_threads=1)
            self._interpreter.allocate_tensors()
            runner = self._interpreter.get_signature_runner()
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"{path} can't be read as TFLite: {one_line(error)}") from error
        # A converter may put the inputs in any order: they are known by name alone.
        inputs, outputs = runner.get_input_details(), runner.get_output_details()
        self._inputs = {name: item["index"] for name, item in inputs.items()}
        (self._output,) = (item["index"] for item in outputs.values())
        self.path = path
        self.n_features, self.shape, self.n_classes = contract_of(
            path,
            {name: item["shape"].tolist() for name, item in inputs.items()},
            [item["shape"].tolist() for item in outputs.values()],
        )

    def _run(self, feed: Mapping[str, Array]) -> Array:
        rows = []
        for row in range(len(feed["signal"])):
            for name, index in self._inputs.items():
                self._interpreter.set_tensor(index, feed[name][row : row + 1])
            self._interpreter.invoke()
            rows.append(self._interpreter.get_tensor(self._output))  # (1, n_classes)
        return np.concatenate(rows) if rows else np.empty((0, self.n_classes), np.float32)


def _make(source: Source) -> Iterator[Made]:
    # A board has no converter.
    from heart_reader.edge.formats.tflite import export_tflite

    litert = source.converter == "litert"
    model = source.model if litert else None
    paths = export_tflite(source.onnx, source.folder, source.calibration()[0], model=model)
    for key, path in paths.items():
        title, precision = TITLES[key]
        yield Made(title, path, precision, "by litert-torch" if litert else "")


TFLITE = Format(
    name="TFLite",
    library="ai_edge_litert.interpreter",
    packages=("onnx2tf", "tensorflow", "ai-edge-litert"),
    any_number=False,
    load=LiteRuntime,
    example=Example(
        "from ai_edge_litert.interpreter import Interpreter",
        """runner = Interpreter(str(model), num_threads=1).get_signature_runner()
shapes = {name: item["shape"] for name, item in runner.get_input_details().items()}
feed = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
probabilities = runner(**(feed | {"signal": signal}))["probabilities"]""",
    ),
    parts=(Part("TFLite", "tflite", _make),),
)
