"""Entry point ``thresholds``: other thresholds for a registered version, without any training.

python -m registry.thresholds --model heart-reader-se_resnet1d@champion --rule precision:0.8

They are chosen from the fold-9 predictions that were logged with the version: no data are needed.
What comes of it is a new version, the candidate, with its lineage.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from heart_reader.bundle.kinds import AnyBundle
from heart_reader.cli.entry import dotted_options, run_entry
from heart_reader.config.load import Config, load_config
from heart_reader.config.strict import flatten
from heart_reader.errors import ConfigError, ModelError
from heart_reader.evaluation import metrics, report
from heart_reader.evaluation.mixing import patient_groups
from heart_reader.evaluation.scored import Scored
from heart_reader.evaluation.tables import markdown_table
from heart_reader.evaluation.thresholds import REMEMBERED, Rule, choose, cross_fitted, parse_rule
from heart_reader.tasks.task import UNKNOWN, class_key
from heart_reader.tracking import ModelVersion, Run, load_registered, resolve_version
from heart_reader.tracking import runs as tracking
from heart_reader.tracking.figures import log_figures
from registry.client import Registry, kind_of, pinned, register
from registry.ground.logged import Logged, read_logged
from registry.model_card import write_card

MADE_FROM = "thresholds_of"  # tag of a version: the one whose thresholds were changed
# Of the tags of a version, those that its thresholds don't touch; not what others judged of it.
KEPT_TAGS = (
    "backbone", "data_digest", "config_hash", "git_commit", "method", "weights", "members",
    "member_runs", "synthetic",
)  # fmt: skip
N_GROUPS, SEED = 5, 0  # of patients, for what a rule reaches on those who didn't choose


@dataclass(frozen=True)
class Changed:
    """Thresholds before and after, and what the new ones reach on other patients, a class each."""

    before: NDArray[np.float64]
    after: NDArray[np.float64]
    reached: Sequence["Reached"]


@dataclass(frozen=True)
class Reached:
    """Of one class; NaN where nobody is called positive."""

    precision: float
    sensitivity: float
    specificity: float


def main(words: Sequence[str]) -> None:
    """Reads the options, chooses, registers, and prints the table."""
    options = dotted_options(words)
    if set(options) != {"model", "rule"}:
        raise ConfigError(
            "thresholds takes --model NAME@ALIAS or NAME/VERSION and --rule RULE, and nothing "
            f"else, but was given {', '.join(sorted(options)) or 'nothing'}"
        )
    rule = parse_rule(options["rule"])
    tracking.set_up_tracking()
    version = resolve_version(options["model"])
    with tracking.open_run(f"thresholds {rule} for {pinned(version)}") as run:
        made = rethreshold(Registry(), version, rule, run)
    print(f"registered {made.uri} as candidate, made from {pinned(version)}")


def rethreshold(registry: Registry, version: ModelVersion, rule: Rule, run: Run) -> ModelVersion:
    """A new version with other thresholds; its run holds all that the old one's holds of fold 9.

    Raises:
        ModelError: no bundle, or no fold-9 predictions that were logged with this version.
        DataError: a precision that a class doesn't reach.
    """
    run.set_tags({MADE_FROM: pinned(version)})
    bundle = load_registered(version)
    config = load_config("default", {})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "report").mkdir()
        logged = read_logged(version, folder / "report")
        changed = change(bundle.thresholds, rule, logged)
        scored = _scored(logged, logged.judged, changed.after)
        values = values_of(scored, rule, logged, config)
        made = replace(
            bundle,
            thresholds=changed.after,
            provenance={
                **bundle.provenance,
                REMEMBERED: str(rule),
                MADE_FROM: pinned(version),
                "validation": values,
            },
        )
        plots = folder / "report" / "plots"
        report.write_plots(scored, values, config.evaluation.n_bins, plots)
        text = describe(version, rule, logged, changed)
        return _log(registry, version, run, made, text, folder, values, logged, changed)


# ---------------------------------------------------------------- choosing


def change(before: NDArray[np.float64], rule: Rule, logged: Logged) -> Changed:
    """New thresholds from all of fold 9, and what the rule reaches on patients left out of it.

    Raises:
        ModelError: predictions of other classes than the bundle's.
        DataError: a precision that a class doesn't reach.
    """
    if len(before) != len(logged.classes):
        raise ModelError(
            f"the bundle has {len(before)} thresholds, its predictions {len(logged.classes)} "
            f"classes ({', '.join(logged.classes)})"
        )
    after = choose(rule, logged.y_true, logged.own, logged.classes)
    y_pred = cross_fitted(rule, logged.y_true, logged.judged, groups_of(logged))
    known = logged.y_true != UNKNOWN
    reached = [
        _reached(logged.y_true[known[:, k], k] == 1, y_pred[known[:, k], k])
        for k in range(len(logged.classes))
    ]
    return Changed(before, after, reached)


def groups_of(logged: Logged) -> NDArray[np.int64]:
    """Groups of patients, (n_records,); of records where the patients aren't known."""
    patients = logged.ecg_id if logged.patients is None else logged.patients
    return patient_groups(patients, N_GROUPS, np.random.default_rng(SEED))


