"""Hooks for the end of an epoch."""

import time
from collections.abc import Callable
from pathlib import Path

from heart_reader.training.checkpoint import Checkpoint, save_checkpoint
from heart_reader.training.trainer import Metrics, Trainer

SECONDS_BETWEEN_UPLOADS = 60.0


class CheckpointWriter:
    """Keeps the best and the last checkpoint in a folder, and uploads the last now and then.

    Args:
        trainer: whose state is saved.
        folder: ``last.safetensors`` and ``best.safetensors`` go here.
        upload: takes a file to where another machine finds it; at most once a minute, since
            a store may be slow.
    """

    def __init__(self, trainer: Trainer, folder: Path, upload: Callable[[Path], None]) -> None:
        self.trainer, self.folder, self.upload = trainer, folder, upload
        self.last, self.best = folder / "last.safetensors", folder / "best.safetensors"
        self._uploaded_at = time.monotonic()

    def __call__(self, epoch: int, metrics: Metrics) -> None:
        """Saves the epoch that just ended."""
        # The best goes first: a run killed between the two repeats the epoch and writes it again.
        if self.trainer.best_epoch == epoch:
            state = {"epoch": epoch, "metrics": metrics}
            save_checkpoint(self.best, Checkpoint(self.trainer.best_weights, state))
        save_checkpoint(self.last, self.trainer.checkpoint())
        if time.monotonic() - self._uploaded_at > SECONDS_BETWEEN_UPLOADS:
            self.upload_all()

    def upload_all(self) -> None:
        """Uploads what the folder holds."""
        for path in (self.last, self.best):
            if path.exists():
                self.upload(path)
        self._uploaded_at = time.monotonic()


class MetricLogger:
    """Hands each epoch's metrics on, once: a resumed run repeats none that it logged before.

    Args:
        log: takes metrics and the epoch.
        last_epoch: the last one that was logged already, or -1.
    """

    def __init__(self, log: Callable[[Metrics, int], None], last_epoch: int) -> None:
        self.log, self.last_epoch = log, last_epoch
        self.seconds = 0.0  # spent in logging

    def __call__(self, epoch: int, metrics: Metrics) -> None:
        """Logs the epoch, unless it was."""
        if epoch <= self.last_epoch:
            return
        started = time.perf_counter()
        self.log(metrics, epoch)
        self.seconds += time.perf_counter() - started
