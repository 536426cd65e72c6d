"""MLflow's samples of processor, memory and network, logged like all other metrics.

MLflow's own thread asks the store for the run before each sample, and ends at the first outage.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

from heart_reader.errors import TrackingError

Log = Callable[[Mapping[str, float], int], None]


class Sampler(SystemMetricsMonitor):  # type: ignore[misc]
    """MLflow's monitor, which logs through ``log`` and asks nobody."""

    def __init__(self, run_id: str, log: Log) -> None:
        super().__init__(run_id, resume_logging=True)
        self._log = log

    def monitor(self) -> None:
        """Until it is told to stop: one sample an interval."""
        while True:
            self.collect_metrics()
            if self._shutdown_event.wait(self.sampling_interval):
                return
            found = {f"system/{key}": value for key, value in self.aggregate_metrics().items()}
            finite = {key: value for key, value in found.items() if math.isfinite(value)}
            try:
                self._log(finite, self._logging_step)
            except TrackingError:
                return  # refused: the training's own thread hears of it at its next metrics
            self._logging_step += 1
            for monitor in self.monitors:
                monitor.clear_metrics()


@contextmanager
def sampled(run_id: str, log: Log, wanted: bool) -> Iterator[None]:
    """Samples while inside, in a thread, where it is wanted."""
    if not wanted:
        yield
        return
    sampler = Sampler(run_id, log)
    sampler.start()
    try:
        yield
    finally:
        sampler.finish()
