"""A real `mlflow server`: its webhooks wake sync; `mlflow models serve` serves what it made."""

import json
import signal
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from cryptography.fernet import Fernet
from mlflow import MlflowClient

from heart_reader.bundle.evidence import load_evidence
from heart_reader.data.ptbxl import SUPERCLASSES
from heart_reader.project import REPOSITORY
from tests.registry.fleet import ENSEMBLE, OPEN_GATE, SE, XRES, bundle_of, running
from tests.tracking.processes import SECONDS, Started, Store

pytest_plugins = ["tests.registry.fleet"]
MLFLOW = str(Path(sys.executable).with_name("mlflow"))
PROBES = load_evidence(REPOSITORY / "pretrained" / "ensemble").probe_signals()  # synthetic ECGs
WITHIN = 5.0  # seconds from the alias to the wake-up


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def call(url: str, body: bytes | None = None, **headers: str) -> tuple[int, str]:
    """Status and text of a request."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=60) as r:
            return r.status, r.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def wait_for(started: Started, url: str) -> None:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline and started.process.poll() is None:
        try:
            if call(url)[0] == 200:
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"{url} didn't answer:\n{started.output()}")


@pytest.fixture(scope="module")
def server(fleet: Store) -> Iterator[str]:
    """The address of an MLflow server over the fleet's store, webhooks to this machine allowed."""
    port = free_port()
    started = fleet.start(
        [MLFLOW, "server", "--backend-store-uri", fleet.uri, "--host", "127.0.0.1",
         "--port", str(port), "--workers", "1"],
        MLFLOW_WEBHOOK_ALLOWED_SCHEMES="http,https",
        MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS="true",
        MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY=Fernet.generate_key().decode(),
    )  # fmt: skip
    wait_for(started, f"http://127.0.0.1:{port}/health")
    yield f"http://127.0.0.1:{port}"
    started.signal(signal.SIGTERM)


def test_an_alias_moved_by_hand_wakes_sync_through_the_webhook(fleet: Store, server: str):
    port = free_port()
    hook = fleet.start(
        [sys.executable, "-m", "registry.sync.webhook", "--webhook.port", str(port),
         "--sync.interval", "600", *OPEN_GATE],
        MLFLOW_TRACKING_URI=server,
    )  # fmt: skip
    wait_for(hook, f"http://127.0.0.1:{port}/health")
    hook.wait_until(lambda: "nothing to do" in hook.output())
    assert call(f"http://127.0.0.1:{port}/registry", b"{}")[0] == 401
    client = MlflowClient(server, server)
    moved = time.time()
    for name in (SE, XRES):
        client.set_registered_model_alias(name, "champion", "1")
    hook.wait_until(lambda: "woken at" in hook.output())
    woken = float(hook.output().split("woken at ")[1].split()[0])
    assert 0 <= woken - moved < WITHIN
    hook.wait_until(lambda: bool(client.search_model_versions(f"name = '{ENSEMBLE}'")))
    assert hook.signal(signal.SIGTERM) == 128 + signal.SIGTERM
    # The step that was under way is closed as well.
    assert running(fleet) == []
    (made,) = client.search_model_versions(f"name = '{ENSEMBLE}'")
    assert set(made.tags["members"].split(",")) == {f"{SE}/1", f"{XRES}/1"}


# ---------------------------------------------------------------- serving


@pytest.fixture(scope="module")
def serving(fleet: Store, server: str) -> Iterator[str]:
    """The address of the ensemble, served where our repository isn't on the path."""
    port = free_port()
    started = fleet.start(
        [MLFLOW, "models", "serve", "-m", f"models:/{ENSEMBLE}@candidate",
         "--env-manager", "local", "-p", str(port)],
        MLFLOW_TRACKING_URI=server, PYTHONPATH="",
    )  # fmt: skip
    wait_for(started, f"http://127.0.0.1:{port}/ping")
    yield f"http://127.0.0.1:{port}/invocations"
    started.signal(signal.SIGTERM)


def ask(url: str, signal_: object, **params: object) -> tuple[int, object]:
    body = json.dumps({"inputs": {"signal": signal_}, "params": params}).encode()
    status, text = call(url, body, **{"Content-Type": "application/json"})
    return status, json.loads(text)


@pytest.mark.parametrize("features", ["compute", "none"])
@pytest.mark.parametrize("n_records", [1, 3])
def test_it_serves_what_the_bundle_says(fleet: Store, serving: str, features: str, n_records: int):
    bundle = bundle_of(fleet, f"models:/{ENSEMBLE}@candidate")
    signals = PROBES[:n_records].round(3)
    status, answer = ask(serving, signals.tolist(), features=features)
    assert status == 200
    rows = answer["predictions"]
    said = np.array([[row[name] for name in SUPERCLASSES] for row in rows])
    ours = bundle.predict(signals.astype(np.float32), "compute" if features == "compute" else None)
    np.testing.assert_allclose(said, ours, atol=1e-6)
    for row, present in zip(rows, bundle.labels(ours), strict=True):
        there = [name for name, yes in zip(SUPERCLASSES, present, strict=True) if yes]
        assert row["labels"] == ", ".join(there)
        assert [row[f"threshold_{n}"] for n in SUPERCLASSES] == bundle.thresholds.tolist()


def test_noise_gets_no_answer(serving: str):
    noise = np.random.default_rng(0).normal(0, 0.3, (1, 12, 1000))
    status, answer = ask(serving, noise.tolist())
    (row,) = answer["predictions"]
    assert status == 200 and row["quality"] == "unusable" and row["labels"] == ""
    assert [row[name] for name in SUPERCLASSES] == [None] * 5


WRONG = {
    "eleven leads": (np.zeros((1, 11, 1000)), "signal 0 must have the shape (12, n_times)"),
    "no batch": (np.zeros((12, 1000)), "signal 0 must have the shape (12, n_times)"),
    "microvolts": (np.tile([-400.0, 400.0], (1, 12, 500)), "must be in mV"),
    "a gap": (np.full((1, 12, 1000), np.nan), "signal 0: lead I has samples that are NaN"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_read_is_a_400_with_a_clear_last_line(serving: str, what: str):
    array, message = WRONG[what]
    status, answer = ask(serving, array.tolist())
    assert status == 400
    assert message in answer["message"].splitlines()[-1]


def test_params_that_do_not_fit_are_a_400(serving: str):
    quiet = np.zeros((2, 12, 1000)).tolist()
    status, answer = ask(serving, quiet, age=[60.0])
    assert status == 400 and "age must have one value for each of 2" in answer["message"]
    status, answer = ask(serving, quiet, features="some")
    assert status == 400 and "'some'" in answer["message"]
