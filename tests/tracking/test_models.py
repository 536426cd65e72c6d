"""Registered models: served, loaded elsewhere, and read back.

Covers: heart_reader.tracking.pyfunc, heart_reader.reading.sent.
"""

import base64
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks.ecg_files.hospital import write_dicom, write_muse
from benchmarks.ecg_files.truth import truth_of
from heart_reader.bundle.single import Bundle, save_bundle
from heart_reader.cli import app
from heart_reader.data.demo.marks import WARNING
from heart_reader.data.ptbxl import LEADS, SUPERCLASSES, load_metadata
from heart_reader.data.recordings.model_input import to_model_input
from heart_reader.data.recordings.recording import Recording
from heart_reader.data.signals.pack import load_pack
from heart_reader.errors import ModelError
from heart_reader.tracking import log_bundle, resolve_version
from heart_reader.tracking.runs import open_run
from tests.tracking.processes import MODEL, REPOSITORY, SECONDS, Trained, demo_root

pytest_plugins = ["tests.tracking.trained"]
AGE, SEX = [61.0, float("nan"), 40.0], [0.0, 1.0, float("nan")]
CASES = {
    "compute": {},
    "none": {"features": "none"},
    "with age and sex": {"age": AGE, "sex": SEX},
    "only sex": {"sex": SEX},
}


