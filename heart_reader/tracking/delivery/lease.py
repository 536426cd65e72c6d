"""A run's lease: a tag that says which process works on it, and when it last did.

The tag's prefix is one that MLflow's UI doesn't show.
"""

import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path

TAG = "mlflow.heart_reader.lease"
SECONDS_BETWEEN_RENEWALS = 30.0
SECONDS_OF_LEASE = 180.0
SHARED = "shared"  # several processes work on it, say, the workers of a study


@dataclass(frozen=True)
class Lease:
    """Who gave the last sign of life, and when (seconds since 1970, by that machine's clock)."""

    renewed: float
    machine: str
    pid: int
    started: str

    def __str__(self) -> str:
        return f"{self.renewed:.3f} {self.process}"

    @property
    def process(self) -> str:
        """Which process of which machine."""
        return f"{self.machine} {self.pid} {self.started}"

    @property
    def owner(self) -> str:
        """For a table."""
        return self.machine.partition(":")[0] + ("" if self.machine == SHARED else f" {self.pid}")

    @property
    def fresh(self) -> bool:
        """Whether the sign of life is recent; clocks must agree to a minute."""
        return time.time() - self.renewed < SECONDS_OF_LEASE

    @property
    def alive(self) -> bool | None:
        """Whether the process lives, or ``None`` where that can't be seen from here."""
        if self.machine != this_machine():
            return None
        return start_of(self.pid) == self.started


def this_machine() -> str:
    """Host, boot and process namespace: within them a process ID means one process."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")[:8]
    namespace = os.readlink("/proc/self/ns/pid").strip("pid:[]")
    return f"{socket.gethostname()}:{boot}:{namespace}"


def start_of(pid: int) -> str:
    """When a process began, in clock ticks since boot, or "" where there is none: IDs recur."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
    state, *rest = text.rpartition(")")[2].split()
    return "" if state in {"Z", "X"} else rest[18]


def my_lease(shared: bool = False) -> Lease:
    """This process, now."""
    machine = SHARED if shared else this_machine()
    return Lease(time.time(), machine, os.getpid(), start_of(os.getpid()))


def read_lease(text: str | None) -> Lease | None:
    """A lease from its tag, or ``None`` where it isn't one of ours."""
    try:
        renewed, machine, pid, started = (text or "").split()
        return Lease(float(renewed), machine, int(pid), started)
    except ValueError:
        return None
