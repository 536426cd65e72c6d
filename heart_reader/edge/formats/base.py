"""What a file format for devices has to say of itself; `table.FORMATS` lists them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from heart_reader.edge.formats.runtime import Runtime
from heart_reader.edge.sample import Sample

if TYPE_CHECKING:  # a board has no PyTorch
    from heart_reader.edge.network.device_model import DeviceModel

# How far a file may be from PyTorch: fp32 and fp16 have bars (`ParityConfig`); int8, for whatever
# computes in 8 bits, is judged by its fold-9 macro AUC alone, as all are.
Precision = Literal["fp32", "fp16", "int8"]
Converter = Literal["onnx2tf", "litert"]


@dataclass(frozen=True)
class Source:
    """What a format's files are made from.

    Attributes:
        model: the network as a device runs it.
        folder: that files are written to; it is there.
        calibration: gives records of folds 1 to 8 that ranges are measured on, and others to
            judge by.
        converter: to TFLite.
    """

    model: "DeviceModel"
    folder: Path
    calibration: Callable[[], tuple[Sample, Sample]]
    converter: Converter

    @property
    def onnx(self) -> Path:
        """The float32 graph, which is made first: other formats convert it."""
        return self.file(".onnx")

    def file(self, ending: str) -> Path:
        """Where the file with this ending goes."""
        return self.folder / f"heart_reader{ending}"


@dataclass(frozen=True)
class Made:
    """A file for a device.

    Attributes:
        title: of its stage, as the report shows it.
        path: ending in the format's suffix.
        precision: by which it is judged.
        notes: what was chosen on the way.
    """

    title: str
    path: Path
    precision: Precision
    notes: str = ""


@dataclass(frozen=True)
class Part:
    """Files that are made together.

    Attributes:
        title: errors say it.
        stage: the word of the option ``stages`` that asks for it; ``None``: always made.
        make: writes the files, each whole or not at all.
    """

    title: str
    stage: str | None
    make: Callable[[Source], Iterable[Made]]


@dataclass(frozen=True)
class Example:
    """How a script calls the interpreter, with numpy and nothing else of ours.

    Attributes:
        load: the import.
        run: lines from ``model`` (a path) and ``signal`` (1, n_leads, n_times) to
            ``probabilities``. A signal-only model has no other input; features and mask of a
            fused one stay 0: none was measured.
    """

    load: str
    run: str


@dataclass(frozen=True)
class Format:
    """A file format for devices.

    Attributes:
        name: as texts say it.
        library: that the interpreter is imported from: part of the device's system.
        packages: whose versions labels.json tells.
        any_number: whether a file takes any number of records, or one at a time.
        load: opens a file.
        example: of the folder's README.
        parts: in the order in which they are made.
    """

    name: str
    library: str
    packages: tuple[str, ...]
    any_number: bool
    load: Callable[[Path], Runtime]
    example: Example
    parts: tuple[Part, ...]
