"""Figures of a run: what is a metric, what stands in the table, and runs of before."""

from pathlib import Path

import mlflow
import pandas as pd
import pytest

from heart_reader.tracking.figures import FILE, figures_of, flat, log_figures, table
from heart_reader.tracking.fresh import make_store
from heart_reader.tracking.run import Run

VALUES = {
    "val/macro_auc": 0.1 + 0.2,  # has no short decimal form
    "val/macro_auc_low95": 0.25, "val/macro_auc_high95": 0.35,
    "val/macro_auc_low90": 0.26, "val/macro_auc_high90": 0.34,
    "val/f_max": 0.8, "val/f_max_low95": 1 / 3, "val/f_max_high95": 0.9,
    "val/auc_RARE": 0.7,  # no resample has it
}  # fmt: skip
PARTS = {"val/sex/male/macro_auc": 0.5, "val/sex/male/macro_auc_low95": 0.4}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    make_store(uri)
    mlflow.set_tracking_uri(uri)
    client = mlflow.MlflowClient()
    made = client.create_experiment("figures", artifact_location=(tmp_path / "files").as_uri())
    yield Run(client.create_run(made).info.run_id)
    mlflow.set_tracking_uri(None)


def test_bounds_are_in_the_table_and_come_back_to_the_last_bit(run: Run):
    log_figures(run, VALUES, 0, parts=PARTS)
    assert run.metrics() == {
        key: VALUES[key]
        for key in (
            "val/macro_auc", "val/macro_auc_low95", "val/macro_auc_high95",
            "val/f_max", "val/auc_RARE",
        )
    }  # fmt: skip
    assert figures_of(run) == VALUES | PARTS


def test_the_table_reads_as_a_table(run: Run, tmp_path: Path):
    log_figures(run, VALUES, 0)
    frame = pd.read_csv(run.download(FILE, tmp_path / "read"), index_col="figure")
    assert list(frame) == ["value", "low95", "high95", "low90", "high90"]
    assert frame.loc["val/macro_auc"].tolist() == [0.1 + 0.2, 0.25, 0.35, 0.26, 0.34]
    assert frame.loc["val/auc_RARE"].isna().tolist() == [False, True, True, True, True]


def test_a_run_of_before_has_them_as_metrics(run: Run):
    run.log_metrics(VALUES | PARTS, 0)
    assert figures_of(run) == VALUES | PARTS


def test_logged_again_by_a_run_that_goes_on_changes_nothing(run: Run):
    for _ in range(2):
        log_figures(run, VALUES, 4, once=True)
    history = run.client.get_metric_history(run.run_id, "val/macro_auc")
    assert [(point.step, point.value) for point in history] == [(4, 0.1 + 0.2)]
    assert figures_of(run) == VALUES


def test_a_figure_that_looks_like_a_bound_of_nothing_is_kept():
    assert flat(table({"x_low95": 1.0}).to_csv(index_label="figure")) == {"x_low95": 1.0}
