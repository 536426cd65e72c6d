"""What an export makes of the page: the student by its signal alone, and what it says of it."""

import json
from dataclasses import replace

import numpy as np
import pytest

from heart_reader.edge.device.folder import DeviceFile, read_labels
from heart_reader.edge.device.reader import open_device
from heart_reader.edge.formats.onnx_runtime import OnnxRuntime
from heart_reader.edge.sample import Sample
from heart_reader.edge.web import page as pages
from heart_reader.edge.web.making import add_page, signal_form
from heart_reader.errors import ModelError
from heart_reader.evaluation.metrics import macro_auc
from heart_reader.evaluation.thresholds import youden
from heart_reader.evaluation.trust.sets import fit_limits
from heart_reader.evaluation.trust.trust import Trust
from registry.settings import load_settings
from tests.edge.bundles import some_signals
from tests.edge.test_stages import exporter
from tests.edge.web.conftest import CURVES, LIMITS, shown


def test_a_fused_students_page_reads_the_signal_alone(bundle, prepared, web_runtime, tmp_path):
    source = replace(bundle, trust=Trust(None, LIMITS, None))
    made, said = exporter(source, prepared, tmp_path, stages="prune", finetune_epochs="0")
    made.run()
    made.runtime = web_runtime
    device = made.write_device_folder({"name": "heart-reader-x", "version": "3"})
    file = device / "web" / "model" / "heart_reader.signal.onnx"
    reader = open_device(file)
    assert reader.meaning.feature_source is None and OnnxRuntime(file).n_features == 0
    y_score = reader.predict(made.sample.signal, None)
    np.testing.assert_allclose(y_score, made.student.predict(made.sample.signal, None), atol=1e-5)
    np.testing.assert_allclose(reader.thresholds, youden(made.y_true, y_score))
    expected = fit_limits(made.y_true, y_score, 0.1)
    np.testing.assert_allclose(reader.trust.limits.present, expected.present)
    auc = f"{macro_auc(made.y_true, y_score):.4f}"
    assert f"macro AUC {auc} on fold 9 by the signal alone" in said[-1]
    text = (device / "web" / "index.html").read_text(encoding="utf-8")
    assert f"macro AUC {auc} on {len(made.y_true)} records of fold 9" in text
    assert "measurements that the model could read besides are left out" in text
    assert "web/index.html" in (device / "README.md").read_text()
    # The other files of the folder tell their limits as well.
    assert read_labels(device / "heart_reader.onnx").trust.limits is not None


def test_a_signal_form_that_differs_from_pytorch_is_refused(small, tmp_path):
    chosen = load_settings({"parity.fp32": "0"})[0].edge.parity
    nothing = np.zeros((4, 0), np.float32)
    sample = Sample(some_signals(4), nothing, nothing)
    with pytest.raises(ModelError, match=r"differs by .* from PyTorch, and may by 0"):
        signal_form(small, sample, tmp_path / "signal.onnx", chosen)


def test_a_page_that_would_be_too_large_is_left_out_or_an_error(
    small, device, web_runtime, monkeypatch, tmp_path
):
    monkeypatch.setattr(pages, "LARGEST", 1_000_000)
    model = next((device / "web" / "model").glob("*.onnx"))
    file = DeviceFile(model, np.full(5, 0.5))
    said: list[str] = []
    add_page(tmp_path, lambda: shown(small, file), web_runtime, "auto", said.append)
    assert "the web page is left out: " in said[0] and "prune the model" in said[0]
    assert not (tmp_path / "web").exists()
    with pytest.raises(ModelError, match=r"may have 1: prune the model \(prune.ratio\)"):
        add_page(tmp_path, lambda: shown(small, file), web_runtime, "always", said.append)


def test_the_contract_of_the_page_is_that_of_the_labels(device):
    text = (device / "web" / "index.html").read_text(encoding="utf-8")
    inside = text.split('id="contract">')[1].split("</script>")[0]
    contract = json.loads(inside)
    labels = json.loads((device / "web" / "model" / "labels.json").read_text())
    (entry,) = labels["files"].values()
    for key in ("classes", "leads", "sampling_rate", "n_times"):
        assert contract[key] == labels[key]
    for key in ("thresholds", "calibration", "limits"):
        assert contract[key] == entry[key]
    assert contract["calibration"]["MI"] == CURVES[1].tree()
