"""Commands killed with -9 at random moments: what is left, and what repair and a second try make.

python -m benchmarks.kills [--folder kills] [--times 20] [--seed 0] [--only train,promote]

Each command is first run to its end from the same store: what it makes is what a killed one must
make too, after ``doctor --fix true`` and the same command again (a training: ``--resume``). Models
are small, and on synthetic ECGs. A line a command: how often it was killed before it ended, runs
that were left RUNNING, and what was still wrong in the end. Imports, which touch nothing, are done
before, so that each kill hits the work. A migration that is killed has a test, with the server
that it needs (``tests/registry/test_migrate.py``).
"""

import argparse
import hashlib
import os
import shutil
import sqlite3
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.damage.prepared import Prepared
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
WEIGHTS = ("weights.safetensors", "*.onnx")
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
        """Behind ``python -m``."""
        options = [word for key, value in self.options.items() for word in (f"--{key}", value)]
        return [self.module, *options]


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

    Artifacts are known by their absolute paths: the folder stays the same one. What commands made
    to begin with is kept beside it, for all who begin with the same.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "store"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.process = Prepared(self.environment())

    def environment(self) -> dict[str, str]:
        """One thread: weights are the same to the bit with as many threads alone."""
        own = {
            "MLFLOW_TRACKING_URI": f"sqlite:///{self.folder}/mlflow.db",
            "HEART_READER_CACHE": str(self.folder / "cache"),
            "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1",
            "MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONHASHSEED": "0",
        }  # fmt: skip
        return {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")} | own

    def run(self, words: Sequence[str]) -> float:
        """Seconds that it took.

        Raises:
            RuntimeError: it failed.
        """
        began = time.monotonic()
        self.process.start(words, self.folder)
        if code := self.process.wait():
            last = (self.folder / "log").read_text(errors="replace")[-600:]
            raise RuntimeError(f"{' '.join(words[:3])} ended with {code}: {last}")
        return time.monotonic() - began

    def begin_with(self, commands: tuple[str, ...]) -> None:
        """The store that commands made, one after the other; nothing where there are none."""
        shutil.rmtree(self.folder, ignore_errors=True)
        kept = self._kept(commands)
        if kept.exists():
            shutil.copytree(kept, self.folder)
        elif not commands:
            self.folder.mkdir()
        else:
            self.begin_with(commands[:-1])
            self.run(COMMANDS[commands[-1]].words)
            part = kept.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)
            shutil.copytree(self.folder, part)
            part.rename(kept)

    def _kept(self, commands: tuple[str, ...]) -> Path:
        return self.folder.parent / "-".join(["kept", *commands]).replace(" ", "_")

    # ------------------------------------------------------------ what is there

    def rows(self, question: str) -> list[tuple[str, ...]]:
        """Of the database; MLflow's client would remember one that has been replaced since."""
        if not (self.folder / "mlflow.db").exists():
            return []
        with closing(sqlite3.connect(self.folder / "mlflow.db")) as database:
            try:
                return [tuple(map(str, row)) for row in database.execute(question)]
            except sqlite3.OperationalError:  # it was killed before there was a table
                return []

    def running(self) -> list[str]:
        """Runs without an end."""
        question = "SELECT run_uuid FROM runs WHERE status='RUNNING' AND lifecycle_stage='active'"
        return [run for (run,) in self.rows(question)]

    def holds(self) -> dict[str, tuple[int, dict[str, str]]]:
        """Of each registered model how many versions, and the weights that an alias stands for."""
        sources = {
            (name, version): source
            for name, version, source in self.rows(
                "SELECT name, version, source FROM model_versions "
                "WHERE current_stage != 'Deleted_Internal'"
            )
        }
        aliases = self.rows("SELECT name, alias, version FROM registered_model_aliases")
        return {
            model: (
                sum(name == model for name, _ in sources),
                {
                    alias: self._digest(sources.get((name, version), ""))
                    for name, alias, version in aliases
                    if name == model
                },
            )
            for (model,) in self.rows("SELECT name FROM registered_models")
        }

    def _digest(self, source: str) -> str:
        """Over the weights, which an alias's version must have."""
        places = dict(self.rows("SELECT model_id, artifact_location FROM logged_models"))
        place = places.get(source.removeprefix("models:/"), source)
        root = Path(place.removeprefix("file://"))
        found = [path for name in WEIGHTS for path in sorted(root.rglob(name))]
        if not found:
            return "no weights"
        return hashlib.sha256(b"".join(each.read_bytes() for each in found)).hexdigest()[:12]


# ---------------------------------------------------------------- killing


def second_try(store: Store, command: Command, running: Sequence[str]) -> list[str]:
    """The words of what is done after the repair: a training goes on where one was left."""
    resumed = command.module == "heart_reader.train" and len(running) == 1
    if not resumed:
        return command.words
    return [command.module, "--resume", running[0]]


def killed_once(store: Store, command: Command, after: float) -> tuple[bool, int, list[str]]:
    """Whether it was killed in time, runs that were left, and what is wrong after the repair."""
    store.begin_with(command.before)
    store.process.start(command.words, store.folder)
    try:
        store.process.wait(after)
        return False, 0, []
    except TimeoutError:
        store.process.kill()
    left = store.running()
    wrong = []
    try:
        if (store.folder / "mlflow.db").exists():
            store.run(["registry.doctor", "--fix", "true"])
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


def try_command(store: Store, name: str, times: int, seed: int) -> str:
    """A row of the table."""
    command = COMMANDS[name]
    store.begin_with(command.before)
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
    store = Store(options.folder.resolve())
    for name in options.only.split(","):
        print(try_command(store, name, options.times, options.seed), flush=True)
    store.process.close()


if __name__ == "__main__":
    main()
