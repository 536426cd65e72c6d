"""The device folder and `edge.run` on a file of it, as processes of their own.

Covers: heart_reader.edge.device.texts.
"""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import wfdb

from heart_reader.cli.entry import run_entry
from heart_reader.data.ptbxl import LEADS, SUPERCLASSES
from heart_reader.data.spec import default_spec
from heart_reader.edge import run
from heart_reader.edge.device.folder import DeviceFile, read_labels, write_device_folder
from heart_reader.edge.device.reader import open_device
from heart_reader.edge.formats.table import load_runtime
from heart_reader.errors import ModelError
from heart_reader.evaluation.trust.calibrator import AS_IT_IS, Calibrator, Curve
from heart_reader.tasks.task import default_task
from tests.conftest import REPOSITORY

ENVIRONMENT = os.environ | {"PYTHONPATH": str(REPOSITORY), "COLUMNS": "200"}
CONTRACT = (default_task(), default_spec())
SOURCE = {"name": "heart-reader-se_resnet1d", "version": "3"}
THRESHOLDS = np.array([0.41, 0.42, 0.43, 0.44, 0.45])


@pytest.fixture(scope="module")
def device(bundle, fused_onnx, tflite, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("device") / "fused"
    files = [DeviceFile(fused_onnx, THRESHOLDS), DeviceFile(tflite["int8"], THRESHOLDS + 0.1)]
    write_device_folder(folder, files, bundle.encoder, SOURCE, *CONTRACT)
    return folder


@pytest.fixture(scope="module")
def signal_device(signal_onnx, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("device") / "signal"
    write_device_folder(folder, [DeviceFile(signal_onnx, THRESHOLDS)], None, SOURCE, *CONTRACT)
    return folder


@pytest.fixture(scope="module")
def record(demo_root) -> str:
    return str(sorted(demo_root.glob("records100/**/*.hea"))[0])[:-4]


@pytest.fixture
def copy(device, tmp_path) -> Path:
    """A folder that may be spoilt."""
    return Path(shutil.copytree(device, tmp_path / "device"))


def start(*words: object, **options) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, **options)


def edge_run(*words: object) -> subprocess.CompletedProcess[str]:
    return start("-m", "heart_reader.edge.run", *words)


@pytest.fixture
def here(monkeypatch, capsys):
    """`edge.run` without the seconds that a process of its own takes to begin."""

    def call(*words: object) -> subprocess.CompletedProcess[str]:
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setattr(sys, "argv", ["run", *map(str, words)])
        capsys.readouterr()
        code = run_entry(run.main)
        said = capsys.readouterr()
        return subprocess.CompletedProcess(words, code, said.out, said.err)

    return call


# ---------------------------------------------------------------- what it says


def test_run_says_what_the_bundle_says(bundle, device, record):
    done = edge_run(device / "model.onnx", record, "--json", "--age", 63, "--sex", "f")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["model"] == str(device / "model.onnx")
    (item,) = found["records"]
    (expected,) = bundle.predict(wfdb.rdsamp(record)[0].T[None], "compute", [63], [1])
    assert list(item["probabilities"]) == list(SUPERCLASSES)
    np.testing.assert_allclose(list(item["probabilities"].values()), expected, atol=1e-5)
    np.testing.assert_allclose(list(item["thresholds"].values()), THRESHOLDS)


def test_the_table_of_predict_with_the_files_own_thresholds(device, record, here):
    done = here(device / "model.int8.tflite", record, "--features", "none")
    assert done.returncode == 0, done.stderr
    signal = wfdb.rdsamp(record)[0].T[None]
    (expected,) = load_runtime(device / "model.int8.tflite").probabilities(signal, None, None)
    for value in (*expected, *(THRESHOLDS + 0.1)):
        assert f"{value:.3f}" in done.stdout
    assert "threshold" in done.stdout and "QRS ms" in done.stdout


@pytest.mark.parametrize("form", ["device", "signal_device"])
def test_a_flat_line_has_no_findings(form, request, here, tmp_path):
    device = request.getfixturevalue(form)
    np.savetxt(tmp_path / "flat.csv", np.full((1000, 12), 0.2), delimiter=",")
    file = next(device.glob("*.onnx"))
    done = here(file, tmp_path / "flat.csv", "--fs", 100, "--unit", "mV", "--json")
    assert done.returncode == 0, done.stderr
    (item,) = json.loads(done.stdout)["records"]
    assert (item["quality"], item["labels"]) == ("unusable", [])
    assert item["probabilities"] == dict.fromkeys(SUPERCLASSES)
    done = start(device / "example.py", file, tmp_path / "flat.csv")
    assert done.returncode == 1 and done.stdout == ""
    assert "most leads are flat" in done.stderr


@pytest.mark.parametrize(
    ("folder", "file"), [("device", "model.int8.tflite"), ("signal_device", "signal.onnx")]
)
def test_the_example_needs_numpy_and_the_interpreter_alone(
    folder, file, record, request, tmp_path
):
    device = request.getfixturevalue(folder)
    signal = wfdb.rdsamp(record)[0]
    np.savetxt(tmp_path / "ecg.csv", signal, delimiter=",")
    text = (device / "example.py").read_text()
    assert len(text.splitlines()) <= 20
    shutil.copy(device / "example.py", tmp_path)
    blocked = (
        "import sys\nsys.modules.update(dict.fromkeys(['torch', 'heart_reader', 'pandas']))\n"
    )
    (tmp_path / "example.py").write_text(blocked + text)
    done = start("example.py", device / file, "ecg.csv", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    runtime = load_runtime(device / file)
    (expected,) = runtime.probabilities(signal.T[None], None, None)
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [line[0] for line in lines] == list(SUPERCLASSES)
    np.testing.assert_allclose([float(line[1]) for line in lines], expected, atol=6e-4)
    above = expected >= read_labels(device / file).thresholds
    assert [line[2:] == ["present"] for line in lines] == above.tolist()


def test_a_calibrated_file_says_the_same_to_the_example_and_to_our_code(
    bundle, signal_onnx, record, tmp_path
):
    curves = (
        Curve("platt", 0.6, 1.0, (), ()),
        AS_IT_IS,
        Curve("isotonic", 1, 0, (0.0, 0.5, 1.0), (0.1, 0.2, 0.9)),
        Curve("temperature", 2.0, 0.0, (), ()),
        AS_IT_IS,
    )
    files = [DeviceFile(signal_onnx, THRESHOLDS, Calibrator(curves))]
    write_device_folder(tmp_path / "device", files, None, SOURCE, *CONTRACT)
    text = (tmp_path / "device/README.md").read_text()
    assert "to be calibrated by each file's `calibration`" in text
    model, signal = tmp_path / "device" / signal_onnx.name, wfdb.rdsamp(record)[0]
    np.savetxt(tmp_path / "ecg.csv", signal, delimiter=",")
    done = start(tmp_path / "device/example.py", model, tmp_path / "ecg.csv")
    assert done.returncode == 0, done.stderr
    (raw,) = load_runtime(model).probabilities(signal.T[None], None, None)
    odds = np.log(raw / (1 - raw))
    expected = raw.astype(float)
    expected[0] = 1 / (1 + np.exp(-0.6 * odds[0] - 1))
    expected[2] = 0.99 * np.interp(raw[2], [0, 0.5, 1], [0.1, 0.2, 0.9]) + 0.01 * raw[2]
    expected[3] = 1 / (1 + np.exp(-2 * odds[3]))
    said = [float(line.split()[1]) for line in done.stdout.splitlines()]
    np.testing.assert_allclose(said, expected, atol=6e-4)
    reader = open_device(model)
    assert reader.trust.calibrated
    np.testing.assert_allclose(reader.predict(signal.T[None], None)[0], expected, atol=1e-5)


def test_what_the_folder_holds(device, bundle):
    names = {path.name for path in device.iterdir()}
    files = {"model.onnx", "model.int8.tflite", "labels.json", "README.md", "example.py"}
    assert names == files | {"mobile"}
    tree = json.loads((device / "labels.json").read_text())
    assert (tree["classes"], tree["leads"]) == (list(SUPERCLASSES), list(LEADS))
    assert tree["features"]["names"] == list(bundle.encoder.names)
    assert tree["source"] == SOURCE and tree["form"] == "fused"
    readme = (device / "README.md").read_text()
    for word in ("millivolts", "`features`", "`mask`", "model.int8.tflite", *LEADS):
        assert word in readme


def test_a_signal_only_file_reads_no_features_even_if_asked(signal_device, bundle, record):
    reader = open_device(signal_device / "signal.onnx")
    signal = wfdb.rdsamp(record)[0].T[None]
    expected = bundle.predict(signal, None)
    np.testing.assert_allclose(reader.predict(signal, "compute"), expected, atol=1e-5)
    assert "`mask`" not in (signal_device / "README.md").read_text()


# ---------------------------------------------------------------- what it refuses


def test_bad_input_is_one_line(copy, record, here, tmp_path):
    def refused(*words: object) -> str:
        done = here(*words)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr
        return done.stderr

    signal = wfdb.rdsamp(record)[0]
    np.savetxt(tmp_path / "uv.csv", signal * 1000, delimiter=",")
    np.savetxt(tmp_path / "lead.csv", signal[:, :11], delimiter=",")
    model = copy / "model.onnx"
    assert "must be in mV" in refused(model, tmp_path / "uv.csv", "--fs", 100, "--unit", "mV")
    assert "must have 12 columns" in refused(model, tmp_path / "lead.csv", "--fs", 100)
    lite = copy / "model.int8.tflite"
    lite.write_bytes(lite.read_bytes()[:-1000])
    assert "is damaged, or another file than" in refused(lite, record)


def change(folder: Path, **values: object) -> None:
    path = folder / "labels.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"format": 2}, "has format 2, this code reads 1"),
        ({"classes": ["MI"]}, r"has classes \['MI'\], its task superdiagnostic has"),
        ({"unit": "µV"}, "has unit 'µV', this code reads 'mV'"),
        ({"files": {"other.onnx": {}}}, "names other.onnx, but not model.onnx"),
        ({"files": {"model.onnx": {}}}, "can't be read: KeyError"),
        ({"files": []}, "can't be read: "),
        ({"features": None}, "reads 205 features, but labels.json beside it names 0"),
    ],
)
def test_labels_of_another_version_or_model(copy, values, message):
    change(copy, **values)
    with pytest.raises(ModelError, match=message):
        open_device(copy / "model.onnx")


