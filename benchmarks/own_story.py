"""A manifest of WFDB records at 500 Hz from `prepare` to a device, and beside it PTB-XL's tasks.

    python -m benchmarks.own_records --data PTBXL --folder own --records 25
    python -m benchmarks.own_story --data PTBXL --folder own --store story [--parts leads,...]

Small networks and two epochs: what is tried is whether all parts follow the manifest's classes,
leads, rate and length, not how well they answer. A line for each step: its exit code and seconds;
what it printed is in ``story/NUMBER.log``.
"""

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import wfdb

from benchmarks.own_checks import nothing_mixed_up, serve_and_ask, standing, two_at_once
from heart_reader import evaluate, predict, prepare, train
from heart_reader.cli.entry import as_words, run_entry
from heart_reader.tasks.task import default_task
from heart_reader.tracking import registered_name
from registry import export
from registry.client import name_of, task_of
from registry.doctor import examine
from registry.gate import promote
from registry.gate.promote import REFUSED
from registry.sync import syncer
from tuning import train as searched

NARROW = {
    "model.se_resnet1d.width": "16", "model.se_resnet1d.se_reduction": "4",
    "model.xresnet1d.stem_channels": "[8, 8, 8]", "model.xresnet1d.stage_widths": "[8, 8, 8, 8]",
    "model.fusion.embedding_size": "32", "training.epochs": "2", "training.batch_size": "32",
    "evaluation.n_sheets": "1", "evaluation.n_resamples": "20", "data.records_per_fold": "25",
}  # fmt: skip
SPACE = "common:\n  training.learning_rate: {low: 0.001, high: 0.01, log: true}\nbackbones: {}\n"
FAST = {
    "stages": "quantize", "parity.max_auc_loss": "1", "measure.n_runs": "3",
    "measure.n_resamples": "20", "quantize.n_calibrate": "16", "quantize.n_judge": "16",
    "web": "never",
}  # fmt: skip
PARTS = {  # task -> what is asked of the signal
    "whole": {},
    "leads": {"signal.leads": "I,II"},
    "five": {"signal.seconds": "5"},
    "fast": {"signal.fs": "500"},
}
Main = Callable[[Sequence[str]], None]


class Story:
    """Runs entry points one after the other and says how each ended."""

    def __init__(self, store: Path) -> None:
        self.store, self.count, self.failed = store, 0, 0

    def step(
        self, title: str, main: Main, *words: str, may: tuple[int, ...] = (0,), **options: str
    ) -> str:
        """One call, in this process; ``may`` are the exit codes that are right.

        Returns:
            What it printed.
        """
        self.count += 1
        given = [w for k, v in options.items() for w in (f"--{k.replace('__', '.')}", v)]
        log, started = self.store / f"{self.count:02d}.log", time.perf_counter()
        with said_into(log):
            try:
                code = run_entry(main, words=[*words, *given])
            except SystemExit as stop:  # such as of a gate that holds a candidate
                code = stop.code
        self.failed += code not in may
        seconds = time.perf_counter() - started
        print(f"{self.count:3} {title:44} exit code {code}  {seconds:5.0f} s", flush=True)
        return log.read_text(errors="replace")

    def holds(self, title: str, it_does: bool) -> None:
        """Something that must be so."""
        self.failed += not it_does
        print(f"    {title:44} {'yes' if it_does else 'NO'}", flush=True)


@contextlib.contextmanager
def said_into(path: Path) -> Iterator[None]:
    """What this process and those that it starts print goes into a file."""
    kept = os.dup(1), os.dup(2)
    with (
        path.open("w") as file,
        contextlib.redirect_stdout(file),
        contextlib.redirect_stderr(file),
    ):
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            for number, before in enumerate(kept, 1):
                os.dup2(before, number)
                os.close(before)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="a PTB-XL tree, or demo")
    parser.add_argument("--folder", required=True, type=Path, help="of benchmarks.own_records")
    parser.add_argument("--store", required=True, type=Path, help="a folder that isn't there yet")
    parser.add_argument("--parts", default=",".join([*PARTS, "tasks"]))
    options = parser.parse_args()
    folder = options.folder.absolute()
    data = options.data if options.data == "demo" else str(Path(options.data).absolute())
    options.store.mkdir(parents=True)
    # As after `. .venv/bin/activate`: MLflow looks for its server there.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{options.store.absolute()}/mlflow.db"
    (options.store / "narrow.yaml").write_text(SPACE)
    os.chdir(options.store)
    story = Story(Path.cwd())
    for part in options.parts.split(","):
        if part == "tasks":
            two_tasks(story, data)
        else:
            own_data(story, folder, part)
    raise SystemExit(1 if story.failed else 0)


# ---------------------------------------------------------------- own records


def own_data(story: Story, folder: Path, part: str) -> None:
    """A folder's records under a task's name of its own."""
    home = story.store / part
    home.mkdir()
    manifest = home / "records.csv"
    story.step(f"{part}: prepare writes", prepare.main, data=str(folder), write=str(manifest))
    name_whose(manifest, folder / "patients.csv")
    task = home / "task.yaml"
    described = task.read_text().splitlines()
    task.write_text("\n".join([f"name: {part}", *described[1:]]) + "\n")
    asked = NARROW | {"data": str(manifest), **PARTS[part]}
    read = {key: asked[key] for key in asked if key.startswith(("data", "signal"))}
    story.step(f"{part}: prepare", prepare.main, **read)
    story.step(f"{part}: prepare again, folds kept", prepare.main, **read)
    one, two = f"heart-reader-{part}-se_resnet1d", f"heart-reader-{part}-xresnet1d18"
    trained(story, part, asked, one, two)
    followed(story, part)
    used(story, part, one, two, folder / "JS00001")


