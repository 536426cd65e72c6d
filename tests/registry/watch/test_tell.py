"""Who is told of alerts, and what an address has to be."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from heart_reader.errors import ConfigError
from registry.settings import load_settings
from registry.sync.webhook import Verifier
from registry.watch import tell

CONFIG = load_settings({})[0].monitor
MESSAGE = {"model": "m/1", "alerts": ["probability MI against fold 9"]}


class Heard(HTTPServer):
    """A server that keeps what it was sent."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.status = 200
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((dict(self.headers), body))  # type: ignore[attr-defined]
        self.send_response(self.server.status)  # type: ignore[attr-defined]
        self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def heard() -> Iterator[Heard]:
    server = Heard()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def allowed(monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_WEBHOOK_ALLOWED_SCHEMES", "http,https")
    monkeypatch.setenv("MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS", "true")


def test_an_address_gets_signed_json(heard, allowed, monkeypatch):
    monkeypatch.setenv(tell.SECRET_VARIABLE, "secret")
    config = replace(CONFIG, url=f"http://127.0.0.1:{heard.server_port}/x")
    tell.check(config)
    tell.tell(config, MESSAGE)
    ((headers, body),) = heard.got
    assert json.loads(body) == MESSAGE
    assert Verifier("secret", 300).problem(headers, body) is None
    assert Verifier("another", 300).problem(headers, body) == "wrong signature"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://example.org/x", "Invalid webhook URL scheme: 'http'"),
        ("https://127.0.0.1/x", "127.0.0.1"),
        ("https://169.254.169.254/latest", "169.254.169.254"),
        ("file:///etc/passwd", "Invalid webhook URL scheme"),
        ("https://", "hostname"),
    ],
)
def test_an_address_is_public_and_https(url, said, monkeypatch):
    monkeypatch.delenv("MLFLOW_WEBHOOK_ALLOWED_SCHEMES", raising=False)
    monkeypatch.delenv("MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS", raising=False)
    with pytest.raises(ConfigError, match=said):
        tell.check(replace(CONFIG, url=url))


def test_no_redirect_is_followed_and_a_refusal_is_said(heard, allowed, capsys):
    config = replace(CONFIG, url=f"http://127.0.0.1:{heard.server_port}/x")
    for heard.status in (307, 500):
        tell.tell(config, MESSAGE)
        assert f"it answered {heard.status}" in capsys.readouterr().err
    assert len(heard.got) == 2


def test_a_command_is_run_without_a_shell(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)  # where tee writes the words between
    told = tmp_path / "told"
    tell.tell(replace(CONFIG, command=f"tee '{told}' ; touch {tmp_path}/second"), MESSAGE)
    assert json.loads(told.read_text()) == MESSAGE
    assert (tmp_path / "second").read_text() == told.read_text()  # a word like others, for tee
    capfd.readouterr()
    tell.tell(replace(CONFIG, command="no-such-program"), MESSAGE)
    tell.tell(replace(CONFIG, command="false"), MESSAGE)
    said = capfd.readouterr().err
    assert "monitor.command wasn't told" in said and "monitor.command ended with 1" in said
