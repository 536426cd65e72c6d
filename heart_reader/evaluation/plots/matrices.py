"""Tables of a model's decisions: confusion matrices and label co-occurrence.

``y_true`` and ``y_pred`` are (n, n_classes). Each function returns a figure; the caller saves it.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from heart_reader.evaluation.checks import (
    Bools,
    Floats,
    check_names,
    check_predictions,
    known_labels,
    require_positives,
)
from heart_reader.evaluation.plots.chosen import drawn_classes, drawn_note
from heart_reader.evaluation.plots.figures import GREY, INK, class_colors, new_figure

MOST_TOGETHER = 12  # classes in a table of pairs
MOST_BESIDE = 5  # tables in a row
BLUES = LinearSegmentedColormap.from_list("pale-to-blue", ["#ffffff", "#0072B2"])


def confusion_matrices(
    y_true: npt.ArrayLike, y_pred: npt.ArrayLike, class_names: Sequence[str], note: str = ""
) -> Figure:
    """A 2x2 table a class: counts, and the share of the row (the truth) that they are.

    Of many classes those with the lowest sensitivity and the most frequent ones are drawn.

    Raises:
        DataError: bad input, or a class without a positive.
    """
    labels, predictions = check_predictions(y_true, y_pred)
    check_names(class_names, labels.shape[1])
    require_positives(labels, class_names)
    known = known_labels(y_true)
    sensitivity = (labels & predictions).sum(axis=0) / labels.sum(axis=0)
    columns = drawn_classes(labels, sensitivity)
    colors = class_colors([class_names[c] for c in columns])
    n_rows = 1 if len(columns) <= MOST_BESIDE else 2  # eight beside each other can't be read
    n_columns = -(-len(columns) // n_rows)
    figure = new_figure(2.5 * n_columns, 0.3 + 3.0 * n_rows)
    places = np.ravel(figure.subplots(n_rows, n_columns))
    for unused in places[len(columns) :]:
        unused.remove()
    for axes, c in zip(places, columns, strict=False):
        name = class_names[c]
        there = known[:, c]
        counts = confusion(labels[there, c], predictions[there, c])
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        tint = LinearSegmentedColormap.from_list(name, ["#ffffff", colors[name]])
        _table(axes, shares, counts, ("no", "yes"), tint)
        rates = f"sensitivity {shares[1, 1]:.2f}, specificity {shares[0, 0]:.2f}"
        axes.set_title(f"{name}\n", fontsize=11, fontweight="bold", color=INK)
        axes.text(0.5, 1.03, rates, transform=axes.transAxes, ha="center", fontsize=7.5, color=INK)
    told = "; ".join(filter(None, (note, drawn_note(len(columns), class_names))))
    figure.suptitle(told, fontsize=8, color=GREY, x=0.01, ha="left")
    figure.supxlabel("Predicted", fontsize=9, color=INK)
    figure.supylabel("True", fontsize=9, color=INK)
    return figure


def confusion(truth: Bools, guess: Bools) -> npt.NDArray[np.int64]:
    """Counts ``(2, 2)``: rows the truth, columns the prediction, no before yes."""
    cells = np.bincount(2 * truth.astype(np.int64) + guess, minlength=4)
    return cells.astype(np.int64).reshape(2, 2)


def label_cooccurrence(
    y_true: npt.ArrayLike, y_pred: npt.ArrayLike, class_names: Sequence[str]
) -> Figure:
    """Which classes go together, in the truth and in the predictions.

    A cell holds the number of records with both classes and, as its shade, their share of the
    records with the row's class; the diagonal holds the class's own count. Of many classes the
    most frequent ones are drawn.

    Raises:
        DataError: bad input.
    """
    labels, predictions = check_predictions(y_true, y_pred)
    check_names(class_names, labels.shape[1])
    columns = np.sort(np.argsort(-labels.sum(axis=0), kind="stable")[:MOST_TOGETHER])
    shown = [class_names[c] for c in columns]
    size = 1 + 0.12 * max(len(shown) - 5, 0)
    figure = new_figure(10.5 * size, 4.9 * size)
    both = ((labels[:, columns], "True labels"), (predictions[:, columns], "Predicted labels"))
    for axes, (table, title) in zip(figure.subplots(1, 2), both, strict=True):
        counts = table.astype(np.int64).T @ table.astype(np.int64)  # (n_classes, n_classes)
        shares = counts / np.maximum(np.diag(counts)[:, None], 1)
        _table(axes, shares, counts, shown, BLUES)
        axes.set_title(title, fontsize=11, fontweight="bold", loc="left", color=INK)
        axes.set_xlabel("... also have", fontsize=9, color=INK)
        axes.set_ylabel("Of the records with ...", fontsize=9, color=INK)
    return figure


def _table(
    axes: Axes,
    shares: Floats,
    counts: npt.NDArray[np.int64],
    names: Sequence[str],
    shades: LinearSegmentedColormap,
) -> None:
    axes.imshow(shares, cmap=shades, vmin=0, vmax=1)
    for row, column in np.ndindex(*counts.shape):
        share = shares[row, column]
        # white on the shades that are too dark for ink; weights of ITU-R BT.601
        luminance = np.dot(shades(share)[:3], (0.299, 0.587, 0.114))
        color = "white" if luminance < 0.57 else INK
        text = f"{counts[row, column]:,}\n{share:.0%}"
        axes.text(column, row, text, ha="center", va="center", fontsize=8.5, color=color)
    axes.set_xticks(range(len(names)), names, fontsize=8.5)
    axes.set_yticks(range(len(names)), names, fontsize=8.5)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
