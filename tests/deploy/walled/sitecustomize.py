"""A firewall within a Python process: connections to ``WALLED_PORTS`` are refused, as elsewhere.

A client on the same machine would reach a store that members on theirs never can.
"""

import os
import sys


def _wall(event: str, arguments: tuple) -> None:
    if event == "socket.connect":
        _, address = arguments
        if isinstance(address, tuple) and str(address[1]) in PORTS:
            raise ConnectionRefusedError(f"behind the wall: {address}")


PORTS = set(filter(None, os.environ.get("WALLED_PORTS", "").split(",")))
sys.addaudithook(_wall)
