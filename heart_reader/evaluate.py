"""Entry point ``evaluate``: a registered model on the test fold. Only this opens fold 10.

python -m heart_reader.evaluate --model models:/heart-reader-se_resnet1d@candidate --data PATH
"""

import sys
import tempfile
from pathlib import Path

from heart_reader import describe
from heart_reader.cache import cache_folder
from heart_reader.cli import dotted_options, run_entry
from heart_reader.config import Config, load_config
from heart_reader.data.dataset import Records, load_development, load_test
from heart_reader.data.ptbxl import TEST_FOLD, VALIDATION_FOLD
from heart_reader.errors import ConfigError
from heart_reader.evaluation import report
from heart_reader.evaluation.scored import Scored
from heart_reader.fitting import require_every_class
from heart_reader.scoring import score
from heart_reader.tracking import ModelVersion, Run, load_registered, resolve_version
from heart_reader.tracking import runs as tracking

PREFIX = {TEST_FOLD: "test", VALIDATION_FOLD: "val"}


def main() -> None:
    """Reads the options, evaluates, and prints the table."""
    options = dotted_options(sys.argv[1:])
    if "model" not in options:
        raise ConfigError("evaluate needs --model models:/NAME@ALIAS")
    fold = _fold(options.pop("fold", str(TEST_FOLD)))
    address = options.pop("model")
    config = load_config(options.pop("config", "default"), options)
    tracking.set_up_tracking()
    evaluate(resolve_version(address), fold, config)


def _fold(word: str) -> int:
    if word not in {str(fold) for fold in PREFIX}:
        raise ConfigError(f"fold must be 10 (test) or 9 (validation), but is {word!r}")
    return int(word)


def evaluate(version: ModelVersion, fold: int, config: Config) -> dict[str, float]:
    """Metrics, intervals and plots of one version on one fold, in a run of their own."""
    with tracking.open_run(f"evaluate {version.name}/{version.version}, fold {fold}") as run:
        run.set_tags({"model": version.uri, "model_run_id": version.run_id, "fold": str(fold)})
        bundle = load_registered(version)
        features = "none" if bundle.encoder is None else bundle.encoder.source
        wanted = type(config.features)(features)
        load = load_test if fold == TEST_FOLD else load_development
        records = load(config.data, wanted, cache_folder())
        require_every_class(records, (fold,))
        scored = score(bundle, records, (fold,))
        values = report.metrics_with_intervals(scored, config.evaluation)
        log_evaluation(run, version, fold, scored, values, records, config)
        describe.print_evaluation(version.uri, fold, len(scored.ecg_id), values)
        return values


def log_evaluation(
    run: Run,
    version: ModelVersion,
    fold: int,
    scored: Scored,
    values: dict[str, float],
    records: Records,
    config: Config,
) -> None:
    """Everything that the evaluation found, in its run and on the model version."""
    prefix = PREFIX[fold]
    profile = describe.fold_profile(records, (fold,))
    run.log_dataset(f"ptbxl-{prefix}", records.digest, config.data.root, prefix, profile)
    run.log_metrics({f"{prefix}/{k}": v for k, v in values.items()}, 0, version.model_id or None)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        report.write_plots(scored, values, config.evaluation.n_bins, folder / "plots")
        report.write_sheets(scored, records, config.evaluation.n_sheets, folder / "sheets")
        scored.frame().to_parquet(folder / f"predictions_fold{fold}.parquet", index=False)
        run.log_folder(folder)
    run.describe(describe.evaluation_text(version.uri, fold, len(scored.ecg_id), values))


if __name__ == "__main__":
    raise SystemExit(run_entry(main))
