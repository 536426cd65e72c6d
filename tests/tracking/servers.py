"""A real MLflow server that can be killed, and a proxy before it that loses answers."""

import http.client
import os
import re
import signal
import socket
import sys
import threading
import time
import urllib.request
from contextlib import closing, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.tracking.processes import Started, Store

SECONDS_TO_START = 600  # on a machine with many others


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Server:
    """``mlflow server`` over a folder, artifacts proxied; it may be killed and started again."""

    store: Store
    port: int = field(default_factory=free_port)
    database: str = ""
    started: Started | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def objects(self) -> Path:
        return self.store.folder / "objects"

    def start(self) -> None:
        command = [str(Path(sys.executable).with_name("mlflow")), "server", "--workers", "1"]
        command += ["--backend-store-uri", self.database or self.store.uri]
        command += ["--artifacts-destination", str(self.objects), "--port", str(self.port)]
        self.started = self.store.start(command, MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false")
        deadline = time.monotonic() + SECONDS_TO_START
        while not self._up():
            if self.started.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(self.started.output())
            time.sleep(0.1)

    def _up(self) -> bool:
        try:
            return bool(urllib.request.urlopen(f"{self.url}/health", timeout=5).status == 200)
        except OSError:
            return False

    def kill(self) -> None:
        """kill -9 of the server and its workers."""
        if self.started is not None and self.started.process.poll() is None:
            os.killpg(self.started.process.pid, signal.SIGKILL)
            self.started.process.wait(60)


class Proxy:
    """Before a server: goes away, answers an error, or does what is asked and loses the answer."""

    def __init__(self, target: int) -> None:
        self.target, self.port = target, free_port()
        self.requests: list[str] = []
        self._lose: list[str] = []
        self._refuse: tuple[str, int] | None = None
        self._server: ThreadingHTTPServer | None = None
        self.up()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def lose(self, pattern: str, times: int = 1) -> None:
        """Loses the answers to the next requests whose path has the pattern."""
        self._lose += [pattern] * times

    def refuse(self, pattern: str, status: int) -> None:
        """Answers requests whose path has the pattern with this status."""
        self._refuse = (pattern, status)

    def forgive(self) -> None:
        """Passes everything on again."""
        self._refuse = None
        self._lose.clear()

    def up(self) -> None:
        handler = type("Handler", (_Handler,), {"proxy": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def down(self) -> None:
        """Nothing listens any more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def fate(self, path: str) -> int | None:
        """0 to lose the answer, a status to answer with, ``None`` to pass it on."""
        self.requests.append(path)
        if self._refuse is not None and re.search(self._refuse[0], path):
            return self._refuse[1]
        for pattern in self._lose:
            if re.search(pattern, path):
                self._lose.remove(pattern)
                return 0
        return None


class _Handler(BaseHTTPRequestHandler):
    """One connection, one request: an idle connection would outlive ``down``."""

    proxy: Proxy

    def _pass_on(self) -> None:
        self.close_connection = True
        # A server that is away, or a client that left: the connection ends without a word.
        with suppress(OSError, http.client.HTTPException):
            body, fate = self._body(), self.proxy.fate(self.path)
            if fate:
                self._answer(fate, b'{"error_code": "INVALID_PARAMETER_VALUE", "message": "no"}')
                return
            status, content = self._forward(body)
            if fate is None:
                self._answer(status, content)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":  # as of an empty file
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _forward(self, body: bytes) -> tuple[int, bytes]:
        skipped = {"host", "connection", "content-length", "transfer-encoding"}
        headers = {k: v for k, v in self.headers.items() if k.lower() not in skipped}
        headers["Content-Length"] = str(len(body))
        forward = http.client.HTTPConnection("127.0.0.1", self.proxy.target, timeout=600)
        with closing(forward):
            forward.request(self.command, self.path, body, headers)
            answer = forward.getresponse()
            return answer.status, answer.read()

    def _answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _pass_on  # noqa: N815

    def log_message(self, *words: object) -> None:
        """Quiet."""
