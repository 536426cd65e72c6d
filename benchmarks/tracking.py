"""Tracking's share of a real epoch: one batch of metrics and two checkpoints, against training.

    python benchmarks/tracking.py [--backbone se_resnet1d] [--epoch-seconds S] [--repeats 20]

Logs the metrics of an epoch to a new SQLite store and writes the checkpoints of that epoch, as
`train` does, and takes the medians. Without --epoch-seconds it measures a few training steps on
synthetic records and scales them to the 17,000 of PTB-XL's folds 1 to 8, validation left out. The
upload, once a minute at most, counts with its share of a minute. Exit code 1 above 1%.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

import torch

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
from heart_reader.config.load import load_config
from heart_reader.data.dataset import load_development
from heart_reader.files import cache_folder
from heart_reader.fitting import make_trainer, prepare
from heart_reader.tracking.runs import open_run, set_up_tracking
from heart_reader.training.callbacks import SECONDS_BETWEEN_UPLOADS, CheckpointWriter
from heart_reader.training.trainer import Trainer

BAR = 0.01
N_TRAIN = 17_000  # records of PTB-XL's folds 1 to 8 with a superclass


def timed(function: Callable[[], object]) -> float:
    """Seconds of one call."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def median_seconds(function: Callable[[int], object], repeats: int) -> float:
    """Median of ``repeats`` calls, each with its number, after one that isn't counted."""
    function(0)
    return statistics.median(timed(lambda n=n: function(n)) for n in range(1, repeats + 1))


def real_trainer(backbone: str) -> Trainer:
    """A trainer of the default recipe on synthetic records."""
    config = load_config("default", {"backbone": backbone})
    records = load_development(config.data, config.task, config.features, cache_folder())
    return make_trainer(prepare(records), config)


def epoch_seconds(trainer: Trainer, steps: int) -> float:
    """Of 17,000 records, from the median of a few batches."""
    batch = len(trainer.train) // trainer.batches_per_epoch
    rows = torch.arange(batch, device=trainer.device)
    step = median_seconds(lambda _: float(trainer.train_step(rows)), steps)
    return step * N_TRAIN / batch


def tracking_seconds(trainer: Trainer, repeats: int) -> dict[str, float]:
    """Median seconds an epoch of what `train` does beside training."""
    metrics = {"train/loss": 0.1, "lr": 0.01, "epoch_seconds": 1.0, "records_per_second": 1.0}
    metrics |= trainer.validate()
    with tempfile.TemporaryDirectory() as name, chdir(name):  # artifacts go there too
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{name}/mlflow.db"
        set_up_tracking()
        with open_run("benchmark") as run:
            standing = median_seconds(lambda n: run.log_metrics(metrics, n), repeats)
            run.flush()

            def send(n: int) -> None:
                run.log_metrics(metrics, repeats + 1 + n)
                run.flush()

            sending = median_seconds(send, repeats)
            writer = CheckpointWriter(
                trainer, Path(name) / "checkpoints", lambda path: run.log_file(path, "checkpoints")
            )
            trainer.best_weights = trainer.model.state_dict()
            trainer.best_epoch = 0  # so that the best is written each time too
            saving = median_seconds(lambda _: writer(0, metrics), repeats)
            upload = median_seconds(lambda _: writer.upload_all(), max(1, repeats // 4))
    print(f"metrics: training stands still for {standing * 1e3:.2f} ms, a thread sends them")
    return {"metrics": sending, "checkpoints": saving, "upload": upload}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--backbone", default="se_resnet1d")
    parser.add_argument("--epoch-seconds", type=float, help="of a real epoch, where you know it")
    parser.add_argument("--steps", type=int, default=5, help="training steps to measure")
    parser.add_argument("--repeats", type=int, default=20, help="epochs to log")
    arguments = parser.parse_args()
    trainer = real_trainer(arguments.backbone)
    epoch = arguments.epoch_seconds or epoch_seconds(trainer, arguments.steps)
    spent = tracking_seconds(trainer, arguments.repeats)
    # Once a minute at most, and never more often than there are epochs.
    spent["upload"] *= min(1.0, epoch / SECONDS_BETWEEN_UPLOADS)
    print(f"{arguments.backbone}: an epoch of {N_TRAIN:,} records takes {epoch:.1f} s")
    print(f"{'':14}{'ms an epoch':>12}{'share':>9}")
    for name, seconds in (*spent.items(), ("all", sum(spent.values()))):
        print(f"{name:14}{seconds * 1e3:12.1f}{seconds / epoch:9.3%}")
    share = sum(spent.values()) / epoch
    print(f"bar {BAR:.0%}: {'kept' if share < BAR else 'missed'}")
    return int(share >= BAR)


if __name__ == "__main__":
    sys.exit(main())
