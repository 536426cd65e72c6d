"""Entry point ``evaluate``: a registered model on the test fold. Only this opens fold 10.

python -m heart_reader.evaluate --model models:/heart-reader-se_resnet1d@champion --data PATH
python -m heart_reader.evaluate --model models:/heart-reader-se_resnet1d@candidate --fold 9
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from heart_reader.bundle.scoring import LEFT_OUT, require_some_class, score
from heart_reader.cli.entry import dotted_options, run_entry
from heart_reader.config.load import Config
from heart_reader.config.request import AUTO, ConfigRequest, config_request
from heart_reader.data.dataset import Records, load_development, load_test
from heart_reader.data.demo.marks import data_set, made_of, marked
from heart_reader.data.labelled import data_name
from heart_reader.data.ptbxl import TEST_FOLD, VALIDATION_FOLD
from heart_reader.errors import ConfigError
from heart_reader.evaluation import report, subgroups
from heart_reader.evaluation.scored import Scored
from heart_reader.evaluation.tables import (
    auc_rows,
    evaluation_text,
    fold_profile,
    looks_text,
    subgroup_text,
    unjudged_lines,
)
from heart_reader.files import cache_folder
from heart_reader.project import CONFIG_DEFAULTS
from heart_reader.tasks.task import MANY
from heart_reader.tracking import (
    ModelVersion,
    Run,
    count_runs,
    load_registered,
    registered_name,
    resolve_version,
    tag_version,
)
from heart_reader.tracking import runs as tracking
from heart_reader.tracking.figures import log_figures
from heart_reader.tracking.versions import CHAMPION, aliases_of

PREFIX = {TEST_FOLD: "test", VALIDATION_FOLD: "val"}
EVALUATED = "model"  # the tag of a run that says which version it judged
SHOWN = MANY  # classes on the terminal; of more the worst


@dataclass(frozen=True)
class EvaluateRequest:
    """A registered model, the fold to judge it on, and what is asked of the configuration.

    ``fold`` is ``None`` where none was named: then it is 10, and the model must be champion.
    """

    model: str
    fold: int | None
    config: ConfigRequest


def main(words: Sequence[str]) -> None:
    """Reads the options, evaluates, and prints the table."""
    request = read_request(dotted_options(words))
    tracking.set_up_tracking()
    evaluate(request)


def read_request(options: Mapping[str, str]) -> EvaluateRequest:
    """What the options ask for.

    Raises:
        ConfigError: no model, another fold, unknown options or values.
    """
    left = dict(options)
    if "model" not in left:
        raise ConfigError("evaluate needs --model NAME@ALIAS or NAME/VERSION")
    model, fold = left.pop("model"), _fold(left.pop("fold", AUTO))
    request = EvaluateRequest(model, fold, config_request(left))
    request.config.check()
    return request


def _fold(word: str) -> int | None:
    if word == AUTO:
        return None
    if word not in {str(fold) for fold in PREFIX}:
        raise ConfigError(f"fold must be 10 (test) or 9 (validation), but is {word!r}")
    return int(word)


def test_request(model: str, config: ConfigRequest) -> EvaluateRequest:
    """A model on the test fold, as the plan asks for it."""
    return EvaluateRequest(model, TEST_FOLD, config)


def evaluate(request: EvaluateRequest) -> dict[str, float]:
    """Metrics, intervals and plots of one version on one fold, in a run of their own.

    The data are those that the version was trained on, unless the request names others.
    """
    version = resolve_version(request.model)
    fold = fold_of(version, request.fold)
    short = version.name.removeprefix(registered_name(""))  # the UI shows 20 letters of a name
    with tracking.open_run(f"evaluate {short} v{version.version}, fold {fold}") as run:
        bundle = load_registered(version)
        config = request.config.for_bundle(bundle.provenance)
        # Before the fold is opened, so that a look which fails later counts as well.
        run.set_tags({EVALUATED: version.uri, "model_run_id": version.run_id, "fold": str(fold)})
        n_looks = count_runs({EVALUATED: version.uri, "fold": str(fold)})
        wanted = type(config.features)(bundle.feature_source)
        load = load_test if fold == TEST_FOLD else load_development
        records = load(config.data, config.task, wanted, cache_folder(), config.signal)
        require_some_class(records, (fold,), LEFT_OUT)
        scored = score(bundle, records, (fold,))
        values = report.metrics_with_intervals(scored, config.evaluation)
        groups = by_subgroup(scored, records, config)
        log_evaluation(run, version, fold, scored, values, groups, records, config)
        text = evaluation_text(version.uri, fold, len(scored.ecg_id), values, scored.classes)
        looks = looks_text(n_looks, fold)
        run.describe(f"{text}\n{looks}\n\n{subgroup_text(groups, scored.classes)}")
        tag_version(version, PREFIX[fold], evaluation_tags(run, scored, values, records, n_looks))
        print_evaluation(version.uri, fold, len(scored.ecg_id), values, scored.classes)
        print(looks)
        return values


def fold_of(version: ModelVersion, named: int | None) -> int:
    """The fold that was named, else 10: each look at it makes what follows look too good.

    Raises:
        ConfigError: none was named, and the version is nobody's champion.
    """
    if named is None and CHAMPION not in aliases_of(version):
        raise ConfigError(
            f"{version.uri} is no champion, and fold 10 is for champions: promote it first, judge "
            "it on fold=9, or say fold=10 to open the test fold all the same"
        )
    return TEST_FOLD if named is None else named


def by_subgroup(scored: Scored, records: Records, config: Config) -> list[subgroups.Subgroup]:
    """AUC by sex, age, signal quality and site."""
    metadata = records.metadata.iloc[scored.rows]
    generator = np.random.default_rng(report.RESAMPLING_SEED)
    n_resamples = config.evaluation.n_resamples
    return subgroups.by_subgroup(
        metadata, scored.y_true, scored.y_score, scored.classes, n_resamples, generator
    )


def evaluation_tags(
    run: Run, scored: Scored, values: dict[str, float], records: Records, n_looks: int
) -> dict[str, str]:
    """What stands on the version of its evaluation; the run has the rest."""
    chosen = ("macro_auc", "macro_auc_low95", "macro_auc_high95", "f_max", "ece")
    tags = {key: f"{values[key]:.4f}" for key in chosen}
    return tags | {
        "run_id": run.run_id,
        "data_digest": records.digest[:16],
        "n_records": str(len(scored.ecg_id)),
        "evaluations": str(n_looks),
    }


def log_evaluation(
    run: Run,
    version: ModelVersion,
    fold: int,
    scored: Scored,
    values: dict[str, float],
    groups: list[subgroups.Subgroup],
    records: Records,
    config: Config,
) -> None:
    """Everything that the evaluation found, in its run and on the model version."""
    prefix = PREFIX[fold]
    profile = fold_profile(records, (fold,))
    root = config.data.root
    name = data_set(prefix, made_of(records.metadata), data_name(root))
    run.log_dataset(name, records.digest, root, prefix, profile)
    run.set_tags({"data_digest": records.digest[:16]})
    parts = {f"{prefix}/{g.name}/{k}": v for g in groups for k, v in g.values.items()}
    parts |= {f"{prefix}/{g.name}/n_records": float(g.n_records) for g in groups}
    whole = {f"{prefix}/{k}": v for k, v in values.items()}
    log_figures(run, whole, 0, version.model_id or None, parts)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        n_bins, n_sheets = config.evaluation.n_bins, config.evaluation.n_sheets
        named = marked(version.uri, made_of(records.metadata))
        judged = f"{named.removeprefix('models:/')}, fold {fold}"
        report.write_plots(scored, values, n_bins, folder / "plots", judged)
        report.write_sheets(scored, records, n_sheets, folder / "sheets", named)
        report.frame_of(scored, records).to_parquet(
            folder / f"predictions_fold{fold}.parquet", index=False
        )
        subgroups.frame(groups).to_csv(folder / "subgroups.csv", index=False)
        run.log_folder(folder)


def print_evaluation(
    model: str, fold: int, n_records: int, values: dict[str, float], classes: Sequence[str]
) -> None:
    """A row a class, and the mean."""
    table = Table("class", "AUC", "95% interval", "AUPRC")
    table.title = f"{model} on fold {fold}, {n_records:,} records"
    for column in table.columns[1:]:
        column.justify = "right"
    for row in auc_rows(values, classes)[: SHOWN + 1]:
        table.add_row(*row)
    console = Console()
    console.print(table)
    if len(classes) > MANY:
        console.print(f"the {SHOWN} worst of {len(classes)} classes; all are in plots/classes.csv")
    for line in unjudged_lines(values, classes):
        console.print(line, highlight=False, soft_wrap=True)
    console.print(f"F_max {values['f_max']:.4f}, calibration error {values['ece']:.4f}")


if __name__ == "__main__":
    raise SystemExit(run_entry(main, CONFIG_DEFAULTS))