def name_whose(manifest: Path, whose: Path) -> None:
    """The headers don't say whose an ECG is; folds are left to be assigned."""
    frame = pd.read_csv(manifest, dtype=str, keep_default_na=False)
    patients = pd.read_csv(whose, dtype=str).set_index("file")["patient_id"]
    frame["patient_id"] = frame["record_id"].map(patients)
    frame.to_csv(manifest, index=False)


def trained(story: Story, part: str, asked: dict[str, str], one: str, two: str) -> None:
    """Two backbones and a search, and what the gate says."""
    step = story.step
    step(f"{part}: train", train.main, **asked, backbone="se_resnet1d")
    step(f"{part}: train the other", train.main, **asked, backbone="xresnet1d18", features="none")
    step(f"{part}: tune", searched.main, **asked, backbone="se_resnet1d", trials="2",
         space=str(story.store / "narrow.yaml"), study=part)  # fmt: skip
    step(f"{part}: promote, as the gate says", promote.main, may=(0, REFUSED), model=one)
    step(f"{part}: promote", promote.main, model=one, force="a story")
    step(f"{part}: promote the other", promote.main, model=two, force="a story")


def followed(story: Story, part: str) -> None:
    """What comes of the champions, once."""
    story.step(f"{part}: sync", syncer.main, **FAST)
    again = story.step(f"{part}: sync again", syncer.main, **FAST)
    story.holds("nothing to do", "nothing to do" in again)
    story.step(f"{part}: all of the same task", lambda words: nothing_mixed_up())


def used(story: Story, part: str, one: str, two: str, record: Path) -> None:
    """Predicted, explained, served, judged, exported."""
    step, file = story.step, str(record)
    model, ensemble = f"models:/{one}@champion", f"models:/heart-reader-{part}-ensemble@candidate"
    step(f"{part}: predict", predict.main, "--json", file, model=model)
    step(f"{part}: predict and explain", predict.main, file, model=model,
         explain=f"{part}/why", plot=f"{part}/sheets", report=f"{part}/pages")  # fmt: skip
    step(f"{part}: predict with the ensemble", predict.main, file, model=ensemble)
    as_one = story.store / part / "one.npz"
    signal, about = wfdb.rdsamp(file)
    np.savez(as_one, signal=signal.T, leads=about["sig_name"], fs=about["fs"], unit="mV")
    for each in (model, ensemble):
        step(f"{part}: serve", lambda words, each=each: serve_and_ask(each, as_one))
    step(f"{part}: evaluate on fold 9", evaluate.main, model=ensemble, fold="9",
         **{k: v for k, v in NARROW.items() if k.startswith("evaluation")})  # fmt: skip
    step(
        f"{part}: export",
        export.main,
        model=f"{two}@champion",
        **FAST | {"stages": "all", "web": "auto"},
    )
    step(f"{part}: doctor", examine.main)


# ---------------------------------------------------------------- two tasks


def two_tasks(story: Story, data: str) -> None:
    """Champions of all statements beside those of the five superclasses."""
    asked = NARROW | {"data": data, "features": "none", "data.records_per_fold": "60"}
    for task in ("superdiagnostic", "all"):
        for backbone in ("se_resnet1d", "xresnet1d18"):
            made_champion(story, asked | {"task": task, "backbone": backbone})
    story.step("both: sync", syncer.main, **FAST)
    again = story.step("both: sync again", syncer.main, **FAST)
    story.holds("nothing to do", "nothing to do" in again)
    story.step("both: nothing mixed up", lambda words: nothing_mixed_up())
    before = standing()
    made_champion(story, asked | {"task": "all", "backbone": "xresnet1d18", "seed": "1"})
    command = [sys.executable, "-m", syncer.__name__, *as_words(FAST)]
    story.step("both: two syncs at once", lambda words: two_at_once([command, command]))
    story.step("both: still nothing mixed up", lambda words: nothing_mixed_up())
    moved = {key for key, version in standing().items() if before.get(key) != version}
    story.holds("aliases of all moved", any(task_of(name_of(key)) == "all" for key in moved))
    story.holds("no other alias did", all(task_of(name_of(key)) == "all" for key in moved))
    print(f"    moved: {', '.join(sorted(moved))}")
    again = story.step("both: sync again", syncer.main, **FAST)
    story.holds("nothing to do", "nothing to do" in again)
    story.step("both: doctor", examine.main)


def made_champion(story: Story, asked: dict[str, str]) -> None:
    """A training that is promoted, whatever the gate says."""
    task, backbone = asked["task"], asked["backbone"]
    name = registered_name(backbone, None if task == default_task().name else task)
    story.step(f"{task}: train {backbone}", train.main, **asked)
    story.step(f"{task}: promote", promote.main, model=name, force="a story")


if __name__ == "__main__":
    main()
