"""A tiny model and what is made of it once for all tests of the edge."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from heart_reader.bundle.single import Bundle
from heart_reader.edge.formats.onnx_export import export_onnx
from heart_reader.edge.formats.tflite import export_tflite
from heart_reader.edge.network.device_model import device_model
from heart_reader.edge.sample import Sample
from heart_reader.fitting import Prepared
from heart_reader.models import build_model
from heart_reader.models.blocks import SqueezeExcite
from tests.training.tiny import tiny_bundle, tiny_prepared


@pytest.fixture(scope="session")
def prepared(cache: Path) -> Prepared:
    return tiny_prepared(cache)


@pytest.fixture(scope="session")
def bundle(prepared: Prepared) -> Bundle:
    """With a squeeze-excite whose hidden units are dead, as in some models that learnt long."""
    trained = tiny_bundle(prepared)
    gates = [m for m in trained.model.modules() if isinstance(m, SqueezeExcite)]
    torch.nn.init.constant_(gates[0].squeeze.bias, -100.0)
    return trained


@pytest.fixture(scope="session")
def raw(prepared: Prepared) -> tuple[np.ndarray, np.ndarray]:
    """Signals of fold 9 and their raw features with NaN where one is missing."""
    rows = prepared.records.rows((9,))
    return (
        prepared.records.millivolts(rows).astype(np.float32),
        prepared.records.features.values[rows],
    )


def sample_of(prepared: Prepared, rows: np.ndarray) -> Sample:
    values = prepared.records.features.values[rows]
    known = np.isfinite(values)
    return Sample(
        prepared.records.millivolts(rows).astype(np.float32),
        np.where(known, values, 0).astype(np.float32),
        known.astype(np.float32),
    )


@pytest.fixture(scope="session")
def calibration(prepared: Prepared) -> Sample:
    return sample_of(prepared, prepared.records.rows((1, 2))[:24])


@pytest.fixture(scope="session")
def judged(prepared: Prepared) -> Sample:
    return sample_of(prepared, prepared.records.rows((3,))[:16])


@pytest.fixture(scope="session")
def fused_onnx(bundle: Bundle, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    export_onnx(device_model(bundle, "fused"), path)
    return path


@pytest.fixture(scope="session")
def signal_onnx(bundle: Bundle, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "signal.onnx"
    export_onnx(device_model(bundle, "signal"), path)
    return path


def without_features(bundle: Bundle) -> Bundle:
    """The same, as if it had been trained on signals alone."""
    torch.manual_seed(0)
    model = build_model(bundle.config, 0, 5, 12).eval()
    return dataclasses.replace(bundle, model=model, encoder=None)


@pytest.fixture(scope="session")
def tflite(fused_onnx: Path, calibration: Sample, tmp_path_factory) -> dict[str, Path]:
    return export_tflite(fused_onnx, tmp_path_factory.mktemp("tflite"), calibration)
