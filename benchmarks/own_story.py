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
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from heart_reader import evaluate, predict, prepare, train
from heart_reader.cli.entry import run_entry
from registry import export
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
    ) -> None:
        """One call, in this process; ``may`` are the exit codes that are right."""
        self.count += 1
        given = [w for k, v in options.items() for w in (f"--{k.replace('__', '.')}", v)]
        log, started = self.store / f"{self.count:02d}.log", time.perf_counter()
        with (
            log.open("w") as file,
            contextlib.redirect_stdout(file),
            contextlib.redirect_stderr(file),
        ):
            try:
                code = run_entry(main, words=[*words, *given])
            except SystemExit as stop:  # such as of a gate that holds a candidate
                code = stop.code
        self.failed += code not in may
        seconds = time.perf_counter() - started
        print(f"{self.count:3} {title:44} exit code {code}  {seconds:5.0f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, type=Path, help="a PTB-XL tree")
    parser.add_argument("--folder", required=True, type=Path, help="of benchmarks.own_records")
    parser.add_argument("--store", required=True, type=Path, help="a folder that isn't there yet")
    parser.add_argument("--parts", default=",".join([*PARTS, "tasks"]))
    options = parser.parse_args()
    folder, data = options.folder.absolute(), options.data.absolute()
    options.store.mkdir(parents=True)
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{options.store.absolute()}/mlflow.db"
    (options.store / "narrow.yaml").write_text(SPACE)
    space = str(options.store.absolute() / "narrow.yaml")
    os.chdir(options.store)
    story = Story(Path.cwd())
    for part in options.parts.split(","):
        if part == "tasks":
            two_tasks(story, data)
        else:
            own_data(story, folder, part, space)
    raise SystemExit(1 if story.failed else 0)


def own_data(story: Story, folder: Path, part: str, space: str) -> None:
    """One manifest, under a task's name of its own."""
    task = folder / f"{part}.yaml"
    described = (folder / "task.yaml").read_text().splitlines()
    task.write_text("\n".join([f"name: {part}", *described[1:]]) + "\n")
    asked = NARROW | {"data": str(folder / "patients.csv"), "task": str(task), **PARTS[part]}
    one, two = f"heart-reader-{part}-se_resnet1d", f"heart-reader-{part}-xresnet1d18"
    record = str(folder / "JS00001")
    step = story.step
    read = {key: asked[key] for key in asked if key.startswith(("data", "task", "signal"))}
    step(f"{part}: prepare", prepare.main, **read)
    step(f"{part}: train", train.main, **asked, backbone="se_resnet1d")
    step(f"{part}: train the other", train.main, **asked, backbone="xresnet1d18", features="none")
    step(f"{part}: tune", searched.main, **asked, backbone="se_resnet1d", trials="2", space=space,
         study=part)  # fmt: skip
    step(f"{part}: promote, as the gate says", promote.main, may=(0, REFUSED), model=one)
    step(f"{part}: promote", promote.main, model=one, force="true")
    step(f"{part}: promote the other", promote.main, model=two, force="true")
    step(f"{part}: sync", syncer.main, **FAST)
    step(f"{part}: sync again", syncer.main, **FAST)
    step(f"{part}: predict", predict.main, "--json", record, model=f"models:/{one}@champion")
    step(f"{part}: predict and explain", predict.main, record, model=f"models:/{one}@champion",
         explain="why", plot="sheets", report="pages")  # fmt: skip
    ensemble = f"models:/heart-reader-{part}-ensemble@champion"
    step(f"{part}: predict with the ensemble", predict.main, record, model=ensemble)
    step(f"{part}: evaluate on fold 9", evaluate.main, model=ensemble, fold="9",
         **{k: v for k, v in NARROW.items() if k.startswith("evaluation")})  # fmt: skip
    step(f"{part}: export", export.main, model=f"{two}@champion", **FAST)
    step(f"{part}: doctor", examine.main)


def two_tasks(story: Story, data: Path) -> None:
    """Champions of all 71 statements beside those of the five superclasses."""
    asked = NARROW | {"data": str(data), "features": "none", "data.records_per_fold": "60"}
    for task in ("superdiagnostic", "all"):
        name = "heart-reader-" + ("" if task == "superdiagnostic" else f"{task}-")
        for backbone in ("se_resnet1d", "xresnet1d18"):
            wanted = asked | {"task": task, "backbone": backbone}
            story.step(f"{task}: train {backbone}", train.main, **wanted)
            story.step(f"{task}: promote", promote.main, model=name + backbone, force="true")
    story.step("both: sync", syncer.main, **FAST)
    story.step("both: sync again", syncer.main, **FAST)
    story.step("both: doctor", examine.main)


if __name__ == "__main__":
    main()
