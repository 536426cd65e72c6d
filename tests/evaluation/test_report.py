"""The report of one model on one fold: numbers against scikit-learn, files as they lie."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread
from sklearn.metrics import average_precision_score, recall_score, roc_auc_score

from heart_reader.config.load import load_config
from heart_reader.data.dataset import FeaturesConfig, load_development
from heart_reader.data.ptbxl import SUPERCLASSES
from heart_reader.evaluation import report
from heart_reader.evaluation.config import EvaluationConfig
from heart_reader.evaluation.scored import Scored
from heart_reader.evaluation.tables import auc_rows, unjudged_lines
from tests.evaluation.conftest import make_fold

CONFIG = EvaluationConfig(200, 10, 1, "youden", 0, "none", 0.0, 0)


@pytest.fixture(scope="module")
def scored() -> Scored:
    y_true, y_score = make_fold(300, seed=5)
    rows = np.arange(300)
    return Scored(rows, rows + 1, y_true.astype(np.uint8), y_score, np.full(5, 0.5), SUPERCLASSES)


@pytest.fixture(scope="module")
def values(scored) -> dict[str, float]:
    return report.metrics_with_intervals(scored, CONFIG)


def test_points_against_scikit_learn(scored, values):
    for k, name in enumerate(SUPERCLASSES):
        column = scored.y_true[:, k], scored.y_score[:, k]
        assert values[f"auc_{name}"] == pytest.approx(roc_auc_score(*column), abs=1e-9)
        assert values[f"auprc_{name}"] == pytest.approx(average_precision_score(*column))
    macro = roc_auc_score(scored.y_true, scored.y_score, average="macro")
    assert values["macro_auc"] == pytest.approx(macro, abs=1e-9)


def test_intervals_hold_the_point_and_the_wider_holds_the_narrower(values):
    for name in ("macro_auc", "f_max", *(f"auc_{c}" for c in SUPERCLASSES)):
        ends = [values[f"{name}_{end}"] for end in ("low95", "low90", "high90", "high95")]
        assert ends == sorted(ends)
        assert ends[0] < values[name] < ends[3]


def test_an_interval_against_hanley_and_mcneil(scored, values):
    """Standard error of one AUC, Hanley & McNeil, Radiology 1982;143:29-36."""
    auc, n_pos = values["auc_MI"], int(scored.y_true[:, 1].sum())
    n_neg = len(scored.y_true) - n_pos
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (n_pos - 1) * (q1 - auc**2) + (n_neg - 1) * (q2 - auc**2)
    width = 2 * 1.96 * np.sqrt(variance / (n_pos * n_neg))
    found = values["auc_MI_high95"] - values["auc_MI_low95"]
    assert found == pytest.approx(width, rel=0.25)


def test_two_models_share_their_resamples(scored, values):
    assert report.metrics_with_intervals(scored, CONFIG) == values
    one, other = (report.resamples_for(scored.y_true, 20) for _ in range(2))
    for name, part in vars(one).items():
        np.testing.assert_array_equal(part, getattr(other, name))


def test_every_value_is_finite_and_named_as_mlflow_allows(values):
    assert all(np.isfinite(list(values.values())))
    assert all(name.replace("_", "").isalnum() for name in values)


def test_plots_are_pictures(scored, values, tmp_path):
    report.write_plots(scored, values, CONFIG.n_bins, tmp_path / "plots")
    names = {path.stem for path in (tmp_path / "plots").glob("*.png")}
    assert names == {"roc", "precision_recall", "calibration", "confusion", "cooccurrence"}
    for path in (tmp_path / "plots").glob("*.png"):
        picture = imread(path)
        assert min(picture.shape[:2]) > 300 and picture.std() > 0.01


def test_the_table_of_classes_has_all_of_them_the_worst_first(scored, values, tmp_path):
    report.write_plots(scored, values, CONFIG.n_bins, tmp_path)
    table = pd.read_csv(tmp_path / "classes.csv")
    assert set(table["class"]) == set(SUPERCLASSES)
    assert table["auc"].is_monotonic_increasing
    for row in table.itertuples():
        k = SUPERCLASSES.index(row[1])
        true, found = scored.y_true[:, k], scored.y_score[:, k] >= scored.thresholds[k]
        assert row.auc == pytest.approx(roc_auc_score(true, scored.y_score[:, k]), abs=1e-4)
        assert row.auc_low95 == pytest.approx(values[f"auc_{row[1]}_low95"], abs=1e-4)
        assert row.sensitivity == pytest.approx(recall_score(true, found), abs=1e-4)
        assert row.specificity == pytest.approx(recall_score(1 - true, ~found), abs=1e-4)
        assert row.n_positive == true.sum()


def test_a_class_that_nobody_has_is_named_and_drawn_nowhere(scored, tmp_path):
    """Of a fold in which nobody has STTC, and of classes whose names no file would take."""
    y_true = scored.y_true.copy()
    y_true[:, 2] = 0
    names = ("NORM", "PRC(S)", "STTC", "LAFB/LPFB", "HYP")
    lacking = replace(scored, y_true=y_true, classes=names)
    values = report.metrics_with_intervals(lacking, CONFIG)
    assert values["n_classes"] == 4 and not any(key.startswith("auc_STTC") for key in values)
    assert all(np.isfinite(list(values.values())))
    assert {"auc_PRC_S_", "auc_PRC_S__low95", "auc_LAFB_LPFB"} <= set(values)
    report.write_plots(lacking, values, CONFIG.n_bins, tmp_path)
    table = pd.read_csv(tmp_path / "classes.csv")
    assert table["class"].iloc[-1] == "STTC" and table["auc"].isna().tolist() == [
        *[False] * 4,
        True,
    ]
    (line,) = unjudged_lines(values, names)
    assert "STTC" in line and "over 4 of 5 classes" in line
    assert [row[0] for row in auc_rows(values, names)] == [
        "macro of 4 classes", "NORM", "PRC(S)", "LAFB/LPFB", "HYP"
    ]  # fmt: skip


def test_of_many_classes_the_worst_come_first():
    generator = np.random.default_rng(3)
    y_true = (generator.random((400, 71)) < 0.2).astype(np.uint8)
    noise = np.linspace(0.1, 2, 71)
    y_score = 1 / (1 + np.exp(-(y_true + noise * generator.normal(size=y_true.shape))))
    names = tuple(f"C{k:02d}" for k in range(71))
    rows = np.arange(400)
    many = Scored(rows, rows, y_true, y_score.astype(np.float32), np.full(71, 0.5), names)
    values = report.metrics_with_intervals(many, replace(CONFIG, n_resamples=10))
    aucs = roc_auc_score(y_true, y_score.astype(np.float32), average=None)
    told = [row[0] for row in auc_rows(values, names)]
    assert told == ["macro", *(names[k] for k in np.argsort(aucs, kind="stable"))]


def test_sheets_are_of_the_most_right_and_the_most_wrong(demo_root, cache, tmp_path):
    config = load_config("default", {"data": str(demo_root)})
    records = load_development(config.data, config.task, FeaturesConfig("none"), cache)
    rows = records.rows((9,))
    y_true = records.y_true[rows]
    y_score = np.where(y_true == 1, 0.6, 0.4).astype(np.float32)
    y_score[4] = np.where(y_true[4] == 1, 0.99, 0.01)
    y_score[7] = np.where(y_true[7] == 1, 0.02, 0.98)
    scored = Scored(rows, records.ecg_id[rows], y_true, y_score, np.full(5, 0.5), SUPERCLASSES)
    report.write_sheets(scored, records, 1, tmp_path)
    best, worst = (records.ecg_id[rows[k]] for k in (4, 7))
    expected = {f"best_1_{best:05d}.png", f"worst_1_{worst:05d}.png"}
    assert {path.name for path in tmp_path.iterdir()} == expected


def test_the_frame_is_what_parquet_gives_back(scored, tmp_path):
    import pandas as pd

    scored.frame().to_parquet(tmp_path / "p.parquet", index=False)
    frame = pd.read_parquet(tmp_path / "p.parquet")
    assert list(frame.columns) == [
        "ecg_id",
        *(f"{kind}_{name}" for name in SUPERCLASSES for kind in ("true", "score")),
    ]
    np.testing.assert_array_equal(frame["true_CD"], scored.y_true[:, 3])
    np.testing.assert_array_equal(frame["score_CD"], scored.y_score[:, 3])
