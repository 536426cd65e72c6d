"""Our server: it answers as the bundle does, logs what it answered, and asks a shadow besides.

Covers: heart_reader.serve, heart_reader.tracking.served.app, heart_reader.tracking.served.shadow,
    heart_reader.reading.logged.
"""

import hashlib
import hmac
import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path

import numpy as np
import pytest
import wfdb
from starlette.testclient import TestClient

from heart_reader import serve
from heart_reader.bundle.folders import folder_digest
from heart_reader.bundle.kinds import open_bundle
from heart_reader.cli import app as console
from heart_reader.data.ptbxl import SUPERCLASSES
from heart_reader.errors import ConfigError
from heart_reader.predict import main as predict
from heart_reader.predictions.columns import ANSWER, SHADOW
from heart_reader.predictions.log import find_log
from heart_reader.reading.logged import decade_of, flags_of
from heart_reader.tracking.served.app import make_app, with_copies
from heart_reader.tracking.served.shadow import MOST_REQUESTS, Shadow
from tests.conftest import REPOSITORY

MODEL = REPOSITORY / "pretrained" / "se_resnet1d"
OTHER = REPOSITORY / "pretrained" / "inception1d"
NESTED = ("probabilities", "labels", "uncertain", "measured", "reasons", "flags")
WAIT = 60  # seconds, on a busy machine


@pytest.fixture(scope="module")
def records(demo_root: Path) -> list[str]:
    return [str(path)[:-4] for path in sorted(demo_root.glob("records100/**/*.hea"))[:3]]


@pytest.fixture(scope="module")
def signals(records: list[str]) -> np.ndarray:
    return np.stack([wfdb.rdsamp(name)[0].T for name in records]).astype(np.float32)


@pytest.fixture
def rows(tmp_path: Path, monkeypatch) -> Callable[[], list[dict]]:
    """What stands in the log of this test."""
    monkeypatch.setenv("HEART_READER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HEART_READER_LOG", f"sqlite:///{tmp_path}/log.db")
    monkeypatch.setenv("HEART_READER_LOG_KEY", "secret")

    def read() -> list[dict]:
        log = find_log()
        assert log is not None
        log.close()
        with sqlite3.connect(tmp_path / "log.db") as database:
            database.row_factory = sqlite3.Row
            found = database.execute("SELECT * FROM heart_reader_predictions ORDER BY n")
            rows = [dict(row) for row in found]
        return [{k: json.loads(v) if k in NESTED else v for k, v in row.items()} for row in rows]

    return read


def body(signals: np.ndarray, **params: object) -> dict:
    return {"inputs": {"signal": signals.tolist()}, "params": params}


def test_what_is_answered_is_logged_without_what_tells_who_it_is_of(rows, signals):
    expected = open_bundle(MODEL).predict(signals, "compute", [67.0, 93.0, np.nan], [0.0, 1, 1])
    asked = body(signals, age=[67, 93, -1], sex=[0, 1, 1], record=["ward/a.hea", "b", "c"])
    with TestClient(make_app(MODEL, ANSWER)) as client:
        answer = client.post("/invocations", json=asked)
    assert answer.status_code == 200, answer.text
    said, logged = answer.json()["predictions"], rows()
    for name, column in zip(SUPERCLASSES, expected.T, strict=True):
        np.testing.assert_allclose([row[name] for row in said], column, atol=1e-6)
        np.testing.assert_allclose([r["probabilities"][name] for r in logged], column, atol=1e-6)
    for row, spoken in zip(logged, said, strict=True):
        assert ", ".join(row["labels"]) == spoken["labels"]
        assert row["quality"] == spoken["quality"]
        assert row["model"] == "se_resnet1d" and row["digest"] == folder_digest(MODEL)[:16]
        assert (row["role"], row["source"]) == ("answer", "serve")
        assert abs(row["time"] - time.time()) < WAIT
        assert {"rate_bpm", "qrs_mv", "P_AxisFront_Global"} < row["measured"].keys()
        assert not {"age", "sex"} & row["measured"].keys()
    assert [row["decade"] for row in logged] == [60, 80, None]
    assert len({row["request"] for row in logged}) == 1
    name = hmac.new(b"secret", b"a", hashlib.sha256).hexdigest()[:32]
    assert logged[0]["record"] == name
    assert "ward" not in json.dumps(logged)


def test_a_request_that_is_refused_logs_nothing(rows, signals):
    with TestClient(make_app(MODEL, ANSWER)) as client:
        assert client.post("/invocations", json=body(signals, record=["one"])).status_code == 400
        assert client.post("/invocations", json=body(signals[:, :3])).status_code == 400
        assert client.post("/invocations", json=body(signals[:1])).status_code == 200
    (row,) = rows()
    assert row["record"] is None  # a position in a request is nobody's name