def test_missing_and_changed_files(copy, bundle):
    with pytest.raises(ModelError, match=r"there is no model file .*gone.onnx"):
        open_device(copy / "gone.onnx")
    content = bytearray((copy / "model.onnx").read_bytes())
    content[len(content) // 2] ^= 1  # a flipped bit that any runtime would take
    (copy / "model.onnx").write_bytes(content)
    with pytest.raises(ModelError, match="is damaged, or another file than"):
        open_device(copy / "model.onnx")
    (copy / "labels.json").write_text("{")
    with pytest.raises(ModelError, match=r"labels.json can't be read"):
        open_device(copy / "model.onnx")
    (copy / "labels.json").unlink()
    with pytest.raises(ModelError, match=r"labels.json can't be read"):
        open_device(copy / "model.onnx")
    with pytest.raises(ModelError, match="exists already"):
        write_device_folder(copy, [], bundle.encoder, SOURCE, *CONTRACT)


def test_features_of_another_tool_are_masked(bundle, fused_onnx, record, tmp_path):
    encoder = dataclasses.replace(bundle.encoder, source="12sl_features.csv")
    files = [DeviceFile(fused_onnx, THRESHOLDS)]
    write_device_folder(tmp_path / "device", files, encoder, SOURCE, *CONTRACT)
    signal = wfdb.rdsamp(record)[0].T[None]
    given = open_device(tmp_path / "device" / "model.onnx").predict(signal, "compute")
    np.testing.assert_allclose(given, bundle.predict(signal, None), atol=1e-5)
