"""Several services, started in order, kept running, stopped together."""

import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from deploy.compose import Service
from deploy.running.logs import rotate
from deploy.running.process import Process
from heart_reader.errors import HeartReaderError

PAUSE = 0.1  # seconds between two looks
MOST_FAILURES = 3  # in a row, of a service that was never healthy
LINES_SHOWN = 15


class PlatformError(HeartReaderError):
    """A platform that can't do what was asked."""


class Supervisor:
    """The processes of some services.

    Args:
        services: all that there are.
        state: the platform's folder.
        only: those to run; what they need must be among them.
    """

    def __init__(
        self, services: Mapping[str, Service], state: Path, only: Collection[str] | None = None
    ) -> None:
        wanted = services if only is None else only
        self.processes = {name: Process(services[name], state) for name in wanted}

    @contextmanager
    def running(self) -> Iterator[None]:
        """Starts everything, and stops it at the end, in whichever way that comes."""
        try:
            while not self.ready():
                self.look()
                time.sleep(PAUSE)
            yield
        finally:
            self.stop()

    def ready(self) -> bool:
        """Whether each service is healthy, or done."""
        return all(process.healthy for process in self.processes.values())

    def watch(self) -> None:
        """Keeps the services running until a signal raises, and their logs short."""
        while True:
            self.look()
            for process in self.processes.values():
                rotate(process.log)
            time.sleep(PAUSE)

    def look(self) -> None:
        """One look at each service.

        Raises:
            PlatformError: one that can't be started.
        """
        for name, process in self.processes.items():
            news = process.look(self._free(process.service))
            if news:
                print(f"{time.strftime('%H:%M:%S')} {name}: {news}", flush=True)
            if process.hopeless(MOST_FAILURES):
                lines = process.log.read_text(errors="replace").splitlines()[-LINES_SHOWN:]
                raise PlatformError("\n".join([f"{name} can't be started: {process.log}", *lines]))

    def _free(self, service: Service) -> bool:
        return all(self.processes[name].healthy for name in service.after)

    def stop(self) -> None:
        """Stops all, the last one first, each before the one that it needs."""
        for process in reversed(self.processes.values()):
            process.ask_to_stop()
            process.wait()
