"""A whole export without TFLite and tracking, of one bundle and of an ensemble."""

import json
from dataclasses import replace

import numpy as np
import pytest

from heart_reader.bundle.ensemble import EnsembleBundle
from heart_reader.edge import report, stages
from heart_reader.edge.formats.onnx_format import FP32 as ONNX
from heart_reader.edge.formats.onnx_format import INT8 as ONNX_INT8
from heart_reader.edge.measure import inputs_of
from heart_reader.edge.run import open_device
from heart_reader.edge.stage import AT_ONCE, FINETUNED, ORIGINAL, PRUNED
from heart_reader.edge.stages import Exporter
from heart_reader.errors import DataError, ModelError, RefusedByGateError
from heart_reader.evaluation.thresholds import youden
from heart_reader.models.views import Views
from registry.settings import load_settings
from tests.training.tiny import tiny_config

QUICK = {
    "stages": "prune,finetune,quantize,c_kit",
    "finetune_epochs": "1",
    "prune.round_to": "1",
    "quantize.n_calibrate": "16",
    "quantize.n_judge": "16",
    "parity.max_auc_loss": "1",
    "web": "never",
    "measure.n_runs": "2",
    "measure.n_resamples": "10",
}
NO_KIT = "it is made from the file *.int8.tflite, which isn't there"


def exporter(source, prepared, folder, **options):
    chosen = load_settings(QUICK | options)[0].edge
    config = tiny_config(training__batch_size=64)
    said = []
    return Exporter(source, prepared.records, config, chosen, folder, said.append), said


@pytest.fixture(scope="module")
def done(bundle, prepared, tmp_path_factory):
    made, _ = exporter(bundle, prepared, tmp_path_factory.mktemp("export"))
    made.run()
    return made


def test_every_stage_stands_on_the_one_before(done, bundle):
    assert [s.name for s in done.stages] == [ORIGINAL, PRUNED, FINETUNED, ONNX, ONNX_INT8]
    original, pruned, trained, onnx, int8 = done.stages
    assert original.n_parameters == sum(p.numel() for p in bundle.model.parameters())
    assert pruned.n_parameters == trained.n_parameters == int8.n_parameters
    assert pruned.macs < 0.4 * original.macs
    assert np.abs(pruned.y_score - trained.y_score).max() > 1e-4
    np.testing.assert_allclose(onnx.y_score, trained.y_score, atol=1e-5)
    assert 0 < np.abs(int8.y_score - onnx.y_score).max() < 0.1
    rows = done.records.rows((9,))
    expected = bundle.predict(done.records.millivolts(rows), done.records.features.values[rows])
    np.testing.assert_allclose(original.y_score, expected, atol=1e-6)


def test_the_device_folder_has_thresholds_of_each_file(done):
    folder = done.write_device_folder({"name": "heart-reader-x", "version": "3"})
    labels = json.loads((folder / "labels.json").read_text())
    assert labels["source"] == {"name": "heart-reader-x", "version": "3"}
    assert labels["left_out"] == {"c": NO_KIT}
    for stage in done.stages[-2:]:
        found = list(labels["files"][stage.path.name]["thresholds"].values())
        np.testing.assert_allclose(found, youden(done.y_true, stage.y_score))
    reader = open_device(folder / "heart_reader.int8.onnx")
    signal, features, _ = inputs_of(done.stages[-1].predictor, done.sample, slice(0, 2))
    known = np.where(done.sample.mask[:2] > 0, features, np.nan)
    np.testing.assert_allclose(
        reader.predict(signal, known), done.stages[-1].y_score[:2], atol=1e-6
    )


def test_the_report_compares_with_the_original(done):
    stages = [done.stages[0], done.stages[-1]]
    rows = report.measured(stages, done.y_true, done.sample, done.chosen.measure, 0)
    first, last = rows[0], rows[-1]
    assert first.difference == first.low95 == first.high95 == 0
    assert last.low95 <= last.difference <= last.high95
    assert last.difference == pytest.approx(last.macro_auc - first.macro_auc)
    worst = np.abs(done.stages[-1].y_score - done.stages[0].y_score).max()
    assert last.largest_difference == pytest.approx(worst)
    shown = report.cells(last, first)
    assert len(shown) == len(report.COLUMNS) and shown[0] == ONNX_INT8
    assert report.metrics(rows)["onnx_int8/macro_auc"] == last.macro_auc
    figure = report.stage_figure(rows, 0.005, "a title")
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == [row.name for row in rows]


def test_a_device_asks_about_the_whole_record_and_the_export_says_so(bundle, prepared, tmp_path):
    viewed = replace(bundle, views=Views(4, False))
    made, said = exporter(
        viewed, prepared, tmp_path, stages="quantize", **{"finetune_epochs": "0"}
    )
    original, once, onnx, _ = made.run()
    rows = made.records.rows((9,))
    given = made.records.millivolts(rows), made.records.features.values[rows]
    np.testing.assert_allclose(original.y_score, viewed.predict(*given), atol=1e-6)
    assert (original.name, once.name) == (ORIGINAL, AT_ONCE)
    assert once.notes == "asked about the whole record, not the mean over 4 windows"
    np.testing.assert_allclose(once.y_score, bundle.predict(*given), atol=1e-6)
    np.testing.assert_allclose(onnx.y_score, once.y_score, atol=1e-5)
    assert np.abs(original.y_score - once.y_score).max() > 1e-4
    assert any("2. one pass: macro AUC" in line for line in said)


