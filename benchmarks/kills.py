"""Commands killed with -9 at random moments: what is left, and what repair and a second try make.

python -m benchmarks.kills [--folder kills] [--times 20] [--seed 0] [--only train,promote]

Each command is first run to its end from the same store: what it makes is what a killed one must
make too, after ``doctor --fix true`` and the same command again (a training: ``--resume``). Models
are small, and on synthetic ECGs. A line a command: how often it was killed before it ended, runs
that were left RUNNING, and what was still wrong in the end. A migration that is killed has a test,
with the server that it needs (``tests/registry/test_migrate.py``).
"""

import argparse
import hashlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

from heart_reader.project import REPOSITORY

SMALL = {
    "data.demo_records": "200", "training.batch_size": "32", "training.epochs": "3",
    "evaluation.n_resamples": "20", "evaluation.n_sheets": "1", "evaluation.n_novelty": "64",
    "model.se_resnet1d.width": "16", "model.xresnet1d.stem_channels": "[8, 8, 16]",
    "model.xresnet1d.stage_widths": "[8, 8, 8, 8]",
}  # fmt: skip
SE, XRES, EDGE = (f"heart-reader-{name}" for name in ("se_resnet1d", "xresnet1d18", "edge"))
FAST = {
    "stages": "quantize", "parity.max_auc_loss": "1", "measure.n_runs": "3", "web": "never",
    "measure.n_resamples": "20", "quantize.n_calibrate": "16", "quantize.n_judge": "16",
}  # fmt: skip
FORCED = {"force": "for the benchmark"}


@dataclass(frozen=True)
class Command:
    """What is killed.

    Attributes:
        module: that is started.
        options: its own.
        before: commands that made the store.
    """

    module: str
    options: dict[str, str]
    before: tuple[str, ...] = ()

    @property
    def words(self) -> list[str]:
        """Of the process."""
        options = [word for key, value in self.options.items() for word in (f"--{key}", value)]
        return [sys.executable, "-m", self.module, *options]


COMMANDS = {
    "train": Command("heart_reader.train", SMALL | {"backbone": "se_resnet1d"}),
    "tune": Command("tuning.train", SMALL | {"backbone": "se_resnet1d", "trials": "2"}),
    "promote": Command("registry.promote", FORCED | {"model": SE}, ("train",)),
    "import": Command(
        "registry.import_bundle", {"bundle": str(REPOSITORY / "pretrained" / "se_resnet1d")}
    ),
    "export": Command("registry.export", FAST | {"model": f"{SE}@candidate"}, ("train",)),
    "ensemble": Command("registry.ensemble", {}, ("train", "train other")),
    "sync": Command(
        "registry.sync", FAST, ("train", "train other", "promote", "promote other")
    ),
    "train other": Command("heart_reader.train", SMALL | {"backbone": "xresnet1d18"}),
    "promote other": Command("registry.promote", FORCED | {"model": XRES}),
}  # fmt: skip
KILLED = [name for name in COMMANDS if not name.endswith(" other")]


class Store:
    """A folder with a database, artifacts and a cache, which can be put back as it was.

    Artifacts are known by their absolute paths: the folder stays the same one.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.kept = folder / "store", folder / "kept"
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        for each in folder.glob("looked*.db"):
            each.unlink()

    def environment(self) -> dict[str, str]:
        """One thread: weights are the same to the bit with as many threads alone."""
        own = {
            "MLFLOW_TRACKING_URI": f"sqlite:///{self.folder}/mlflow.db",
            "HEART_READER_CACHE": str(self.folder / "cache"),
            "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1",
            "MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONHASHSEED": "0",
        }  # fmt: skip
        return {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")} | own

    def start(self, words: Sequence[str]) -> "subprocess.Popen[bytes]":
        """A process group of its own, which can be killed as a whole."""
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                words, cwd=self.folder, env=self.environment(), stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def run(self, words: Sequence[str]) -> float:
        """Seconds that it took.

        Raises:
            RuntimeError: it failed.
        """
        began = time.monotonic()
        if code := self.start(words).wait():
            last = (self.folder / "log").read_text(errors="replace")[-600:]
            raise RuntimeError(f"{' '.join(words[2:5])} ended with {code}: {last}")
        return time.monotonic() - began

    def keep(self) -> None:
        """Remembers the folder as it is."""
        shutil.rmtree(self.kept, ignore_errors=True)
        shutil.copytree(self.folder, self.kept)

    def put_back(self) -> None:
        """As it was."""
        shutil.rmtree(self.folder)
        shutil.copytree(self.kept, self.folder)

    # ------------------------------------------------------------ what is there

    def client(self) -> MlflowClient:
        """Of a copy of the database: MLflow keeps open what has been replaced since."""
        copied = self.folder.parent / f"looked{time.monotonic_ns()}.db"
        source, target = (sqlite3.connect(each) for each in (self.folder / "mlflow.db", copied))
        with closing(source), closing(target):
            source.backup(target)
        uri = f"sqlite:///{copied}"
        return MlflowClient(uri, uri)

    def running(self) -> list[str]:
        """Runs without an end."""
        if not (self.folder / "mlflow.db").exists():
            return []
        client = self.client()
        experiments = [each.experiment_id for each in client.search_experiments()]
        found = client.search_runs(experiments, "attributes.status = 'RUNNING'")
        return [run.info.run_id for run in found]

    def holds(self) -> dict[str, tuple[int, dict[str, str]]]:
        """Of each registered model how many versions, and the weights that an alias stands for."""
        client = self.client()
        return {
            model.name: (
                len(client.search_model_versions(f"name = '{model.name}'")),
                {
                    alias: _digest(client, client.get_model_version(model.name, str(version)))
                    for alias, version in model.aliases.items()
                },
            )
            for model in client.search_registered_models()
        }


def _digest(client: MlflowClient, version: ModelVersion) -> str:
    """Over the weights, which an alias's version must have."""
    model = client.get_logged_model(version.source.removeprefix("models:/"))
    root = Path(model.artifact_location.removeprefix("file://"))
    files = sorted(root.rglob("*.safetensors"))
    content = b"".join(each.read_bytes() for each in files if each.name == "weights.safetensors")
    return hashlib.sha256(content).hexdigest()[:12] if files else "no weights"


