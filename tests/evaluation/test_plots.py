"""What the figures hold is compared with scikit-learn and numpy.

Covers: heart_reader.evaluation.plots.simplex.
"""

import numpy as np
import pytest
from matplotlib.image import imread
from scipy.stats import binomtest
from sklearn.calibration import calibration_curve
from sklearn.metrics import (
    average_precision_score,
    multilabel_confusion_matrix,
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)

from heart_reader.errors import DataError
from heart_reader.evaluation import bootstrap
from heart_reader.evaluation.plots import calibration, matrices
from heart_reader.evaluation.plots import curves as plots
from heart_reader.evaluation.plots.chosen import drawn_classes
from heart_reader.evaluation.plots.figures import CLASS_COLORS, class_color, class_colors, save
from heart_reader.evaluation.plots.simplex import simplex_figure
from heart_reader.evaluation.plots.training_curves import training_curves
from tests.evaluation.conftest import CLASSES

THRESHOLDS = np.array([0.3, 0.4, 0.5, 0.6, 0.5])


def line_of(axes, color, marker="None"):
    """The one line of a colour and marker."""
    lines = [x for x in axes.lines if x.get_color() == color and x.get_marker() == marker]
    assert len(lines) == 1
    return lines[0]


def legend_of(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def texts_of(axes):
    return [text.get_text() for text in axes.texts]


def simulate(color, kind):
    """A colour as a dichromat sees it: Machado et al. 2009, severity 1, linear RGB."""
    matrix = {
        "deuteranopia": [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ],
        "protanopia": [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ],
    }[kind]
    rgb = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.clip(np.array(matrix) @ rgb**2.2, 0, 1)
    return linear ** (1 / 2.2)


@pytest.mark.parametrize("kind", ["deuteranopia", "protanopia"])
def test_class_colours_differ_for_the_colour_blind(kind):
    seen = [simulate(color, kind) for color in CLASS_COLORS.values()]
    distances = [np.linalg.norm(a - b) for i, a in enumerate(seen) for b in seen[:i]]
    # the first five of matplotlib's own colours come as close as 0.11 and 0.05
    assert min(distances) > 0.18


def test_a_class_without_a_colour_is_named():
    with pytest.raises(DataError, match="no colour for class 'NROM', did you mean 'NORM'"):
        class_color("NROM")


def test_roc_curves(fold):
    y_true, y_score = fold
    resamples = bootstrap.draw(y_true, 20, np.random.default_rng(0))
    interval = bootstrap.interval(bootstrap.auc_bootstrap(y_true, y_score, resamples), 0.95)
    (axes,) = plots.roc_curves(y_true, y_score, CLASSES, interval, 0.95, THRESHOLDS).axes
    for c, name in enumerate(CLASSES):
        fpr, tpr, _ = roc_curve(y_true[:, c], y_score[:, c])
        np.testing.assert_array_equal(
            line_of(axes, CLASS_COLORS[name]).get_xydata(), np.stack([fpr, tpr], axis=1)
        )
        auc = roc_auc_score(y_true[:, c], y_score[:, c])
        low, high = interval[:, c]
        assert legend_of(axes)[c] == f"{name}   {auc:.3f}  ({low:.3f} to {high:.3f})"
    assert "95% interval" in axes.get_legend().get_title().get_text()
    confusion = multilabel_confusion_matrix(y_true, y_score >= THRESHOLDS)
    for (tn, fp), (fn, tp), name in zip(confusion[:, 0], confusion[:, 1], CLASSES, strict=True):
        dot = line_of(axes, CLASS_COLORS[name], "o").get_xydata()[0]
        assert tuple(dot) == pytest.approx((fp / (fp + tn), tp / (tp + fn)))


def test_precision_recall(fold):
    y_true, y_score = fold
    (axes,) = plots.precision_recall(y_true, y_score, CLASSES).axes
    for c, name in enumerate(CLASSES):
        curve, chance = (x for x in axes.lines if x.get_color() == CLASS_COLORS[name])
        precision, recall, _ = precision_recall_curve(y_true[:, c], y_score[:, c])
        np.testing.assert_array_equal(curve.get_xydata(), np.stack([recall, precision], axis=1))
        assert chance.get_ydata()[0] == pytest.approx(y_true[:, c].mean())
        area = average_precision_score(y_true[:, c], y_score[:, c])
        assert legend_of(axes)[c].startswith(f"{name}   {area:.3f}  (")
    # the area under the steps as drawn is the AUPRC in the legend
    x, y = curve.get_xydata().T
    assert curve.get_drawstyle() == "steps-pre"
    assert -np.sum(np.diff(x) * y[:-1]) == pytest.approx(area)


def test_calibration(fold):
    y_true, y_score = fold
    figure = calibration.calibration(y_true, y_score, CLASSES, 5, "a model, fold 9")
    uppers, lowers = figure.axes[0::2], figure.axes[1::2]
    assert len(uppers) == 5
    for c, (name, axes) in enumerate(zip(CLASSES, uppers, strict=True)):
        drawn = line_of(axes, CLASS_COLORS[name], "o").get_xydata()
        if len(np.unique(y_score[:, c])) == len(y_score):  # ties are split in other ways
            observed, predicted = calibration_curve(
                y_true[:, c], y_score[:, c], n_bins=10, strategy="quantile"
            )
            np.testing.assert_allclose(drawn, np.stack([predicted, observed], axis=1), atol=1e-12)
        assert axes.get_title(loc="left").startswith(name)
    (bars,) = lowers[0].patches
    np.testing.assert_array_equal(
        bars.get_data().values, np.histogram(y_score[:, 0], np.linspace(0, 1, 21))[0]
    )
    assert "a model, fold 9" in [text.get_text() for text in figure.texts]


def test_calibration_bins_hold_equally_many_and_never_a_few():
    rng = np.random.default_rng(0)
    scores, truth = rng.random(2000) ** 4, rng.random(2000) < 0.2
    predicted, observed, count = calibration.equal_counts(truth, scores, 20)
    np.testing.assert_array_equal(count, 100)
    assert (np.diff(predicted) > 0).all()
    assert observed.mean() == pytest.approx(truth.mean())
    assert len(calibration.equal_counts(truth[:79], scores[:79], 20)[2]) == 3
    assert calibration.equal_counts(truth[:5], scores[:5], 20)[2].tolist() == [5]


@pytest.mark.parametrize(("k", "n"), [(0, 20), (3, 20), (20, 20), (57, 100)])
def test_intervals_against_scipy(k, n):
    low, high = calibration.wilson(np.array([k], float), np.array([n], float))
    expected = binomtest(k, n).proportion_ci(method="wilson")
    assert (low[0], high[0]) == pytest.approx((expected.low, expected.high))


def test_plots_say_whose_scores_they_show(fold):
    y_true, y_score = fold
    note = "inception1d/3, fold 9, 300 records"
    intervals = np.zeros((2, 5))
    roc = plots.roc_curves(y_true, y_score, CLASSES, intervals, 0.95, THRESHOLDS, note)
    for figure in (roc, plots.precision_recall(y_true, y_score, CLASSES, note)):
        assert note in texts_of(figure.axes[0])


# ---------------------------------------------------------------- many classes


def many_classes(n_classes=71, n_records=400):
    rng = np.random.default_rng(3)
    shares = np.linspace(0.5, 0.02, n_classes)
    y_true = rng.random((n_records, n_classes)) < shares
    y_true[0], y_true[1] = True, False
    skill = np.linspace(3, 0, n_classes)  # the last are drawn at random
    logits = skill * (y_true - 0.5) + rng.standard_normal(y_true.shape)
    return y_true, 1 / (1 + np.exp(-logits)), [f"C{k}" for k in range(n_classes)]


def test_of_many_classes_the_worst_and_the_most_frequent_are_drawn():
    labels = np.zeros((100, 71), bool)
    for c in range(71):
        labels[: 90 - c, c] = True
    quality = np.linspace(0.9, 0.5, 71)
    assert drawn_classes(labels, quality) == [0, 1, 2, 3, 67, 68, 69, 70]
    assert drawn_classes(labels[:, :8], quality[:8]) == list(range(8))


def test_curves_of_71_classes_stay_legible():
    y_true, y_score, names = many_classes()
    intervals, limits = np.zeros((2, 71)), np.full(71, 0.5)
    (axes,) = plots.roc_curves(y_true, y_score, names, intervals, 0.95, limits).axes
    legend = legend_of(axes)
    assert len(legend) == 8
    areas = [roc_auc_score(y_true[:, c], y_score[:, c]) for c in range(71)]
    worst = names[int(np.argmin(areas))]
    assert any(line.startswith(f"{worst} ") for line in legend)
    assert any("8 of 71 classes" in word for word in texts_of(axes))
    assert f"{np.mean(areas):.3f}" in axes.get_title(loc="left")
    assert len(matrices.confusion_matrices(y_true, y_score >= 0.5, names).axes) == 8
    truth, _ = matrices.label_cooccurrence(y_true, y_score >= 0.5, names).axes
    assert len(truth.get_xticklabels()) == 12
    assert len(calibration.calibration(y_true, y_score, names, 10).axes) == 16


def test_classes_keep_their_colours_and_others_get_different_ones():
    colors = class_colors(["AMI", "NORM", "LMI", "HYP", "IVCD", "AVB", "RAO", "WPW"])
    assert colors["NORM"] == CLASS_COLORS["NORM"] and colors["HYP"] == CLASS_COLORS["HYP"]
    assert len(set(colors.values())) == 8


# ---------------------------------------------------------------- weights


def weight_map():
    points = np.array([(a, b, 6 - a - b) for a in range(7) for b in range(7 - a)]) / 6
    return points, 0.9 - ((points - [0.5, 0.2, 0.3]) ** 2).sum(axis=1)


def test_marks_of_weights_are_told_apart():
    points, values = weight_map()
    marks = {"chosen": np.array([0.5, 0.2, 0.3]), "mean": np.full(3, 1 / 3)}
    axes = simplex_figure(points, values, "abc", marks).axes[0]
    drawn = [c for c in axes.collections if c.get_label().startswith(("chosen", "mean"))]
    assert [c.get_label() for c in drawn] == [
        "chosen (0.50, 0.20, 0.30)",
        "mean (0.33, 0.33, 0.33)",
    ]
    assert drawn[0].get_paths()[0].vertices.shape != drawn[1].get_paths()[0].vertices.shape
    assert not np.allclose(drawn[0].get_facecolor(), drawn[1].get_facecolor())
    pair = {name: weights[:2] for name, weights in marks.items()}
    lines = simplex_figure(points[:, :2], values, "ab", pair).axes[0].lines[1:]
    assert lines[0].get_linestyle() != lines[1].get_linestyle()
    assert lines[0].get_color() != lines[1].get_color()


def test_marks_at_the_same_weights_are_one_with_both_names():
    points, values = weight_map()
    same = {"chosen": np.full(3, 1 / 3), "mean": np.full(3, 1 / 3)}
    axes = simplex_figure(points, values, "abc", same).axes[0]
    assert legend_of(axes) == ["chosen = mean (0.33, 0.33, 0.33)"]


def test_confusion_matrices_against_sklearn(fold):
    y_true, y_score = fold
    y_pred = y_score >= THRESHOLDS
    expected = multilabel_confusion_matrix(y_true, y_pred)
    figure = matrices.confusion_matrices(y_true, y_pred, CLASSES)
    assert len(figure.axes) == 5
    for c, axes in enumerate(figure.axes):
        ours = matrices.confusion(y_true[:, c], y_pred[:, c])
        np.testing.assert_array_equal(ours, expected[c])
        shares = expected[c] / expected[c].sum(axis=1, keepdims=True)
        cells = [f"{n}\n{p:.0%}" for n, p in zip(expected[c].flat, shares.flat, strict=True)]
        assert texts_of(axes)[:4] == cells
        assert axes.get_title().strip() == CLASSES[c]
        rates = f"sensitivity {shares[1, 1]:.2f}, specificity {shares[0, 0]:.2f}"
        assert texts_of(axes)[4] == rates
        np.testing.assert_allclose(axes.images[0].get_array(), shares)


def test_label_cooccurrence_by_hand():
    y_true = [[1, 0], [1, 1], [1, 1], [0, 1]]
    y_pred = [[0, 0], [0, 1], [0, 1], [0, 1]]
    truth, predicted = matrices.label_cooccurrence(y_true, y_pred, ("MI", "CD")).axes
    assert texts_of(truth) == ["3\n100%", "2\n67%", "2\n67%", "3\n100%"]
    assert texts_of(predicted) == ["0\n0%", "0\n0%", "0\n0%", "3\n100%"]
    assert (truth.get_title(loc="left"), predicted.get_title(loc="left")) == (
        "True labels",
        "Predicted labels",
    )


def make_history(aucs):
    return [
        {
            "train/loss": 1 / n, "val/loss": 1.1 / n, "val/macro_auc": auc, "lr": 0.01 * n,
            "val/auc_NORM": auc + 0.01, "val/auc_MI": auc - 0.01,
        }
        for n, auc in enumerate(aucs, 1)
    ]  # fmt: skip


def test_training_curves():
    loss, auc, lr = training_curves(make_history([0.8, 0.9, 0.85])).axes
    np.testing.assert_allclose(loss.lines[0].get_xydata(), [[1, 1], [2, 0.5], [3, 1 / 3]])
    assert legend_of(loss) == ["train", "validation"]
    assert legend_of(auc) == ["NORM", "MI", "macro"]
    np.testing.assert_allclose(line_of(auc, CLASS_COLORS["MI"]).get_ydata(), [0.79, 0.89, 0.84])
    np.testing.assert_allclose(lr.lines[0].get_ydata(), [0.01, 0.02, 0.03])
    assert "best 0.9000 in epoch 2" in auc.get_title(loc="left")
    assert [axes.lines[-1].get_xdata()[0] for axes in (loss, auc, lr)] == [2, 2, 2]


def test_training_curves_of_one_epoch_show_dots():
    loss, _, _ = training_curves(make_history([0.8])).axes
    assert loss.lines[0].get_marker() == "o"


def test_training_curves_name_what_is_missing():
    history = make_history([0.8, 0.9])
    del history[1]["lr"]
    with pytest.raises(DataError, match="epoch 2 of the history lacks lr"):
        training_curves(history)
    with pytest.raises(DataError, match="at least one epoch, but is empty"):
        training_curves([])


def test_save_keeps_the_size_of_the_figure(tmp_path):
    figure = training_curves(make_history([0.8, 0.9]))
    path = save(figure, tmp_path / "curves.png", dpi=50)
    assert imread(path).shape[:2] == (190, 600)


def test_plots_leave_pyplot_alone(fold):
    import matplotlib.pyplot as plt

    plots.precision_recall(*fold, CLASSES)
    assert plt.get_fignums() == []


def test_plots_name_a_class_without_positives(fold):
    y_true = fold[0].copy()
    y_true[:, 3] = False
    with pytest.raises(DataError, match="class CD has 0 positives among 300 records"):
        calibration.calibration(y_true, fold[1], CLASSES, 10)
