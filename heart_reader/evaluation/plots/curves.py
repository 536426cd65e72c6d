"""Curves of a model's scores: ROC and precision-recall.

``y_true`` and ``y_score`` are (n, n_classes). Each function returns a figure; the caller saves it.
"""

from collections.abc import Sequence
from typing import Literal

import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import precision_recall_curve, roc_curve

from heart_reader.evaluation.checks import (
    Bools,
    Floats,
    check_names,
    check_per_class,
    check_scores,
    known_labels,
    require_both,
)
from heart_reader.evaluation.metrics import average_precision, class_auc
from heart_reader.evaluation.plots.chosen import drawn_classes, drawn_note
from heart_reader.evaluation.plots.figures import GREY, class_colors, new_figure, notes, style

Corner = Literal["lower left", "lower right"]


def roc_curves(
    y_true: npt.ArrayLike,
    y_score: npt.ArrayLike,
    class_names: Sequence[str],
    auc_interval: Floats,
    level: float,
    thresholds: npt.ArrayLike,
    note: str = "",
) -> Figure:
    """ROC curve of each class, its AUC with an interval, and a dot at its threshold.

    ``auc_interval`` is (2, n_classes): the lower and the upper bounds, at ``level`` such as 0.95;
    ``note`` says whose scores these are, and of which records.

    Raises:
        DataError: bad input, or a class without a positive or without a negative.
    """
    labels, scores, known = _checked(y_true, y_score, class_names)
    limits = check_per_class("thresholds", thresholds, labels.shape[1])
    aucs = class_auc(y_true, scores, class_names)
    figure = new_figure(6.4, 6.0)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=":")
    columns = drawn_classes(labels, aucs)
    colors = class_colors([class_names[c] for c in columns])
    for c in columns:
        name, color = class_names[c], colors[class_names[c]]
        low, high = auc_interval[:, c]
        truth, said = labels[known[:, c], c], scores[known[:, c], c]
        fpr, tpr, _ = roc_curve(truth, said)
        label = f"{name}   {aucs[c]:.3f}  ({low:.3f} to {high:.3f})"
        axes.plot(fpr, tpr, color=color, linewidth=1.8, label=label)
        predicted = said >= limits[c]
        sensitivity, false_alarms = predicted[truth].mean(), predicted[~truth].mean()
        axes.plot(false_alarms, sensitivity, "o", color=color, markeredgecolor="white")
    _unit_square(axes)
    title = f"ROC, macro AUC {aucs.mean():.3f}"
    style(axes, title, "1 - specificity", "Sensitivity")
    notes(axes, note, drawn_note(len(columns), class_names))
    _legend(axes, "lower right", f"AUC ({level:.0%} interval); dot: threshold")
    return figure


def precision_recall(
    y_true: npt.ArrayLike, y_score: npt.ArrayLike, class_names: Sequence[str], note: str = ""
) -> Figure:
    """Precision-recall curve of each class; a dotted line where chance would be.

    Raises:
        DataError: bad input, or a class without a positive or without a negative.
    """
    labels, scores, known = _checked(y_true, y_score, class_names)
    areas = average_precision(y_true, scores, class_names)
    figure = new_figure(6.4, 6.0)
    axes = figure.subplots()
    columns = drawn_classes(labels, areas)
    colors = class_colors([class_names[c] for c in columns])
    for c in columns:
        name = class_names[c]
        truth = labels[known[:, c], c]
        precision, recall, _ = precision_recall_curve(truth, scores[known[:, c], c])
        share = truth.mean()
        label = f"{name}   {areas[c]:.3f}  ({share:.0%} of records)"
        color = colors[name]
        axes.plot(
            recall, precision, drawstyle="steps-pre", color=color, linewidth=1.6, label=label
        )
        axes.axhline(share, color=color, linewidth=0.8, linestyle=":")
    _unit_square(axes)
    title = f"Precision-recall, macro AUPRC {areas.mean():.3f}"
    style(axes, title, "Recall (sensitivity)", "Precision")
    notes(axes, note, drawn_note(len(columns), class_names))
    _legend(axes, "lower left", "AUPRC (prevalence, dotted)")
    return figure


def _checked(
    y_true: npt.ArrayLike, y_score: npt.ArrayLike, class_names: Sequence[str]
) -> tuple[Bools, Floats, Bools]:
    labels, scores = check_scores(y_true, y_score)
    check_names(class_names, labels.shape[1])
    require_both(y_true, class_names)
    return labels, scores, known_labels(y_true)


def _unit_square(axes: Axes) -> None:
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.01, 1.01)


def _legend(axes: Axes, place: Corner, title: str) -> None:
    axes.legend(
        loc=place, title=title, fontsize=8.5, framealpha=0.9, edgecolor="none", alignment="left"
    )
