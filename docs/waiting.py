"""Until a server answers: what the scripts beside this one have in common."""

import time
import urllib.request


def wait_for(address: str, seconds: float) -> None:
    """Until an address answers.

    Raises:
        SystemExit: it doesn't within so many seconds.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except OSError:
            time.sleep(0.3)
    raise SystemExit(f"{address} doesn't answer")
