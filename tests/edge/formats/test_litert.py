"""The second converter to TFLite: its packages in a folder of their own, the same contract.

Covers: heart_reader.edge.formats.litert.converter.
"""

import numpy as np
import pytest
import torch

from heart_reader.edge.formats import tflite
from heart_reader.edge.formats.litert import environment
from heart_reader.edge.formats.litert.environment import LOCK, litert_packages
from heart_reader.edge.formats.litert.program import save_program
from heart_reader.edge.formats.table import load_runtime
from heart_reader.edge.formats.tflite import FORMATS, export_tflite
from heart_reader.edge.network.device_model import device_model
from heart_reader.errors import ModelError
from heart_reader.files import cache_folder
from tests.edge.bundles import fresh_bundle, some_features, some_signals


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """A lock file of a test's own; the packages go into its own cache."""

    def write(text: str) -> None:
        monkeypatch.setattr(environment, "LOCK", tmp_path / "locked.txt")
        (tmp_path / "locked.txt").write_text(text)

    return write


def test_every_line_of_the_lock_is_a_version():
    lines = [line for line in LOCK.read_text().splitlines() if not line.startswith("#")]
    assert len(lines) > 20 and all(line.count("==") == 1 for line in lines)
    assert "litert-torch==0.10.0" in lines
    assert not {line.partition("==")[0] for line in lines} & {"torch", "numpy", "ai-edge-litert"}


def test_packages_that_can_not_be_had_are_an_error_and_leave_nothing(installed, tmp_path):
    installed("--no-index\nno-such-package-of-ours==1.0\n")
    with pytest.raises(ModelError, match=r"can't install litert-torch \(edge.converter=litert\)"):
        litert_packages(tmp_path / "cache")
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def test_packages_are_installed_once(installed, monkeypatch, tmp_path):
    installed("# nothing\n")
    made = []
    monkeypatch.setattr(environment, "_install", made.append)
    folder = litert_packages(tmp_path)
    assert litert_packages(tmp_path) == folder and folder.is_dir() and len(made) == 1


def test_the_program_computes_what_the_network_does(tmp_path):
    model = device_model(fresh_bundle("se_resnet1d"), "fused")
    save_program(model, tmp_path / "model.pt2")
    program = torch.export.load(tmp_path / "model.pt2").module()
    signal, features = map(torch.from_numpy, (some_signals(1), some_features(2)[1:]))
    inputs = (signal, torch.nan_to_num(features), torch.isfinite(features).float())
    with torch.no_grad():
        np.testing.assert_allclose(program(*inputs), model(*inputs), atol=1e-6)


def test_a_converter_that_fails_says_why(bundle, fused_onnx, calibration, monkeypatch, tmp_path):
    """Without its packages, as if they had been lost."""
    monkeypatch.setattr(tflite, "litert_packages", lambda _: tmp_path)
    with pytest.raises(ModelError, match="No module named 'litert_torch'"):
        export_tflite(fused_onnx, tmp_path, calibration, model=device_model(bundle, "fused"))


def test_its_files_keep_the_contract(bundle, fused_onnx, calibration, raw, tmp_path):
    """Only where the packages were asked for before: they are a minute's download."""
    if not (cache_folder() / "litert-torch").is_dir():
        pytest.skip("litert-torch isn't in the cache: an export with converter=litert fetches it")
    paths = export_tflite(fused_onnx, tmp_path, calibration, model=device_model(bundle, "fused"))
    assert list(paths) == list(FORMATS)
    signal, features = raw[0][:4], raw[1][:4]
    exact = load_runtime(fused_onnx).probabilities(signal, features, None)
    bars = {"fp32": 1e-5, "fp16": 5e-3, "dynamic": 0.2, "int8": 0.2}
    for key, path in paths.items():
        found = load_runtime(path).probabilities(signal, features, None)
        assert np.abs(found - exact).max() < bars[key], key
