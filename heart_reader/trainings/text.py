"""What a training says about itself: tables, Markdown, tags, provenance."""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pandas as pd
import psutil
import yaml
from rich.console import Console
from rich.table import Table

from heart_reader.bundle.provenance import config_hash
from heart_reader.config.load import Config
from heart_reader.config.strict import to_dict
from heart_reader.data.dataset import Records
from heart_reader.data.demo.marks import (
    DEMO,
    KEY,
    SYNTHETIC,
    WARNING,
    made_of,
    marked,
)
from heart_reader.data.labelled import task_name
from heart_reader.data.lead_sets import NONE
from heart_reader.data.ptbxl import TRAIN_FOLDS, VALIDATION_FOLD
from heart_reader.data.spec import SignalSpec
from heart_reader.evaluation.tables import (
    class_rows,
    fold_counts,
    interval_text,
    markdown_table,
)
from heart_reader.evaluation.thresholds import REMEMBERED
from heart_reader.interrupt import InterruptedBySignal
from heart_reader.tasks.task import MANY, Task, default_task
from heart_reader.tracking import Run, registered_name
from heart_reader.tracking.figures import figures_of
from heart_reader.tracking.runs import run_page, server_address
from heart_reader.training.trainer import FitResult

COMMAND, LOCAL = "mlflow run . -e", "http://127.0.0.1:5000"


@dataclass(frozen=True)
class TrainedBackbone:
    """A trained backbone, as the closing table shows it.

    Attributes:
        model: its pinned address in the registry.
        values: fold-9 metrics with interval bounds, names without ``val/``.
        seconds: from the first batch to the registration.
        synthetic: trained on the demo's ECGs.
    """

    backbone: str
    model: str
    values: dict[str, float]
    n_parameters: int
    seconds: float
    run_id: str
    synthetic: bool = False


def finished_backbone(run: Run) -> TrainedBackbone:
    """That of a run that had finished before."""
    metrics, tags = figures_of(run), run.tags()
    values = {key[4:]: value for key, value in metrics.items() if key.startswith("val/")}
    return TrainedBackbone(
        tags["backbone"],
        tags["model"],
        values,
        int(metrics["n_parameters"]),
        metrics["seconds"],
        run.run_id,
        KEY in tags,
    )


# ---------------------------------------------------------------- identity


def as_yaml(config: Config) -> str:
    """The whole configuration, readable by ``--config``."""
    return yaml.safe_dump(to_dict(config), sort_keys=False)


def run_name(config: Config, backbones: Sequence[str]) -> str:
    """``se_resnet1d, ptbxl, 50 epochs`` rather than a pair of random words."""
    what = backbones[0] if len(backbones) == 1 else f"{len(backbones)} backbones"
    where = config.data.root.rstrip("/").rsplit("/", 1)[-1]
    where = SYNTHETIC if where == DEMO else where
    name = task_name(config.data.root, config.task)
    task = "" if name == default_task().name else f"{name}, "
    return f"{task}{what}, {where}, {config.training.epochs} epochs"


def version_tags(config: Config, records: Records, values: dict[str, float]) -> dict[str, str]:
    """What the registry filters by."""
    return {
        "backbone": config.model.backbone,
        "task": records.task.name,
        "data_digest": records.digest[:16],
        "config_hash": config_hash(config),
        "val_macro_auc": f"{values['macro_auc']:.4f}",
        REMEMBERED: str(config.evaluation.rule),
        **{
            name: value
            for name in ("init", "auxiliary")
            if (value := getattr(config.training, name)) != NONE
        },
        **({KEY: "true"} if made_of(records.metadata) else {}),
    }


# ---------------------------------------------------------------- on the terminal


def print_records(records: Records) -> None:
    """How many records of which class there are to train and to validate with."""
    parts = [records.y_true[records.rows(f)] for f in (TRAIN_FOLDS, (VALIDATION_FOLD,))]
    counts = [[str(len(part)), *map(str, (part == 1).sum(axis=0, dtype=int))] for part in parts]
    headings = ("records", *records.task.classes)
    if records.task.n_classes > MANY:  # a row a class, not a column
        table = Table("", "folds 1 to 8", "fold 9", title=_title(records.task))
        rows = [(name, *cells) for name, *cells in zip(headings, *counts, strict=True)]
    else:
        table = Table("folds", *headings, title=_title(records.task))
        rows = [(name, *cells) for name, cells in zip(("1 to 8", "9"), counts, strict=True)]
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        table.add_row(*row)
    Console(file=sys.stderr).print(table)


def _title(task: Task) -> str:
    if task == default_task():
        return "Records with a superclass"
    kept = "all records" if task.unlabelled == "keep" else "records with one"
    return f"Task {task.name}, {task.n_classes} classes, {kept}"


def cells_of(made: TrainedBackbone) -> tuple[str, ...]:
    """Macro AUC, its interval, F_max, parameters and seconds."""
    v = made.values
    return (
        f"{v['macro_auc']:.4f}",
        interval_text(v, "macro_auc", 3),
        f"{v['f_max']:.4f}",
        f"{made.n_parameters:,}",
        f"{made.seconds:.0f}",
    )


