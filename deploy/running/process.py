"""One supervised process: started, asked whether it is well, started again, stopped."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from deploy.compose import Service
from deploy.stores import postgres
from heart_reader.files import written_whole
from heart_reader.project import REPOSITORY

SHORTEST, LONGEST = 0.5, 15.0  # seconds before a process that ended is started again
SECONDS_TO_STOP = 30.0
# What a service gets of our environment: its own variables alone speak of servers and secrets.
PRIVATE = ("MLFLOW", "AWS_", "PG", "POSTGRES", "S3_", "WEED_", "HEART_READER", "OPTUNA")


class Process:
    """A service and the process that it has now, if any.

    Attributes:
        healthy: its health check has succeeded since its last start.
        done: it is to run once, and has ended well.
        failures: how often in a row it ended without having been healthy.
    """

    def __init__(self, service: Service, state: Path) -> None:
        self.service = service
        self.state = state
        self.log = state / "logs" / f"{service.name}.log"
        self.healthy = False
        self.done = False
        self.failures = 0
        self.code = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._probe: subprocess.Popen[bytes] | None = None
        self._next_start = 0.0
        self._next_probe = 0.0
        self._wait = SHORTEST
        self._lived = False

    # ------------------------------------------------------------ one look

    def look(self, free: bool) -> str:
        """Does what is due, and says what has happened, or "".

        Args:
            free: what must come before it is there.
        """
        if self.done:
            return ""
        if self._process is not None and self._process.poll() is not None:
            return self._ended(self._process.returncode)
        if self._process is None:
            if free and time.monotonic() >= self._next_start:
                self._start()
            return ""
        return "" if self.healthy else self._ask()

    def _start(self) -> None:
        if self.service.name == postgres.OWNER:
            postgres.initialise_from(self.service.environment)
        self.log.parent.mkdir(exist_ok=True)
        with self.log.open("ab") as file:
            self._process = subprocess.Popen(
                self._command(),
                cwd=self.state,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        with written_whole(self.state / "pids" / self.service.name) as partial:
            partial.write_text(str(self._process.pid))  # nobody reads half a number

    def _command(self) -> list[str]:
        # Should the supervisor be killed, its processes are told to stop.
        leash = ["setpriv", f"--pdeathsig={self.service.stop_signal.removeprefix('SIG')}"]
        command = list(self.service.command)
        if self.service.name == postgres.OWNER:
            command = postgres.as_owner(command)
        return leash + command

    def hopeless(self, most: int) -> bool:
        """It ran its one time and failed, or never came up in so many tries."""
        return bool(self.service.once and self.code) or (not self._lived and self.failures >= most)

    def environment(self) -> dict[str, str]:
        """What the process sees: tools of this environment first, and its own variables."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(PRIVATE)}
        tools = [str(Path(sys.executable).parent), str(postgres.programs()), kept.get("PATH", "")]
        own = {"PATH": os.pathsep.join(tools), "PYTHONPATH": str(REPOSITORY)}
        return kept | own | dict(self.service.environment)

    def _ended(self, code: int) -> str:
        self.code = code
        self.kill()
        if self.service.once and code == 0:
            self.done = self.healthy = True
            return "done"
        self.failures = 0 if self.healthy else self.failures + 1
        self._wait = SHORTEST if self.healthy else min(2 * self._wait, LONGEST)
        self.healthy = False
        self._next_start = time.monotonic() + self._wait
        return f"ended with {code}, starts again in {self._wait:g} s"

    def _ask(self) -> str:
        """Starts the health check, or takes its answer; it never waits for one."""
        health, now = self.service.health, time.monotonic()
        if health is None:
            return ""
        if self._probe is None:
            if now >= self._next_probe:
                # Asked more often than in a container, since nobody should wait for nothing.
                self._next_probe = now + health.interval / 4
                self._probe = subprocess.Popen(
                    health.command,
                    env=self.environment(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            return ""
        code = self._probe.poll()
        if code is None:
            if now > self._next_probe + health.timeout:
                self._probe.kill()
            return ""
        self._probe = None
        self.healthy = code == 0
        self._lived |= self.healthy
        return "ready" if self.healthy else ""

    # ------------------------------------------------------------ the end

    def ask_to_stop(self) -> None:
        """Sends the signal that the service is stopped by."""
        if self._process is not None:
            self._process.send_signal(signal.Signals[self.service.stop_signal])

    def wait(self) -> None:
        """Waits for the end, and kills what is left of the process and its children."""
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(SECONDS_TO_STOP)
            self.kill()

    def kill(self) -> None:
        """Kills the process with its children: one of a server's own may hold its port."""
        if self._probe is not None:
            self._probe.kill()
            self._probe.wait()
            self._probe = None
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None
