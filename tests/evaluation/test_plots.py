"""What the figures hold is compared with scikit-learn and numpy."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.image import imread
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
from heart_reader.evaluation.plots import curves as plots
from heart_reader.evaluation.plots import matrices
from heart_reader.evaluation.plots.figures import CLASS_COLORS, class_color, save
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
    upper, lower = plots.calibration(y_true, y_score, CLASSES, 10).axes
    for c, name in enumerate(CLASSES):
        observed, predicted = calibration_curve(y_true[:, c], y_score[:, c], n_bins=10)
        drawn = line_of(upper, CLASS_COLORS[name], "o").get_xydata()
        np.testing.assert_allclose(drawn, np.stack([predicted, observed], axis=1), atol=1e-12)
    histograms = [patch for patch in lower.patches if to_hex(patch.get_edgecolor()) != "#000000"]
    assert len(histograms) == 5
    expected = np.histogram(y_score[:, 0], np.linspace(0, 1, 11))[0]
    drawn = np.unique(histograms[0].get_xy()[:, 1])
    assert set(expected) <= set(drawn)


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
        plots.calibration(y_true, fold[1], CLASSES, 10)