def print_trained(trained: Sequence[TrainedBackbone]) -> None:
    """The closing table, and how to go on."""
    table = Table("model", "macro AUC", "95% interval", "F_max", "parameters", "seconds")
    name = trained[0].model.removeprefix("models:/").partition("/")[0]
    shown = name.removesuffix(trained[0].backbone) + "BACKBONE"
    table.title = f"Fold 9, registered as {shown}@candidate"
    if trained[0].synthetic:
        table.title = marked(table.title, True)
    for column in table.columns[1:]:
        column.justify, column.no_wrap = "right", True
    for made in trained:
        version = made.model.rsplit("/", 1)[-1]
        table.add_row(f"{made.backbone} v{version}", *cells_of(made))
    console = Console()
    console.print(table)
    for line in ways_on(trained):
        console.print(line, highlight=False, soft_wrap=True)


def ways_on(trained: Sequence[TrainedBackbone]) -> list[str]:
    """How long it took, where the runs can be looked at, and what comes next."""
    seconds = round(time.time() - psutil.Process().create_time())
    lines = [f"Total time {seconds // 60} min {seconds % 60} s"]
    server = server_address()
    for made in trained:
        page = run_page(made.run_id)
        if server is None:
            lines.append(f"{made.backbone}:  {LOCAL}/{page}  (with `make ui` in another terminal)")
        else:
            lines.append(f"Look at the run:  {server}/{page}")
    names = [made.model.removeprefix("models:/").partition("/")[0] for made in trained]
    default = [registered_name(made.backbone) for made in trained]
    wanted = ["all"] if names == default and len(names) > 1 else names
    return [
        *lines,
        *(f"Next:  {COMMAND} promote --env-manager local -P model={n}" for n in wanted),
    ]


@contextmanager
def resume_told(run_id: str) -> Iterator[None]:
    """Says how to go on, where a signal ends what is inside."""
    try:
        yield
    except InterruptedBySignal:
        command = f"{COMMAND} train --env-manager local -P resume={run_id}"
        print(f"to go on from the last epoch: {command}", file=sys.stderr)
        raise


# ---------------------------------------------------------------- in the UI


def run_text(made: TrainedBackbone, config: Config, records: Records, result: FitResult) -> str:
    """The Markdown on top of a backbone's run."""
    v = made.values
    return f"""## {marked(made.backbone, made.synthetic)}: macro AUC {v["macro_auc"]:.4f} on fold 9

95% interval {interval_text(v, "macro_auc", 4)}, {judged_on(v, records)},
F_max {v["f_max"]:.4f}, best of {len(result.history)} epochs: {result.best_epoch + 1}.

{class_rows(v, records.task.classes)}{_thresholds_of_the_rest(v, records)}

- Registered as `{made.model}`, {made.n_parameters:,} parameters
- Data: `{config.data.root}`, digest `{records.digest[:16]}`, {fold_counts(records)}
- Features: `{config.features.source}`; loss: {config.training.loss}; seed {config.seed}
- Plots are under Artifacts, `plots/`; the ECGs it gets most right and most wrong, `sheets/`

```python
import mlflow
model = mlflow.pyfunc.load_model("{made.model}")
model.predict({{"signal": signal}})  # mV, float32 {_shape(records.spec)}, {records.spec.fs} Hz
```
"""


def lead_sets_text(by_set: pd.DataFrame) -> str:
    """The Markdown table of the sets of leads; "" where the model needs all of its leads."""
    if not len(by_set):
        return ""
    rows = [(str(row.leads), f"{row.macro_auc:.4f}") for row in by_set.itertuples()]
    return f"\n## Fewer leads\n\n{markdown_table(('leads', 'macro AUC, fold 9'), rows)}\n"


def comparison(trained: Sequence[TrainedBackbone], config: Config, records: Records) -> str:
    """The Markdown on top of the parent run."""
    header = ("backbone", "macro AUC", "95% interval", "F_max", "parameters", "seconds", "model")
    rows = [(each.backbone, *cells_of(each), f"`{each.model}`") for each in trained]
    return f"""## {len(trained)} backbones on fold 9

{markdown_table(header, rows)}

Data: `{config.data.root}`, digest `{records.digest[:16]}`, {fold_counts(records)}.
"""


def judged_on(values: Mapping[str, float], records: Records) -> str:
    """``2,146 records, 5 classes``: what a figure of fold 9 is over."""
    n_records, n_classes = len(records.rows((VALIDATION_FOLD,))), values["n_classes"]
    of = "" if n_classes == records.task.n_classes else f" of {records.task.n_classes}"
    return f"{n_records:,} records, {n_classes:.0f}{of} classes"


def _thresholds_of_the_rest(values: Mapping[str, float], records: Records) -> str:
    if values["n_classes"] == records.task.n_classes:
        return ""
    return (
        "\n\nThe threshold of a class that nobody in fold 9 has is 1, of one that everybody has "
        "its lowest score."
    )


def version_text(config: Config, values: dict[str, float], records: Records) -> str:
    """The description of a version in the registry."""
    spec = records.spec
    fused = "signal alone" if config.features.source == "none" else "signal and features"
    warning = f"Careful: {WARNING}. " if made_of(records.metadata) else ""
    return (
        f"{warning}{config.model.backbone} on {fused}: fold-9 macro AUC {values['macro_auc']:.4f} "
        f"(95% interval {interval_text(values, 'macro_auc', 4)}; "
        f"{judged_on(values, records)}). "
        f"Input: mV, {_shape(spec)}, {spec.fs} Hz, leads {' '.join(spec.leads)}."
    )


def _shape(spec: SignalSpec) -> str:
    return f"(n, {spec.n_leads}, {spec.n_times})"
