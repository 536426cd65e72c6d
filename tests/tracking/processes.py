"""Real processes against real stores: a folder with a database, artifacts and a cache."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from heart_reader.data.demo.tree import demo_tree
from heart_reader.project import REPOSITORY

SECONDS = 180  # that a process may take on a busy machine
# One backbone on 200 synthetic records: seconds.
SMALL = {
    "data.demo_records": "200",
    "training.batch_size": "32",
    "training.epochs": "3",
    "evaluation.n_resamples": "20",
    "evaluation.n_sheets": "1",
    "model.se_resnet1d.width": "16",
    "model.xresnet1d.stem_channels": "[8, 8, 16]",
    "model.xresnet1d.stage_widths": "[8, 8, 8, 8]",
    "model.inception1d.depth": "3",
    "model.inception1d.branch_channels": "8",
    "model.inception1d.bottleneck_channels": "8",
}
MODEL = "models:/heart-reader-se_resnet1d/1"  # of the trained store
FOREIGN = ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME", "PYTHONPATH")


@dataclass(frozen=True)
class Store:
    """A folder in which `python -m heart_reader...` runs, and the store inside it."""

    folder: Path

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.folder}/mlflow.db"

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    @property
    def client(self) -> MlflowClient:
        # Where artifacts go is settled by where the process was that opened a store first.
        with chdir(self.folder):
            return MlflowClient(self.uri, self.uri)

    def environment(self, **extra: str) -> dict[str, str]:
        """What a process needs: one thread, since weights to the bit depend on how many."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        own = {
            "PATH": path,
            "PYTHONPATH": str(REPOSITORY),
            "MLFLOW_TRACKING_URI": self.uri,
            "HEART_READER_CACHE": str(self.cache),
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "OMP_NUM_THREADS": "1",
            "COLUMNS": "200",
            "MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL": "0.5",
        }
        kept = {key: value for key, value in os.environ.items() if key not in FOREIGN}
        return kept | own | extra

    def start(self, command: Sequence[str], **extra: str) -> "Started":
        """Starts a command in the folder."""
        log = self.folder / f"{time.monotonic_ns()}.log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=self.environment(**extra),
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return Started(process, log)

    def train(self, *words: str, **extra: str) -> "Started":
        """Starts ``python -m heart_reader.train``."""
        return self.start([sys.executable, "-m", "heart_reader.train", *words], **extra)

    def runs(self) -> list[Run]:
        """All runs of all experiments, the newest first."""
        experiments = [each.experiment_id for each in self.client.search_experiments()]
        return list(self.client.search_runs(experiments))

    def settle(self) -> None:
        """Waits until what `mlflow run` opened itself is hidden, a moment after it has ended."""
        deadline = time.monotonic() + SECONDS
        while self.client.search_runs(["0"]) and time.monotonic() < deadline:
            time.sleep(0.2)

    def artifact(self, run_id: str, file: str) -> Path:
        """Where an artifact lies."""
        root = self.client.get_run(run_id).info.artifact_uri
        return Path(root.removeprefix("file://")) / file

    def weights(self, run_id: str) -> bytes:
        """The weights file of the one version that a run registered."""
        (version,) = self.client.search_model_versions(f"run_id = '{run_id}'")
        model = self.client.get_logged_model(version.source.removeprefix("models:/"))
        root = Path(model.artifact_location.removeprefix("file://"))
        (path,) = root.glob("artifacts/*/weights.safetensors")
        return path.read_bytes()


@dataclass(frozen=True)
class Started:
    """A process and what it wrote."""

    process: "subprocess.Popen[bytes]"
    log: Path

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def finish(self, seconds: float = SECONDS) -> int:
        """Waits for the end, and gives the exit code."""
        return self.process.wait(seconds)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Waits for something that happens while the process runs."""
        deadline = time.monotonic() + SECONDS
        while not condition():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"it didn't happen before the end:\n{self.output()}")
            time.sleep(0.003)

    def signal(self, signum: int) -> int:
        """Sends a signal, and gives the exit code."""
        self.process.send_signal(signum)
        return self.finish()


@dataclass(frozen=True)
class Trained:
    """The store after one training of se_resnet1d, which nothing may write to, and its run."""

    store: Store
    run: Run
    commit: str  # of the repository when it began


@dataclass(frozen=True)
class Called:
    """What an entry point in this process gave back."""

    code: int
    out: str
    err: str

    @property
    def errors(self) -> list[str]:
        """The lines that start with ``error:``."""
        return [line for line in self.err.splitlines() if line.startswith("error: ")]


Call = Callable[..., Called]


def words(options: dict[str, str]) -> list[str]:
    """``{"seed": "1"}`` as ``["--seed", "1"]``."""
    return [word for key, value in options.items() for word in (f"--{key}", value)]


def duplicates(client: MlflowClient, run_id: str) -> dict[str, list[int]]:
    """Metrics of a run that have two points at one step."""
    steps = {
        name: [point.step for point in client.get_metric_history(run_id, name)]
        for name in client.get_run(run_id).data.metrics
    }
    return {name: found for name, found in steps.items() if len(found) != len(set(found))}


def demo_root(cache: Path) -> Path:
    """The demo tree of `SMALL`; others of other sizes may lie beside it."""
    return demo_tree(cache, int(SMALL["data.demo_records"]), 0)


def copy_of_demo(cache: Path, target: Path) -> Path:
    """A copy of the session's demo tree that a test may damage."""
    shutil.copytree(demo_root(cache), target)
    return target


def forget_mlflow(patch: pytest.MonkeyPatch) -> None:
    """As in a fresh process: MLflow remembers the run and the experiment that were set last."""
    patch.setattr(mlflow.tracking.fluent, "_active_experiment_id", None)
    for name in FOREIGN:
        patch.setenv(name, "")  # so that it is put back, whatever is set meanwhile
        os.environ.pop(name)