def test_predict_logs_too_and_says_the_same(rows, records, capsys):
    predict(["--model", str(MODEL), "--json", *records])
    said = json.loads(capsys.readouterr().out)["records"]
    logged = rows()
    assert [row["probabilities"] for row in logged] == [each["probabilities"] for each in said]
    name = Path(records[0]).name
    assert logged[0]["record"] == hmac.new(b"secret", name.encode(), "sha256").hexdigest()[:32]
    assert logged[0]["source"] == "predict" and logged[0]["model"] == "se_resnet1d"
    assert str(Path(records[0]).parent) not in json.dumps(logged)


def test_nothing_is_logged_unless_it_is_asked_for(monkeypatch, records, tmp_path, capsys):
    monkeypatch.delenv("HEART_READER_LOG", raising=False)
    monkeypatch.setenv("HEART_READER_CACHE", str(tmp_path))
    with chdir(tmp_path):
        predict(["--model", str(MODEL), records[0]])
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- beside


@pytest.fixture
def shadow(rows) -> Iterator[Shadow]:
    with Shadow(serve.shadow_words(str(OTHER))) as started:
        yield started


def test_a_shadow_is_asked_the_same_and_answers_nobody(rows, shadow, signals):
    app = with_copies(make_app(MODEL, ANSWER), shadow.offer)
    with TestClient(app) as client:
        said = client.post("/invocations", json=body(signals, record=["a", "b", "c"])).json()
    logged = rows()
    deadline = time.monotonic() + WAIT
    while len(logged) < 6 and time.monotonic() < deadline:
        time.sleep(0.5)
        logged = rows()
    own = [row for row in logged if row["role"] == ANSWER]
    beside = [row for row in logged if row["role"] == SHADOW]
    assert {row["model"] for row in beside} == {"inception1d"}
    assert [row["request"] for row in beside] == [row["request"] for row in own]
    assert [row["record"] for row in beside] == [row["record"] for row in own]
    expected = open_bundle(OTHER).predict(signals)
    for c, name in enumerate(SUPERCLASSES):
        np.testing.assert_allclose(
            [row["probabilities"][name] for row in beside], expected[:, c], atol=1e-6
        )
        assert [row["probabilities"][name] for row in own] == pytest.approx(
            [row[name] for row in said["predictions"]], abs=1e-9
        )
    process = shadow._process
    shadow.__exit__()
    assert process is not None and process.poll() is not None


def test_requests_that_a_shadow_cannot_take_are_left_out(capsys):
    shadow = Shadow([])  # its thread isn't started: the queue fills
    for k in range(MOST_REQUESTS + 5):
        began = time.monotonic()
        shadow.offer(str(k), "application/json", b"{}")
        assert time.monotonic() - began < WAIT
    assert shadow.n_left_out == 5
    assert capsys.readouterr().err.count("slower than the requests come") == 1


def test_only_what_was_answered_well_is_offered(signals):
    offered = []
    app = with_copies(make_app(MODEL, ANSWER), lambda *request: offered.append(request))
    asked = body(signals[:1])
    with TestClient(app) as client:
        assert client.post("/invocations", json={"inputs": {}}).status_code == 400
        assert client.get("/ping").status_code == 200
        assert client.post("/invocations", json=asked).status_code == 200
    ((number, kind, sent),) = offered
    assert len(number) == 32 and kind == "application/json" and json.loads(sent) == asked


# ---------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--shadow", "x@candidate"], "set HEART_READER_LOG"),
        (["--port", "0"], "--port must lie from 1 to 65535, but is 0"),
    ],
)
def test_what_cannot_be_served_is_refused_at_once(words, said, monkeypatch):
    monkeypatch.delenv("HEART_READER_LOG", raising=False)
    with pytest.raises(ConfigError, match=said):
        serve.main(["--model", str(MODEL), *words])


def test_the_console_command_knows_serve(capsys):
    assert console.main(["serve", "--help"]) == 0
    assert "--shadow" in capsys.readouterr().out


def test_ages_are_decades_and_notes_are_flags():
    assert [decade_of(age) for age in (0, 9.9, 79, 80, 101, float("nan"), -1)] == [
        0, 0, 70, 80, 80, None, None,
    ]  # fmt: skip
    notes = ["possible lead reversal: aVR is positive", "the limb leads contradict each other: x"]
    assert flags_of([*notes, "flat: V1"]) == ["limb_leads_contradict", "lead_reversal"]
