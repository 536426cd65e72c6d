"""A model server: started on a free port, asked as soon as it answers, stopped afterwards."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import requests

HOST = "127.0.0.1"
WAIT = 180.0  # seconds until it answers


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind((HOST, 0))
        return int(free.getsockname()[1])


def url(port: int) -> str:
    """Where a server is asked."""
    return f"http://{HOST}:{port}/invocations"


@contextmanager
def answering(process: "subprocess.Popen[bytes]", port: int) -> Iterator[None]:
    """While inside, a server that was started answers at its port.

    Raises:
        SystemExit: it ended, or took too long.
    """
    try:
        wait_for(f"http://{HOST}:{port}/ping", process)
        yield
    finally:
        process.terminate()
        process.wait()


def wait_for(address: str, process: "subprocess.Popen[bytes]") -> None:
    """Until it answers; raises as `answering`."""
    deadline = time.monotonic() + WAIT
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if requests.get(address, timeout=5).ok:
                return
        except requests.RequestException:
            pass
        time.sleep(0.2)
    raise SystemExit(f"{address} doesn't answer")
