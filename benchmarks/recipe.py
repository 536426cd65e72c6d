"""What each change of the recipe was worth: finished runs against one of them, on fold 9.

    python benchmarks/recipe.py --store sqlite:///mlflow.db --baseline RUN_ID

Prints a Markdown table: the parameters that a run doesn't share with the baseline, its macro AUC,
the paired difference with a 90% interval (the same 1,000 resamples for all), and its seconds.
"""

import argparse
import tempfile

import mlflow
import numpy as np
import pandas as pd
from mlflow.entities import Run

from heart_reader.config.load import load_config
from heart_reader.config.strict import flatten, to_dict
from heart_reader.data.ptbxl import SUPERCLASSES
from heart_reader.evaluation.bootstrap import compare
from heart_reader.evaluation.metrics import class_auc
from heart_reader.evaluation.report import resamples_for

PREDICTIONS = "predictions_fold9.parquet"
IGNORED = ("data.root", "training.patience", "training.device")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", required=True, help="a tracking URI")
    parser.add_argument("--baseline", required=True, help="the first characters of a run ID")
    options = parser.parse_args()
    mlflow.set_tracking_uri(options.store)
    runs = with_predictions()
    found = [run for run in runs if run.info.run_id.startswith(options.baseline)]
    if len(found) != 1:
        raise SystemExit(f"--baseline {options.baseline!r} fits {len(found)} finished runs, not 1")
    table(found[0], runs)


def with_predictions() -> list[Run]:
    """Finished runs that logged what they said about fold 9, the oldest first."""
    client = mlflow.MlflowClient()
    experiments = [e.experiment_id for e in client.search_experiments()]
    runs = client.search_runs(
        experiments, "attributes.status = 'FINISHED'", order_by=["attributes.start_time"]
    )
    return [
        run
        for run in runs
        if PREDICTIONS in {a.path for a in client.list_artifacts(run.info.run_id)}
    ]


def predictions(run: Run) -> pd.DataFrame:
    """Rows of fold 9 by ``ecg_id``."""
    with tempfile.TemporaryDirectory() as folder:
        path = mlflow.artifacts.download_artifacts(
            run_id=run.info.run_id, artifact_path=PREDICTIONS, dst_path=folder
        )
        return pd.read_parquet(path).set_index("ecg_id")


def table(baseline: Run, runs: list[Run]) -> None:
    """One row a run."""
    reference = predictions(baseline)
    y_true, score = columns(reference, "true"), columns(reference, "score")
    resamples = resamples_for(y_true.astype(np.uint8), 1000)
    print("| run | what differs | macro AUC | minus baseline (90%) | epochs | minutes |")
    print("|---|---|---|---|---|---|")
    for run in runs:
        frame = predictions(run)
        if not frame.index.equals(reference.index):
            continue  # of other records: nothing to pair
        own = columns(frame, "score")
        change = compare(y_true, own, score, resamples).macro
        low, high = change.interval_90
        minutes = (run.info.end_time - run.info.start_time) / 60_000
        print(
            f"| {run.info.run_id[:8]} | {differences(run, baseline)} "
            f"| {class_auc(y_true, own).mean():.4f} "
            f"| {change.value:+.4f} ({low:+.4f} to {high:+.4f}) "
            f"| {run.data.params['training.epochs']} | {minutes:.0f} |"
        )


def columns(frame: pd.DataFrame, kind: str) -> np.ndarray:
    """(n_records, n_classes)"""
    return frame[[f"{kind}_{name}" for name in SUPERCLASSES]].to_numpy()


def differences(run: Run, baseline: Run) -> str:
    """``key value`` of each parameter that the two don't share."""
    # A run made before a key existed did what the key's default does.
    defaults = {
        key: str(value) for key, value in flatten(to_dict(load_config("default", {}))).items()
    }
    own, other = defaults | run.data.params, defaults | baseline.data.params
    found = [
        f"{key} {own[key]}"
        for key in sorted(defaults)
        if own[key] != other[key] and key not in IGNORED
    ]
    return ", ".join(found) or "nothing (the baseline)"


if __name__ == "__main__":
    main()
