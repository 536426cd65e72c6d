"""The export of a small trained model, all stages, and everything that must stop one."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from heart_reader.bundle.single import load_bundle, save_bundle
from heart_reader.edge.formats.table import load_runtime
from heart_reader.tracking import load_registered, resolve_version
from registry import export
from tests.conftest import seed_web_runtime
from tests.tracking.processes import MODEL, Store, Trained
from tests.tracking.trained import Call

pytest_plugins = ["tests.tracking.trained"]
EDGE = "heart-reader-edge"
# 19 records of fold 9 say little of a model: what it may lose is out of the way.
QUICK = (
    "--finetune_epochs", "1", "--parity.max_auc_loss", "1", "--measure.n_runs", "5",
    "--measure.n_resamples", "20", "--quantize.n_calibrate", "16",
)  # fmt: skip
STAGES = [
    "original", "pruned", "fine-tuned", "ONNX fp32", "ONNX INT8",
    "TFLite fp32", "TFLite fp16", "TFLite dynamic range", "TFLite INT8",
]  # fmt: skip


@pytest.fixture(scope="module")
def exported(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store of its own: the trained bundle imported, then exported, each in a process."""
    store = Store(tmp_path_factory.mktemp("exported"))
    store.cache.symlink_to(trained.store.cache)
    seed_web_runtime(store.cache)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", trained.store.uri)
        save_bundle(load_registered(resolve_version(MODEL)), store.folder / "bundle")
    for module, *words in (
        ("registry.pretrained.import_bundle", "--bundle", str(store.folder / "bundle")),
        ("registry.export", "--model", MODEL, *QUICK),
    ):
        started = store.start([sys.executable, "-m", module, *words])
        if started.finish(1200):  # TensorFlow alone takes a minute of a busy machine
            raise AssertionError(started.output())
    return store


def edge_versions(store: Store):
    return store.client.search_model_versions(f"name = '{EDGE}'")


def test_each_stage_has_its_row(exported: Store):
    (version,) = edge_versions(exported)
    run = exported.client.get_run(version.run_id)
    assert run.info.status == "FINISHED"
    rows = json.loads(exported.artifact(version.run_id, "stages.json").read_text())
    assert [row["name"] for row in rows] == STAGES
    sizes = {row["name"]: row["n_bytes"] for row in rows}
    assert sizes["original"] > 2 * sizes["pruned"] > 2 * sizes["ONNX INT8"]
    assert sizes["TFLite fp32"] > 1.5 * sizes["TFLite fp16"] > 1.5 * sizes["TFLite INT8"]
    assert rows[1]["macs"] < 0.4 * rows[0]["macs"]
    for row in rows:
        assert 0 < row["median_ms"] <= row["p95_ms"] and row["memory_mb"] > 0
        assert row["low95"] <= row["high95"]
    assert rows[0]["difference"] == rows[0]["largest_difference"] == 0
    assert run.data.metrics["onnx_int8/n_bytes"] == sizes["ONNX INT8"]
    assert exported.artifact(version.run_id, "stages.png").read_bytes()[:4] == b"\x89PNG"
    for name in STAGES:
        assert f"| {name} |" in run.data.tags["mlflow.note.content"]


def test_the_runs_page_leads_to_the_web_page(exported: Store, web_runtime: object):
    (version,) = edge_versions(exported)
    run = exported.client.get_run(version.run_id)
    note = run.data.tags["mlflow.note.content"]
    address = f"#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}/artifacts/"
    assert f"]({address}device/web/index.html)" in note
    text = exported.artifact(version.run_id, "device/web/index.html").read_text(encoding="utf-8")
    assert f"<title>ECG reader: {MODEL.removeprefix('models:/').split('/')[0]} v" in text


