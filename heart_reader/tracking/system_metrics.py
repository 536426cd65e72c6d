"""MLflow's samples of processor, memory and network, logged like all other metrics.

MLflow's own thread asks the store for the run before each sample, and ends at the first outage.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from mlflow import MlflowClient
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

from heart_reader.errors import TrackingError
from heart_reader.tracking.delivery.outage import waits_for_store

PREFIX = "system/"
Log = Callable[[Mapping[str, float], int], None]


class Sampler(SystemMetricsMonitor):
    """MLflow's monitor, which logs through ``log`` and asks nobody."""

    def __init__(self, run_id: str, log: Log, first_step: int) -> None:
        super().__init__(run_id)  # type: ignore[no-untyped-call]
        self._log, self._step = log, first_step

    def monitor(self) -> None:
        """Until it is told to stop: one sample an interval."""
        while True:
            self.collect_metrics()  # type: ignore[no-untyped-call]
            if self._shutdown_event.wait(self.sampling_interval):
                return
            found = self.aggregate_metrics()  # type: ignore[no-untyped-call]
            finite = {f"{PREFIX}{k}": float(v) for k, v in found.items() if math.isfinite(v)}
            try:
                self._log(finite, self._step)
            except TrackingError:
                return  # refused: the training's own thread hears of it at its next metrics
            self._step += 1
            for monitor in self.monitors:
                monitor.clear_metrics()  # type: ignore[no-untyped-call]


@contextmanager
def sampled(run_id: str, log: Log, wanted: bool) -> Iterator[None]:
    """Samples while inside, in a thread, where it is wanted."""
    if not wanted:
        yield
        return
    sampler = Sampler(run_id, log, next_step(run_id))
    sampler.start()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        sampler.finish()  # type: ignore[no-untyped-call]


@waits_for_store
def next_step(run_id: str) -> int:
    """Behind the samples that the run has."""
    latest = MlflowClient().get_run(run_id).data._metric_objs
    return max((m.step + 1 for m in latest if m.key.startswith(PREFIX)), default=0)
