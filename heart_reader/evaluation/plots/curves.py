"""Curves of a model's scores: ROC, precision-recall, calibration.

``y_true`` and ``y_score`` are (n, n_classes). Each function returns a figure; the caller saves it.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from sklearn.metrics import precision_recall_curve, roc_curve

from heart_reader.evaluation.checks import (
    Bools,
    Floats,
    check_names,
    check_per_class,
    check_scores,
    require_both,
)
from heart_reader.evaluation.metrics import (
    average_precision,
    class_auc,
    expected_calibration_error,
)
from heart_reader.evaluation.plots.figures import GREY, class_color, new_figure, style

Corner = Literal["upper left", "lower left", "lower right"]


def roc_curves(
    y_true: npt.ArrayLike,
    y_score: npt.ArrayLike,
    class_names: Sequence[str],
    auc_interval: Floats,
    level: float,
    thresholds: npt.ArrayLike,
) -> Figure:
    """ROC curve of each class, its AUC with an interval, and a dot at its threshold.

    ``auc_interval`` is (2, n_classes): the lower and the upper bounds, at ``level`` such as 0.95.

    Raises:
        DataError: bad input, or a class without a positive or without a negative.
    """
    labels, scores = _checked(y_true, y_score, class_names)
    limits = check_per_class("thresholds", thresholds, labels.shape[1])
    aucs = class_auc(labels, scores, class_names)
    figure = new_figure(6.4, 6.0)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=":")
    for c, name in enumerate(class_names):
        low, high = auc_interval[:, c]
        fpr, tpr, _ = roc_curve(labels[:, c], scores[:, c])
        label = f"{name}   {aucs[c]:.3f}  ({low:.3f} to {high:.3f})"
        axes.plot(fpr, tpr, color=class_color(name), linewidth=1.8, label=label)
        predicted = scores[:, c] >= limits[c]
        sensitivity = predicted[labels[:, c]].mean()
        false_alarms = predicted[~labels[:, c]].mean()
        axes.plot(false_alarms, sensitivity, "o", color=class_color(name), markeredgecolor="white")
    _unit_square(axes)
    title = f"ROC, macro AUC {aucs.mean():.3f}"
    style(axes, title, "1 - specificity", "Sensitivity")
    _legend(axes, "lower right", f"AUC ({level:.0%} interval); dot: threshold")
    return figure


def precision_recall(
    y_true: npt.ArrayLike, y_score: npt.ArrayLike, class_names: Sequence[str]
) -> Figure:
    """Precision-recall curve of each class; a dotted line where chance would be.

    Raises:
        DataError: bad input, or a class without a positive or without a negative.
    """
    labels, scores = _checked(y_true, y_score, class_names)
    areas = average_precision(labels, scores, class_names)
    figure = new_figure(6.4, 6.0)
    axes = figure.subplots()
    for c, name in enumerate(class_names):
        precision, recall, _ = precision_recall_curve(labels[:, c], scores[:, c])
        share = labels[:, c].mean()
        label = f"{name}   {areas[c]:.3f}  ({share:.0%} of records)"
        color = class_color(name)
        axes.plot(
            recall, precision, drawstyle="steps-pre", color=color, linewidth=1.6, label=label
        )
        axes.axhline(share, color=color, linewidth=0.8, linestyle=":")
    _unit_square(axes)
    title = f"Precision-recall, macro AUPRC {areas.mean():.3f}"
    style(axes, title, "Recall (sensitivity)", "Precision")
    _legend(axes, "lower left", "AUPRC (prevalence, dotted)")
    return figure


def calibration(
    y_true: npt.ArrayLike, y_score: npt.ArrayLike, class_names: Sequence[str], n_bins: int
) -> Figure:
    """Observed rate against predicted probability, over a histogram of the predictions.

    Raises:
        DataError: bad input, or a class without a positive or without a negative.
    """
    labels, scores = _checked(y_true, y_score, class_names)
    errors = expected_calibration_error(labels, scores, n_bins)
    figure = new_figure(6.4, 7.4)
    upper, lower = figure.subplots(2, height_ratios=[3, 1], sharex=True)
    upper.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=":")
    edges = np.linspace(0, 1, n_bins + 1)
    for c, name in enumerate(class_names):
        predicted, observed = reliability(labels[:, c], scores[:, c], n_bins)
        label = f"{name}   {errors[c]:.3f}"
        color = class_color(name)
        upper.plot(predicted, observed, "o-", color=color, markersize=4, label=label)
        lower.hist(scores[:, c], edges, histtype="step", color=color, linewidth=1.4)
    _unit_square(upper)
    title = f"Calibration, mean error {errors.mean():.3f}"
    style(upper, title, "", "Observed rate")
    _legend(upper, "upper left", "Calibration error")
    style(lower, "", "Predicted probability", "Records")
    lower.set_yscale("log")
    lower.set_ylim(bottom=0.8)
    lower.yaxis.set_minor_formatter(NullFormatter())
    return figure


def reliability(labels: Bools, scores: Floats, n_bins: int) -> tuple[Floats, Floats]:
    """Mean score and observed rate in each equal-width bin (a, b] that holds a record.

    Both ``(n_filled_bins,)``; labels and scores are (n,).
    """
    bins = np.searchsorted(np.linspace(0, 1, n_bins + 1)[1:-1], scores)
    count = np.bincount(bins, minlength=n_bins)
    filled = count > 0
    predicted = np.bincount(bins, weights=scores, minlength=n_bins)[filled] / count[filled]
    observed = np.bincount(bins, weights=labels, minlength=n_bins)[filled] / count[filled]
    return predicted, observed


def _checked(
    y_true: npt.ArrayLike, y_score: npt.ArrayLike, class_names: Sequence[str]
) -> tuple[Bools, Floats]:
    labels, scores = check_scores(y_true, y_score)
    check_names(class_names, labels.shape[1])
    require_both(labels, class_names)
    return labels, scores


def _unit_square(axes: Axes) -> None:
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.01, 1.01)


def _legend(axes: Axes, place: Corner, title: str) -> None:
    axes.legend(
        loc=place, title=title, fontsize=8.5, framealpha=0.9, edgecolor="none", alignment="left"
    )
