"""An electrode's constant offset changes no answer, whatever says it."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from heart_reader.bundle.ensemble import EnsembleBundle
from heart_reader.bundle.single import Bundle, save_bundle
from heart_reader.data import delineation
from heart_reader.edge.formats.quantization import quantize_onnx
from heart_reader.edge.formats.table import load_runtime
from heart_reader.edge.formats.tflite import FORMATS
from heart_reader.tracking.pyfunc import HeartReaderModel

LARGEST = 0.01  # change of a probability


@pytest.fixture(scope="module")
def pair(raw) -> tuple[np.ndarray, np.ndarray]:
    """Records of fold 9 as they are, and with 0.1 to 5 mV of either sign on each lead."""
    signal = raw[0]
    generator = np.random.default_rng(0)
    size = generator.uniform(0.1, 5, signal.shape[:2]) * generator.choice([-1, 1], 12)
    return signal, (signal + size[..., None]).astype(np.float32)


@pytest.fixture(scope="module")
def sensitive(bundle: Bundle) -> Bundle:
    """The tiny model, with a head that says more than a few epochs taught it."""
    import copy
    from dataclasses import replace

    model = copy.deepcopy(bundle.model)
    with torch.no_grad():
        model.head[-1].weight *= 3
    return replace(bundle, model=model)


def test_without_the_first_step_it_would(sensitive, pair):
    """The same network on signals that keep their offsets: what the other tests would miss."""
    normaliser = sensitive.normaliser
    std = torch.tensor(normaliser.std)[:, None]
    with torch.inference_mode():
        before, after = (
            torch.sigmoid(sensitive.model(torch.from_numpy(each) / std)) for each in pair
        )
    assert (before - after).abs().max() > 5 * LARGEST


def test_a_bundle_an_ensemble_and_what_mlflow_serves(sensitive, bundle, pair, tmp_path: Path):
    weights = np.array([[0.6] * 5, [0.4] * 5])
    together = EnsembleBundle((sensitive, bundle), ("a", "b"), weights, bundle.thresholds, {})
    save_bundle(sensitive, tmp_path / "bundle")
    served = HeartReaderModel()
    served.load_context(SimpleNamespace(artifacts={"bundle": str(tmp_path / "bundle")}))
    for predict in (
        sensitive.predict,
        together.predict,
        lambda signal: served.predict(None, {"signal": signal}).iloc[:, :5].to_numpy(),
    ):
        before, after = map(predict, pair)
        assert np.abs(before - after).max() < LARGEST


def test_features_are_measured_alike(pair):
    """But for the last bits of a float32 that has an offset to hold."""
    before, after = (delineation.extract(each, 100) for each in pair)
    np.testing.assert_array_equal(np.isnan(before), np.isnan(after))
    np.testing.assert_allclose(before, after, rtol=1e-3, atol=0.02)


@pytest.mark.parametrize("key", FORMATS)
def test_tflite(key, tflite, raw, pair):
    assert moved(tflite[key], raw, pair) < LARGEST


def test_onnx_in_float32_and_in_8_bits(fused_onnx, calibration, judged, raw, pair, tmp_path):
    quantize_onnx(fused_onnx, tmp_path / "int8.onnx", calibration, judged)
    assert moved(fused_onnx, raw, pair) < LARGEST
    assert moved(tmp_path / "int8.onnx", raw, pair) < LARGEST


def moved(path: Path, raw, pair) -> float:
    """The largest change of a probability."""
    runtime = load_runtime(path)
    before, after = (runtime.probabilities(each, raw[1], None) for each in pair)
    return float(np.abs(before - after).max())