def _reached(truth: NDArray[np.bool_], said: NDArray[np.bool_]) -> Reached:
    def share(of: NDArray[np.bool_], among: NDArray[np.bool_]) -> float:
        return float(of[among].mean()) if among.any() else float("nan")

    return Reached(share(truth, said), share(said, truth), share(~said, ~truth))


def values_of(scored: Scored, rule: Rule, logged: Logged, config: Config) -> dict[str, float]:
    """Every fold-9 metric; those that need thresholds by thresholds that other patients chose."""
    values = report.metrics_with_intervals(scored, config.evaluation)
    y_pred = cross_fitted(rule, logged.y_true, logged.judged, groups_of(logged))
    challenge = metrics.challenge_metrics(logged.y_true, y_pred)
    return values | {"f_beta": challenge.f_beta, "g_beta": challenge.g_beta}


def _scored(
    logged: Logged, y_score: NDArray[np.float32], thresholds: NDArray[np.float64]
) -> Scored:
    rows = np.arange(len(logged.ecg_id))
    return Scored(rows, logged.ecg_id, logged.y_true, y_score, thresholds, logged.classes)


# ---------------------------------------------------------------- logging


def _log(
    registry: Registry,
    version: ModelVersion,
    run: Run,
    made: AnyBundle,
    text: str,
    folder: Path,
    values: dict[str, float],
    logged: Logged,
    changed: Changed,
) -> ModelVersion:
    """Predictions, plots and lineage into the run; the bundle into the registry."""
    tags = registry.tags(version)
    kept = {key: tags[key] for key in KEPT_TAGS if key in tags}
    kept |= {
        REMEMBERED: str(made.provenance[REMEMBERED]),
        MADE_FROM: pinned(version),
        "val_macro_auc": f"{values['macro_auc']:.4f}",
    }
    run.log_params(Run(version.run_id).params())
    named = dict(zip(map(class_key, logged.classes), changed.after.tolist(), strict=True))
    run.log_params(flatten({"threshold": named, REMEMBERED: kept[REMEMBERED]}))
    run.log_folder(folder / "report")
    new = register(made, kind_of(version.name), folder / "bundle", text, kept)
    digest = str(kept.get("data_digest", "unknown"))
    # From here on the predictions in this run are those of the new version.
    run.set_tags({**kept, "model": new.uri, "data_digest": digest})
    log_figures(run, {f"val/{key}": value for key, value in values.items()}, 0, new.model_id)
    run.describe(f"## {new.uri}\n\n{text}")
    write_card(registry, new)
    print_table(f"{pinned(new)}, {kept[REMEMBERED]}", logged.classes, changed)
    return new


COLUMNS = ("class", "before", "after", "precision", "sensitivity", "specificity")


def cells(classes: Sequence[str], changed: Changed) -> list[tuple[str, ...]]:
    """A row a class."""
    rows = zip(classes, changed.before, changed.after, changed.reached, strict=True)
    return [
        (name, *(f"{v:.3f}" for v in (old, new, r.precision, r.sensitivity, r.specificity)))
        for name, old, new, r in rows
    ]


def describe(version: ModelVersion, rule: Rule, logged: Logged, changed: Changed) -> str:
    """The Markdown of the run and of the version."""
    who = "patients" if logged.patients is not None else "records (their patients aren't known)"
    return f"""`{pinned(version)}` with thresholds by `{rule}`, chosen on fold 9; nothing else is \
changed.

{markdown_table(COLUMNS, cells(logged.classes, changed))}

Precision, sensitivity and specificity on {who} that the thresholds weren't chosen on: \
{N_GROUPS} groups of fold 9, each with the thresholds of the others.
"""


def print_table(title: str, classes: Sequence[str], changed: Changed) -> None:
    """The same on the terminal."""
    table = Table(*COLUMNS, title=title)
    for column in table.columns[1:]:
        column.justify = "right"
    for row in cells(classes, changed):
        table.add_row(*row)
    Console().print(table)
    print("reached: on parts of fold 9 that the thresholds weren't chosen on")


if __name__ == "__main__":
    raise SystemExit(run_entry(main))