@pytest.fixture(scope="module")
def signals(trained: Trained) -> np.ndarray:
    """Three demo ECGs in mV, (3, 12, 1000)."""
    root = demo_root(trained.store.cache)
    pack = load_pack(root, load_metadata(root).head(3), trained.store.cache, "error", False)
    return pack.millivolts(slice(0, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def server(trained: Trained) -> Iterator[str]:
    """``mlflow models serve`` on loopback, in a process that can't import the repository."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    model = "models:/heart-reader-se_resnet1d@candidate"
    command = [str(Path(sys.executable).with_name("mlflow")), "models", "serve", "-m", model]
    command += ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)]
    started = trained.store.start([*command, "--workers", "1"], PYTHONPATH="")
    address = f"http://127.0.0.1:{port}"

    def up() -> bool:
        try:
            return bool(urllib.request.urlopen(f"{address}/ping", timeout=5).status == 200)
        except OSError:
            time.sleep(0.1)
            return False

    try:
        started.wait_until(up)
        yield address
    finally:
        # A group of its own: the launcher and its worker.
        os.killpg(started.process.pid, signal.SIGTERM)
        started.process.wait(SECONDS)


def post(address: str, body: object) -> tuple[int, str]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{address}/invocations", data, headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def strict(text: str) -> dict:
    """Parses JSON as the standard has it: no NaN, no Infinity."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


# ---------------------------------------------------------------- in another process

LOAD = """
import json, sys
import mlflow, numpy as np
model = mlflow.pyfunc.load_model("models:/heart-reader-se_resnet1d@candidate")
signals, found = np.load("signals.npy"), {}
for name, params in json.load(open("cases.json")).items():
    table = model.predict({"signal": signals}, params=params)
    found[name] = json.loads(table.to_json(orient="columns", double_precision=15))
import heart_reader
found["file"], found["path"] = heart_reader.__file__, sys.path
json.dump(found, open("found.json", "w"))
"""


@pytest.fixture(scope="module")
def elsewhere(
    trained: Trained, signals: np.ndarray, tmp_path_factory: pytest.TempPathFactory
) -> dict:
    """What the registered model says in a process that doesn't see the repository."""
    folder = tmp_path_factory.mktemp("elsewhere")
    np.save(folder / "signals.npy", signals)
    (folder / "cases.json").write_text(json.dumps(CASES))
    environment = trained.store.environment()
    del environment["PYTHONPATH"]
    command = [sys.executable, "-W", "error::UserWarning:mlflow", "-c", LOAD]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "type hints" not in done.stderr
    return json.loads((folder / "found.json").read_text())


def test_the_package_comes_from_the_model(elsewhere: dict):
    assert not Path(elsewhere["file"]).is_relative_to(REPOSITORY)
    repository = [path for path in elsewhere["path"] if Path(path) == REPOSITORY]
    assert repository == []


@pytest.mark.parametrize("case", CASES)
def test_probabilities_equal_those_of_the_bundle_in_process(
    elsewhere: dict, bundle: Bundle, signals: np.ndarray, case: str
):
    features = None if CASES[case].get("features") == "none" else "compute"
    age, sex = CASES[case].get("age"), CASES[case].get("sex")
    expected = bundle.predict(signals, features, age, sex)
    table = elsewhere[case]
    found = np.array([list(table[name].values()) for name in SUPERCLASSES]).T
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    assert set(table["quality"].values()) == {"good"}
    for row, labels in enumerate(table["labels"].values()):
        present = [
            name
            for name in SUPERCLASSES
            if found[row][SUPERCLASSES.index(name)] >= table[f"threshold_{name}"]["0"]
        ]
        assert labels == ", ".join(present)


def test_features_age_and_sex_change_the_answer(elsewhere: dict):
    answers = {case: json.dumps(elsewhere[case]) for case in CASES}
    assert len(set(answers.values())) == len(CASES)


# ---------------------------------------------------------------- served


def test_the_server_gives_the_probabilities_as_legal_json(
    server: str, bundle: Bundle, signals: np.ndarray
):
    # A negative number says "unknown", since JSON has no NaN.
    params = {"age": [61.0, -1.0, 40.0], "sex": [0.0, 1.0, -1.0]}
    status, text = post(server, {"inputs": {"signal": signals.tolist()}, "params": params})
    assert status == 200, text
    rows = strict(text)["predictions"]
    found = np.array([[row[name] for name in SUPERCLASSES] for row in rows])
    np.testing.assert_allclose(found, bundle.predict(signals, "compute", AGE, SEX), atol=1e-6)
    assert [row["threshold_MI"] for row in rows] == [bundle.thresholds[1]] * 3


def test_the_server_without_features_answers_for_one_record(
    server: str, bundle: Bundle, signals: np.ndarray
):
    body = {"inputs": {"signal": signals[:1].tolist()}, "params": {"features": "none"}}
    status, text = post(server, body)
    assert status == 200, text
    (row,) = strict(text)["predictions"]
    expected = bundle.predict(signals[:1], None)[0]
    np.testing.assert_allclose([row[name] for name in SUPERCLASSES], expected, atol=1e-6)


def test_the_server_gives_no_labels_for_a_flat_line(server: str, signals: np.ndarray):
    body = {"inputs": {"signal": [np.zeros((12, 1000)).tolist(), signals[0].tolist()]}}
    status, text = post(server, body)
    assert status == 200, text
    flat, sound = strict(text)["predictions"]
    assert (flat["quality"], flat["labels"]) == ("unusable", "")
    assert "only 0 of 12 leads can be read; no QRS found" in flat["quality_reasons"]
    assert [flat[name] for name in SUPERCLASSES] == [None] * 5
    assert (sound["quality"], sound["quality_reasons"]) == ("good", "")
    assert all(isinstance(sound[name], float) for name in SUPERCLASSES)


def rows_of(server: str, body: dict) -> list[dict]:
    status, text = post(server, body)
    assert status == 200, text
    return strict(text)["predictions"]


def scores(rows: list[dict]) -> np.ndarray:
    return np.array([[row[name] for name in SUPERCLASSES] for row in rows])


def test_a_signal_of_another_rate_order_and_unit_is_answered_as_predict_does(
    server: str, bundle: Bundle, signals: np.ndarray
):
    eight = [LEADS.index(lead) for lead in ("V6", "I", "II", "V1", "V2", "V3", "V4", "V5")]
    # 500 Hz, microvolts; exact, since a wave's edge may jump by a sample for less than a nanovolt.
    fine = np.repeat(signals[:2, eight].astype(np.float64), 5, axis=2) * 1000
    params = {"fs": 500.0, "leads": [f"Lead {LEADS[k]}" for k in eight], "unit": "uV"}
    rows = rows_of(server, {"inputs": {"signal": fine.tolist()}, "params": params})
    spec, ours = bundle.spec, []
    for signal_ in fine / 1000:
        names = tuple(LEADS[k] for k in eight)
        found = Recording("x", "", names, signal_, 500, 10, (), None, np.nan, np.nan, ())
        ours.append(to_model_input(found, spec).signal)
    np.testing.assert_allclose(scores(rows), bundle.predict(np.stack(ours)), atol=1e-5)
    assert "resampled from 500 to 100 Hz" in rows[0]["notes"]
    assert "computed from the other limb leads" in rows[0]["notes"]


def test_records_of_different_lengths_go_in_one_request(
    server: str, bundle: Bundle, signals: np.ndarray
):
    long = np.concatenate([signals[0], signals[1]], axis=1)
    body = {"inputs": {"signal": [long.tolist(), signals[2].tolist()]}}
    rows = rows_of(server, body)
    expected = bundle.predict(signals)
    np.testing.assert_allclose(scores(rows)[0], expected[:2].mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(scores(rows)[1], expected[2], atol=1e-6)
    assert rows[0]["notes"] == "the mean of 2 windows of 10 s"


def test_a_files_bytes_have_the_answer_that_predict_gives(
    server: str, trained: Trained, signals: np.ndarray, tmp_path: Path
):
    truths = [truth_of(each, 100) for each in signals[:2]]
    (tmp_path / "a").mkdir()
    paths = [write_dicom(tmp_path, truths[0]), write_muse(tmp_path / "a", truths[1])]
    command = [sys.executable, "-m", "heart_reader.predict", "--json", "--model"]
    command += ["models:/heart-reader-se_resnet1d@candidate", *map(str, paths)]
    run = subprocess.run(
        command, env=trained.store.environment(), capture_output=True, text=True, cwd=REPOSITORY
    )
    assert run.returncode == 0, run.stderr
    said = json.loads(run.stdout)["records"]
    files = [base64.b64encode(path.read_bytes()).decode() for path in paths]
    rows = rows_of(server, {"inputs": {"file": files}})
    expected = [[each["probabilities"][name] for name in SUPERCLASSES] for each in said]
    np.testing.assert_allclose(scores(rows), expected, atol=1e-6)
    for row, item in zip(rows, said, strict=True):
        assert row["labels"] == ", ".join(item["labels"])
        assert row["quality"] == item["quality"]
        assert row["notes"] == "; ".join(note for note in item["notes"] if note != WARNING)
    np.testing.assert_allclose(scores(rows_of(server, {"inputs": {"file": files[1]}}))[0],
                               expected[1], atol=1e-6)  # fmt: skip


BAD = {
    "eleven leads": ("shape", lambda x: {"signal": x[:, :11].tolist()}, {}),
    "too short": ("at least 2.5 s", lambda x: {"signal": x[:, :, :200].tolist()}, {}),
    "both": ("either", lambda x: {"signal": x.tolist(), "file": ["", "", ""]}, {}),
    "no base64": ("is no base64", lambda x: {"file": ["*"]}, {}),
    "no ECG": ("file 0 can't be read: it is none of", lambda x: {"file": ["AAAA"]}, {}),
    "21 MB": ("file 0 has more than 20 MB", lambda x: {"file": ["A" * (28 * 2**20)]}, {}),
    "a unit": ("unit 'ml' is none of mV", None, {"unit": "ml"}),
    "a rate": ("must have 50 to 10000 Hz", None, {"fs": 20.0}),
    "eleven names": ("a row for each of I II", None, {"leads": list(LEADS[:11])}),
    "no record axis": ("shape", lambda x: {"signal": x[0].tolist()}, {}),
    "microvolts": ("must be in mV", lambda x: {"signal": (x * 1000).tolist()}, {}),
    "another name": ("signal", lambda x: {"ecg": x.tolist()}, {}),
    "ages for two": ("age must have one value for each of 3", None, {"age": [50.0, 60.0]}),
    "features": ("features must be 'compute'", None, {"features": "12sl"}),
    "age is a word": ("age", None, {"age": ["old", "older", "oldest"]}),
}


@pytest.mark.parametrize("name", BAD)
def test_the_server_answers_400_with_the_line_that_helps(
    server: str, signals: np.ndarray, name: str
):
    message, change, params = BAD[name]
    inputs = change(signals) if change else {"signal": signals.tolist()}
    status, text = post(server, {"inputs": inputs, "params": params})
    assert status == 400, text
    assert message in strict(text)["message"]


@pytest.mark.parametrize("word", ["NaN", "Infinity", "null", '"x"'])
def test_the_server_refuses_samples_that_are_no_numbers(
    server: str, signals: np.ndarray, word: str
):
    text = json.dumps({"inputs": {"signal": signals[:1].tolist()}})
    body = re.sub(r"\[\[\[[^,]+,", f"[[[{word},", text, count=1).encode()
    status, answer = post(server, body)
    assert status == 400, answer
    if word in {"NaN", "Infinity"}:
        assert "lead I has samples that are NaN or infinite" in strict(answer)["message"]


# ---------------------------------------------------------------- addresses


@pytest.fixture
def in_store(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> Trained:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", trained.store.uri)
    return trained


def test_an_alias_is_resolved_to_the_version_that_it_stands_for(in_store: Trained):
    found = resolve_version("models:/heart-reader-se_resnet1d@candidate")
    assert found.uri == MODEL
    assert found == resolve_version(MODEL)
    assert found.run_id == in_store.run.info.run_id
    assert in_store.store.client.get_logged_model(found.model_id).source_run_id == found.run_id


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("models:/heart-reader-se_resnet1d@champion", "the registry has no .*@champion"),
        ("models:/heart-reader-se_resnet1d/7", "the registry has no .*/7"),
        ("models:/nobody@candidate", "the registry has no models:/nobody@candidate"),
        ("models:/heart-reader-se_resnet1d", "must look like models:/NAME@ALIAS"),
        ("heart-reader-se_resnet1d", "must look like models:/NAME@ALIAS"),
        ("models:/a/latest", "must look like models:/NAME@ALIAS"),
    ],
)
def test_an_address_that_leads_nowhere_is_named(in_store: Trained, address: str, message: str):
    with pytest.raises(ModelError, match=message):
        resolve_version(address)


def test_a_run_that_goes_on_behind_its_registration_keeps_its_one_version(
    in_store: Trained, bundle: Bundle, tmp_path: Path
):
    save_bundle(bundle, tmp_path / "bundle")
    before = len(in_store.store.client.search_model_versions())
    with open_run(None, in_store.run.info.run_id):
        again = log_bundle(tmp_path / "bundle", "se_resnet1d", "again", {})
    assert again == resolve_version(MODEL)
    assert len(in_store.store.client.search_model_versions()) == before


@pytest.mark.parametrize("address", [MODEL, MODEL.removeprefix("models:/")])
def test_predict_from_the_registry_changes_nothing(trained, demo_root, tmp_path, address):
    """No experiment, no artifact root, no folder; no byte of the store."""
    database = trained.store.folder / "mlflow.db"
    before = database.read_bytes()
    record = next(iter(sorted(demo_root.glob("records100/**/*.hea")))).with_suffix("")
    environment = trained.store.environment(MLFLOW_TRACKING_URI=f"sqlite:///{database}")
    command = [sys.executable, "-m", "heart_reader.predict", "--model", address, str(record)]
    done = subprocess.run(
        [*command, "--json"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["model"] == MODEL
    assert list(tmp_path.iterdir()) == []
    assert database.read_bytes() == before


def test_reading_where_there_is_no_store_says_so_and_makes_none(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    assert app.main(["predict", "--model", "heart-reader-x@champion", "record"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: there is no tracking store at {tmp_path}/mlflow.db")
    assert list(tmp_path.iterdir()) == []
