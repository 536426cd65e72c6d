"""What somebody adds who has never seen the code, in as many places as the architecture says.

Covers: heart_reader.edge.formats.base.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from heart_reader.data.ptbxl import SUPERCLASSES
from heart_reader.edge.device.reader import open_device
from heart_reader.edge.formats.base import Example, Format, Made, Part
from heart_reader.edge.formats.onnx_format import OnnxRuntime
from heart_reader.edge.formats.table import FORMATS
from heart_reader.edge.stages import Exporter
from heart_reader.errors import ConfigError
from registry.settings import load_settings
from tests.training.tiny import tiny_bundle, tiny_config, tiny_prepared

# ---------------------------------------------------------------- an edge format
# ONNX Runtime's own, for phones: one function, one description, and a line in the table.


def make_ort(source):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(source.file(".ort"))
    options.add_session_config_entry("session.save_model_format", "ORT")
    onnxruntime.InferenceSession(source.onnx, options, providers=["CPUExecutionProvider"])
    yield Made("ORT fp32", source.file(".ort"), "fp32", "as it lies in memory")


ORT = Format(
    name="ORT",
    library="onnxruntime",
    packages=("onnxruntime",),
    any_number=True,
    load=OnnxRuntime,
    example=Example(
        "import onnxruntime",
        """session = onnxruntime.InferenceSession(model)
shapes = {item.name: [1, *item.shape[1:]] for item in session.get_inputs()}
feed = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
(probabilities,) = session.run(None, feed | {"signal": signal})""",
    ),
    parts=(Part("ORT", "ort", make_ort),),
)


@pytest.fixture
def with_ort(monkeypatch):
    monkeypatch.setitem(FORMATS, ".ort", ORT)


def edge_settings(**options: str):
    return load_settings({"measure.n_runs": "2", **options})[0].edge


def test_a_new_edge_format_is_one_line(with_ort, cache, tmp_path):
    prepared = tiny_prepared(cache)
    records, config, chosen = prepared.records, tiny_config(), edge_settings(stages="ort")
    source = tiny_bundle(prepared)
    exporter = Exporter(source, records, config, chosen, tmp_path, lambda _: None)
    *_, onnx, ort = exporter.run()
    assert (ort.name, ort.path.name, ort.notes) == (
        "ORT fp32", "heart_reader.ort", "as it lies in memory",
    )  # fmt: skip
    assert ort.on_device
    np.testing.assert_allclose(ort.y_score, onnx.y_score, atol=1e-6)
    folder = exporter.write_device_folder({"name": "m", "version": "1"})
    described = json.loads((folder / "labels.json").read_text())["files"]["heart_reader.ort"]
    assert described["layout"] == "(n, 12, 1000)"
    assert "ORT files take any number" in (folder / "README.md").read_text()
    signal = records.millivolts(exporter.rows[:1])
    np.savetxt(tmp_path / "ecg.csv", signal[0].T, delimiter=",")
    said = example(folder, tmp_path / "ecg.csv")
    (expected,) = open_device(folder / "heart_reader.ort").predict(signal, None)
    assert len(said) == len(SUPERCLASSES)
    np.testing.assert_allclose(said, expected, atol=1e-3)


def example(folder: Path, ecg: Path) -> list[float]:
    """Probabilities as the folder's own example prints them."""
    command = [sys.executable, "example.py", "heart_reader.ort", str(ecg)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=True)
    return [float(line.split()[1]) for line in done.stdout.splitlines()]


def test_whoever_asks_for_a_format_is_told_which_there_are(with_ort):
    assert edge_settings().wanted == ("prune", "finetune", "quantize", "tflite", "ort")
    with pytest.raises(ConfigError, match="unknown stage 'otr', did you mean 'ort'"):
        edge_settings(stages="prune,otr")