# ---------------------------------------------------------------- killing


def second_try(store: Store, command: Command, running: Sequence[str]) -> list[str]:
    """The words of what is done after the repair: a training goes on where one was left."""
    resumed = command.module == "heart_reader.train" and len(running) == 1
    if not resumed:
        return command.words
    return [sys.executable, "-m", command.module, "--resume", running[0]]


def killed_once(store: Store, command: Command, after: float) -> tuple[bool, int, list[str]]:
    """Whether it was killed in time, runs that were left, and what is wrong after the repair."""
    store.put_back()
    process = store.start(command.words)
    try:
        process.wait(after)
        return False, 0, []
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    left = store.running()
    wrong = []
    try:
        if (store.folder / "mlflow.db").exists():
            store.run([sys.executable, "-m", "registry.doctor", "--fix", "true"])
        still = store.running()
        wrong += [f"{len(still)} RUNNING after the repair"] if still else []
        store.run(second_try(store, command, left))
    except RuntimeError as error:
        wrong.append(str(error))
    return True, len(left), wrong + [f"{len(store.running())} RUNNING"] * bool(store.running())


def differences(wanted: dict, found: dict) -> list[str]:  # type: ignore[type-arg]
    """What a second try made otherwise than a first one that wasn't killed.

    A version that the killed one had registered before it ended is one more; never two.
    """
    wrong = [f"{name} isn't there" for name in wanted.keys() - found.keys()]
    for name in wanted.keys() & found.keys():
        (count, aliases), (n_found, have) = wanted[name], found[name]
        if n_found not in (count, count + 1):
            wrong.append(f"{name} has {n_found} versions, not {count}")
        wrong += [
            f"{name}@{alias} has other weights"
            for alias in aliases
            if have.get(alias) != aliases[alias]
        ]
    return wrong


def try_command(folder: Path, name: str, times: int, seed: int) -> str:
    """A row of the table."""
    command, store = COMMANDS[name], Store(folder)
    for before in command.before:
        store.run(COMMANDS[before].words)
    store.keep()
    seconds = store.run(command.words)
    wanted = store.holds()
    rng = np.random.default_rng([seed, KILLED.index(name)])
    n_killed, n_left, wrong = 0, 0, []
    for after in rng.uniform(0, seconds, times):
        was_killed, left, found = killed_once(store, command, float(after))
        if not was_killed:
            continue
        found += differences(wanted, store.holds()) if not found else []
        n_killed, n_left = n_killed + 1, n_left + left
        wrong += [f"after {after:.1f} s: {each}" for each in found]
    for line in wrong:
        print(f"  {name}: {line}", file=sys.stderr, flush=True)
    return f"| {name} | {seconds:.0f} | {n_killed} | {n_left} | {len(wrong)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("kills"))
    parser.add_argument("--times", type=int, default=20, help="kills of each command")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default=",".join(KILLED), help="commands, with commas")
    options = parser.parse_args()
    print("| command | s | killed | runs left RUNNING | wrong in the end |")
    print("| --- | --- | --- | --- | --- |")
    for name in options.only.split(","):
        print(try_command(options.folder.resolve(), name, options.times, options.seed), flush=True)


if __name__ == "__main__":
    main()
