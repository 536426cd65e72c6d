"""The formats there are. A new one is a file beside this one, and a line in `FORMATS`."""

from pathlib import Path

from heart_reader.edge.formats.base import Format
from heart_reader.edge.formats.onnx_format import ONNX
from heart_reader.edge.formats.runtime import Runtime
from heart_reader.edge.formats.tflite_format import TFLITE
from heart_reader.errors import ModelError

# By suffix, in the order in which they are made. The example of a device folder runs a file of
# the last of those that the folder holds.
FORMATS: dict[str, Format] = {
    ".onnx": ONNX,
    ".tflite": TFLITE,
}


def load_runtime(path: Path) -> Runtime:
    """The runtime of a file, by its ending.

    Raises:
        ModelError: no such file, an unknown ending, or a file that is damaged, of a version
            that the interpreter can't read, or not made here.
    """
    if not path.is_file():
        raise ModelError(f"there is no model file {path}")
    if path.suffix not in FORMATS:
        raise ModelError(f"a model file ends in {' or '.join(FORMATS)}, but this is {path}")
    return FORMATS[path.suffix].load(path)


def format_stages() -> tuple[str, ...]:
    """Words of the option ``stages`` that ask for files."""
    return tuple(
        part.stage for each in FORMATS.values() for part in each.parts if part.stage is not None
    )
