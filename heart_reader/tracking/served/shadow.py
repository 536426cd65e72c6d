"""A second model that is asked what the first one was asked, afterwards and in its own process.

Nobody waits for it: requests queue, and where the queue is full they are left out and counted.
It runs with the lowest priority and one thread, ends with the server, and is started again, not
more than once a minute, where it ends by itself.
"""

import http.client
import queue
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

from heart_reader.tracking.served.app import HEADER, PATH

MOST_REQUESTS = 256  # that wait
MOST_BYTES = 64 * 2**20  # that they may have
LONGEST = 120.0  # seconds of an answer
RESTART = 60.0  # seconds from one start to the next
READY = 120.0  # seconds to load
HOST = "127.0.0.1"


class Shadow:
    """The process, and the thread that asks it.

    Args:
        words: of the command line that starts it; its port is added.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.words = list(words)
        self.n_left_out = 0
        self._waiting: queue.Queue[tuple[str, str, bytes] | None] = queue.Queue(MOST_REQUESTS)
        self._n_bytes = 0
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._port, self._started = 0, -RESTART
        self._said = False
        self._thread = threading.Thread(target=self._ask, name="shadow", daemon=True)

    def __enter__(self) -> "Shadow":
        self._start()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # Its input ends with us, however we end; that is what tells it.
        if self._process is not None and self._process.stdin is not None:
            self._process.terminate()
            self._process.stdin.close()
            self._process.wait()

    def offer(self, number: str, kind: str, body: bytes) -> None:
        """Queues a request, or leaves it out; it never waits."""
        with self._lock:
            fits = self._n_bytes + len(body) <= MOST_BYTES
            if fits:
                try:
                    self._waiting.put_nowait((number, kind, body))
                except queue.Full:
                    fits = False
            if fits:
                self._n_bytes += len(body)
            else:
                self.n_left_out += 1
        if not fits and self.n_left_out == 1:
            self._say("it is slower than the requests come: some are left out")

    def _ask(self) -> None:
        while (asked := self._waiting.get()) is not None:
            number, kind, body = asked
            with self._lock:
                self._n_bytes -= len(body)
            try:
                self._post(number, kind, body)
            except (OSError, http.client.HTTPException) as error:
                self.n_left_out += 1
                self._say(f"it didn't answer: {error!r}")
                self._restart()

    def _post(self, number: str, kind: str, body: bytes) -> None:
        deadline = self._started + READY
        connection = http.client.HTTPConnection(HOST, self._port, timeout=LONGEST)
        try:
            while True:
                try:
                    connection.connect()
                    break
                except ConnectionRefusedError:  # it is still loading
                    if self._ended() or time.monotonic() > deadline:
                        raise
                    time.sleep(0.2)
            connection.request("POST", PATH, body, {"Content-Type": kind, HEADER: number})
            answer = connection.getresponse()
            if answer.status != 200:
                text = answer.read(300).decode(errors="replace")
                raise http.client.HTTPException(f"{answer.status} {text}")
        finally:
            connection.close()

    def _ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def _restart(self) -> None:
        if self._ended() and time.monotonic() > self._started + RESTART:
            self._start()

    def _start(self) -> None:
        with socket.socket() as free:
            free.bind((HOST, 0))
            self._port = free.getsockname()[1]
        command = [sys.executable, *self.words, "--port", str(self._port)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE)
        self._started = time.monotonic()

    def _say(self, line: str) -> None:
        if not self._said:
            self._said = True
            print(f"shadow: {line}", file=sys.stderr, flush=True)