def test_the_version_tells_where_it_comes_from(exported: Store):
    (version,) = edge_versions(exported)
    assert version.tags["source"] == MODEL.removeprefix("models:/")
    assert version.tags["form"] == "fused"
    table = json.loads(version.tags["stages"])
    assert list(table) == STAGES and table["ONNX INT8"]["bytes"] < table["original"]["bytes"] / 3
    files = version.tags["formats"].split(",")
    assert files[:2] == ["heart_reader.onnx", "heart_reader.int8.onnx"] and len(files) == 6
    for name in files:
        assert exported.artifact(version.run_id, f"device/{name}").stat().st_size > 1000
    aliases = exported.client.get_registered_model(EDGE).aliases
    assert aliases == {"candidate": version.version}


def test_the_files_say_what_the_thin_bundle_says(exported: Store, trained: Trained):
    (version,) = edge_versions(exported)
    path = exported.artifact(version.run_id, "device/heart_reader.onnx")
    thin = load_bundle(exported.artifact(version.run_id, "pytorch/fine-tuned/bundle.json").parent)
    scores = pd.read_parquet(
        trained.store.artifact(trained.run.info.run_id, "predictions_fold9.parquet")
    )
    rows = json.loads(exported.artifact(version.run_id, "stages.json").read_text())
    y_true, y_score = (
        scores[[c for c in scores if c.startswith(kind)]] for kind in ("true", "score")
    )
    assert rows[0]["macro_auc"] == pytest.approx(roc_auc_score(y_true, y_score), abs=1e-6)
    signals = np.random.default_rng(0).normal(0, 0.1, (3, 12, 1000)).astype(np.float32)
    found = load_runtime(path).probabilities(signals, None, None)
    np.testing.assert_allclose(found, thin.predict(signals, None), atol=1e-5)


# ---------------------------------------------------------------- what stops an export

BAD = {
    "--stages prune,finetun": "unknown stage 'finetun', did you mean 'finetune'?",
    "--form signals": "one of 'auto', 'fused', 'signal', but is 'signals'",
    "--prune.ratio 1.0": "ratio must lie from 0 to below 1, but is 1.0",
    "--prune.ratoi 0.3": "did you mean 'edge.prune.ratio'?",
    "--model heart-reader-se_resnet1d/99": "the registry has no",
    "--data /nowhere": "/nowhere",
    "--data.demo_seed 1": "was trained on data of digest",
}


@pytest.mark.parametrize("typed", BAD)
def test_bad_input_is_one_line_and_registers_nothing(call: Call, exported: Store, typed: str):
    words = typed.split()
    model = () if words[0] == "--model" else ("--model", MODEL)
    called = call(export.main, exported, *model, *QUICK, *words)
    assert called.code == 1
    (line,) = called.errors
    assert BAD[typed] in line
    assert len(edge_versions(exported)) == 1
    assert all(run.info.status != "RUNNING" for run in exported.runs())


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (("--parity.fp32", "0"), "stage 'ONNX fp32' differs by"),
        (("--parity.max_auc_loss", "0", "--prune.ratio", "0.95"), "stage 'pruned' loses"),
    ],
)
def test_a_stage_that_breaks_its_word_fails_the_run(
    call: Call, exported: Store, typed: tuple[str, ...], message: str
):
    words = ("--model", MODEL, *QUICK, "--finetune_epochs", "0", "--stages", "prune", *typed)
    called = call(export.main, exported, *words)
    assert called.code == 1
    (line,) = called.errors
    assert message in line and "nothing is registered" in line
    newest = max(exported.runs(), key=lambda run: run.info.start_time)
    assert newest.info.status == "FAILED" and message in newest.data.tags["error"]
    assert len(edge_versions(exported)) == 1


def test_a_model_must_be_named(call: Call, exported: Store):
    called = call(export.main, exported)
    assert called.errors == ["error: export needs --model NAME@ALIAS or NAME/VERSION"]


def test_the_checkpoint_must_be_there(call: Call, exported: Store, tmp_path: Path):
    """A version whose files were deleted from the store."""
    name = "heart-reader-xresnet1d18"
    exported.client.create_registered_model(name)
    made = exported.client.create_model_version(name, str(tmp_path))
    called = call(export.main, exported, "--model", f"{name}/{made.version}", *QUICK)
    (line,) = called.errors
    assert called.code == 1 and "holds no bundle" in line