def test_an_ensemble_becomes_one_student(bundle, prepared, tmp_path):
    weights = np.full((2, 5), 0.5)
    both = EnsembleBundle((bundle, bundle), ("a", "b"), weights, np.full(5, 0.5), {})
    made, _ = exporter(both, prepared, tmp_path, student="b", stages="prune,finetune")
    made.run()
    original, pruned, trained, onnx = made.stages
    assert original.n_parameters == 2 * sum(p.numel() for p in bundle.model.parameters())
    assert trained.n_parameters == pruned.n_parameters < original.n_parameters / 3
    np.testing.assert_allclose(onnx.y_score, trained.y_score, atol=1e-5)
    alone, _ = exporter(both, prepared, tmp_path / "alone", finetune_epochs="0")
    with pytest.raises(ModelError, match="one student that learns from it"):
        alone.run()


def test_the_signal_form_is_compared_with_the_original_without_features(
    bundle, prepared, tmp_path
):
    made, _ = exporter(bundle, prepared, tmp_path, form="signal", stages="prune")
    made.run()
    expected = bundle.predict(made.sample.signal, None)
    np.testing.assert_allclose(made.stages[0].y_score, expected, atol=1e-6)
    assert made.stages[-1].predictor.n_features == 0


def test_a_search_ends_in_a_ratio_that_holds(bundle, prepared, tmp_path):
    options = {"prune.max_auc_drop": "1", "stages": "prune"}
    made, said = exporter(bundle, prepared, tmp_path, **options)
    made.run()
    assert "0.9375 of the channels gone" in made.stages[1].notes
    assert sum(line.startswith("ratio ") for line in said) == 4


def test_an_error_names_its_stage(bundle, prepared, tmp_path):
    records = prepared.records
    only_9 = records.metadata["strat_fold"].to_numpy().copy()
    only_9[only_9 != 9] = 0
    bare = replace(records, metadata=records.metadata.assign(strat_fold=only_9))
    made, _ = exporter(bundle, replace(prepared, records=bare), tmp_path, stages="quantize")
    with pytest.raises(DataError, match="stage 'ONNX INT8': there are no records to calibrate on"):
        made.run()


# ---------------------------------------------------------------- what breaks its word


def test_a_file_that_differs_is_left_out_with_its_reason(bundle, prepared, tmp_path, monkeypatch):
    made, said = exporter(bundle, prepared, tmp_path, finetune_epochs="0")
    wrong = lambda stage, *_: ["it lies"] if stage.name == ONNX else []  # noqa: E731
    monkeypatch.setattr(stages, "differs", wrong)
    made.run()
    *_, onnx, int8 = made.stages
    assert (onnx.on_device, onnx.left_out, int8.on_device) == (False, "it lies", True)
    assert "left out: it lies" in said
    folder = made.write_device_folder({"name": "m", "version": "1"})
    labels = json.loads((folder / "labels.json").read_text())
    assert list(labels["files"]) == ["heart_reader.int8.onnx"]
    assert labels["left_out"] == {"heart_reader.onnx": "it lies", "c": NO_KIT}
    assert not (folder / "heart_reader.onnx").exists()
    assert "Left out: `heart_reader.onnx`, it lies." in (folder / "README.md").read_text()
    row = report.measured(made.stages, made.y_true, made.sample, made.chosen.measure, 0)[-2]
    assert row.notes.startswith("left out: it lies")


def test_without_any_file_the_export_is_refused(bundle, prepared, tmp_path):
    options = {"parity.fp32": "0", "stages": "prune"}
    made, _ = exporter(bundle, prepared, tmp_path, **options)
    with pytest.raises(
        RefusedByGateError, match=r"'ONNX fp32' differs by .*nothing is registered"
    ):
        made.run()


def test_a_loss_that_chance_explains_is_noted_and_one_that_it_doesnt_is_refused(
    bundle, prepared, tmp_path
):
    options = {"stages": "prune", "parity.max_auc_loss": "0", "measure.n_resamples": "200"}
    made, _ = exporter(bundle, prepared, tmp_path, **options)
    made._bundle_stage(ORIGINAL, made.source, "")
    sure = (0.2 + 0.6 * made.y_true).astype(np.float32)
    original = made.stages[0] = replace(made.stages[0], y_score=sure)
    one = original.y_score.copy()
    y = made.y_true[:, 0]
    first, last = np.flatnonzero(y)[0], np.flatnonzero(y == 0)[0]
    one[first, 0], one[last, 0] = 0, 1
    lost, note = made._loss(replace(original, name="one", y_score=one))
    assert lost == "" and "can't tell it from chance" in note and "could" in note
    none = replace(original, name="none", y_score=1 - original.y_score)
    lost, note = made._loss(none)
    assert "stage 'none' loses" in lost and "parity.max_auc_loss" in lost and note == ""
