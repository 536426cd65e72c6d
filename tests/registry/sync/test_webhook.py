"""What the webhook's service believes: signed as MLflow signs, fresh, once, small."""

import signal
import sys
import threading
import time

import pytest
from cryptography.fernet import Fernet
from mlflow.webhooks.constants import (
    WEBHOOK_DELIVERY_ID_HEADER,
    WEBHOOK_SIGNATURE_HEADER,
    WEBHOOK_TIMESTAMP_HEADER,
)
from mlflow.webhooks.delivery import _generate_hmac_signature
from starlette.testclient import TestClient

from heart_reader.errors import ConfigError
from registry.settings import WebhookConfig
from registry.sync import webhook
from registry.sync.webhook import PATH, Verifier, find_secret, make_app
from tests.tracking.processes import Store
from tests.tracking.servers import Server, free_port

SECRET = "a secret"
CONFIG = WebhookConfig("127.0.0.1", 5005, "auto", 1000, 300.0)
BODY = '{"entity": "model_version_alias", "action": "created"}'


class Watcher:
    """What the service asks of a syncer: two events and a loop."""

    def __init__(self) -> None:
        self.wake, self.stop = threading.Event(), threading.Event()
        self.looked = time.monotonic() - 90

    def watch(self) -> None:
        self.stop.wait()


@pytest.fixture
def watcher() -> Watcher:
    return Watcher()


@pytest.fixture
def client(watcher: Watcher):
    with TestClient(make_app(CONFIG, Verifier(SECRET, CONFIG.max_age), watcher)) as client:
        yield client
    assert watcher.stop.is_set()


def headers(delivery: str, body: str = BODY, age: float = 0, secret: str = SECRET):
    """Signed by MLflow's own function."""
    stamp = str(int(time.time() - age))
    return {
        WEBHOOK_DELIVERY_ID_HEADER: delivery,
        WEBHOOK_TIMESTAMP_HEADER: stamp,
        WEBHOOK_SIGNATURE_HEADER: _generate_hmac_signature(secret, delivery, stamp, body),
    }


def test_a_delivery_of_mlflow_wakes_the_watch_once(client: TestClient, watcher: Watcher):
    sent = headers("one")
    assert client.post(PATH, content=BODY, headers=sent).status_code == 202
    assert watcher.wake.is_set()
    watcher.wake.clear()
    again = client.post(PATH, content=BODY, headers=sent)
    assert (again.status_code, again.text) == (409, "delivered before\n")
    assert not watcher.wake.is_set()
    assert client.post(PATH, content=BODY, headers=headers("two")).status_code == 202


def tampered(name: str, value: str):
    return headers("one") | {name: value}


# Made when they are sent: a request that waited for its turn would be refused for its age alone.
BAD = {
    "unsigned": lambda: {},
    "another secret": lambda: headers("one", secret="b secret"),
    "another body": lambda: headers("one", body="{}"),
    "another delivery": lambda: tampered(WEBHOOK_DELIVERY_ID_HEADER, "three"),
    "another time": lambda: tampered(WEBHOOK_TIMESTAMP_HEADER, str(int(time.time()) + 1)),
    "too old": lambda: headers("one", age=400),
    "from the future": lambda: headers("one", age=-400),
    "not ASCII": lambda: tampered(WEBHOOK_SIGNATURE_HEADER, "v1,\xe9"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_not_believed_wakes_nobody(client: TestClient, watcher: Watcher, what: str):
    sent = {key: value.encode("latin-1") for key, value in BAD[what]().items()}
    assert client.post(PATH, content=BODY, headers=sent).status_code == 401
    assert not watcher.wake.is_set()


def test_a_body_over_the_bound_is_refused(client: TestClient, watcher: Watcher):
    large = "x" * 1001
    answer = client.post(PATH, content=large, headers=headers("one", large))
    assert answer.status_code == 413
    for length in ("9" * 5000, "\u00b2"):
        lying = {**headers("one"), "content-length": length.encode("latin-1")}
        assert client.post(PATH, content=b"x", headers=lying).status_code == 413
    # Without a length that is told beforehand, too.
    chunks = (chunk for chunk in [b"x" * 600, b"x" * 600])
    assert client.post(PATH, content=chunks, headers=headers("one")).status_code == 413
    assert not watcher.wake.is_set()
    edge = "x" * 1000
    assert client.post(PATH, content=edge, headers=headers("one", edge)).status_code == 202


def test_nothing_else_is_served(client: TestClient):
    assert client.get(PATH).status_code == 405
    assert client.post("/").status_code == 404
    assert client.get("/health").text == "ok, looked 90 s ago\n"


def test_old_deliveries_are_forgotten_when_they_are_too_old_to_be_believed():
    verifier = Verifier(SECRET, 1.0)
    for number in range(5):
        assert verifier.problem(headers(str(number)), BODY.encode()) is None
    assert len(verifier._seen) == 5
    time.sleep(3.1)
    assert verifier.problem(headers("new"), BODY.encode()) is None
    assert len(verifier._seen) == 1


def test_the_secret_is_made_once_and_kept_to_oneself(tmp_path, monkeypatch):
    monkeypatch.delenv(webhook.SECRET_VARIABLE, raising=False)
    secret = find_secret(tmp_path / "cache")
    assert len(secret) == 64 and find_secret(tmp_path / "cache") == secret
    assert (tmp_path / "cache" / "webhook-secret").stat().st_mode & 0o777 == 0o600
    monkeypatch.setenv(webhook.SECRET_VARIABLE, "given")
    assert find_secret(tmp_path / "cache") == "given"


def test_a_store_that_is_no_server_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    with pytest.raises(ConfigError, match="must be its http address"):
        webhook.main([])


def test_the_service_waits_for_its_server(tmp_path, monkeypatch):
    """Started before it, as after a restart of the machine, it doesn't die."""
    monkeypatch.setenv("MLFLOW_WEBHOOK_ALLOWED_SCHEMES", "http,https")
    monkeypatch.setenv("MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS", "true")
    key = Fernet.generate_key().decode()
    monkeypatch.setenv("MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY", key)
    server = Server(Store(tmp_path))
    words = [sys.executable, "-m", "registry.sync.webhook", "--webhook.port", str(free_port())]
    hook = server.store.start(words, MLFLOW_TRACKING_URI=server.url)
    try:
        hook.wait_until(lambda: "waits for the server: tracking store" in hook.output())
        server.start()
        hook.wait_until(lambda: f"{server.url} tells http://127.0.0.1:" in hook.output())
        assert hook.output().count("waits for the server") == 1
    finally:
        hook.signal(signal.SIGTERM)
        server.kill()
