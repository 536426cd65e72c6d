"""Are probabilities what they say? Observed against predicted, with intervals, a class a panel.

Bins hold equally many records: with equal widths a bin in the middle may hold one or two, and the
line through them says nothing.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from scipy.special import ndtri

from heart_reader.evaluation.checks import (
    Bools,
    Floats,
    check_names,
    check_scores,
    known_labels,
    require_both,
)
from heart_reader.evaluation.metrics import class_auc, expected_calibration_error
from heart_reader.evaluation.plots.chosen import drawn_classes, drawn_note
from heart_reader.evaluation.plots.figures import GREY, INK, class_colors, new_figure, style

LEAST_RECORDS = 20  # in a bin
BINS_A_BIN = 2  # of equal counts, for each bin of the calibration error
HISTOGRAM_BINS = 20
LEAST_BAR = 0.8  # records: where the logarithmic axis begins
LEVEL = 0.95
COLUMNS = 5


def calibration(
    y_true: npt.ArrayLike,
    y_score: npt.ArrayLike,
    class_names: Sequence[str],
    n_bins: int,
    note: str = "",
) -> Figure:
    """Observed rate against predicted probability, over a histogram of the predictions.

    Args:
        y_true, y_score: (n, n_classes).
        class_names: of the columns.
        n_bins: of equal width, of the calibration error beside each name.
        note: on what this was judged.

    Raises:
        DataError: bad input, or a class without a positive or without a negative.
    """
    labels, scores = check_scores(y_true, y_score)
    check_names(class_names, labels.shape[1])
    require_both(y_true, class_names)
    known = known_labels(y_true)
    errors = expected_calibration_error(y_true, scores, n_bins)
    columns = drawn_classes(labels, class_auc(y_true, scores, class_names))
    figure = _empty(len(columns))
    colors = class_colors([class_names[c] for c in columns])
    shape = -(-len(columns) // COLUMNS), min(len(columns), COLUMNS)
    panels = figure.subfigures(*shape, squeeze=False).ravel()
    for c, panel in zip(columns, panels, strict=False):
        name = class_names[c]
        upper, lower = panel.subplots(2, height_ratios=[3.2, 1], sharex=True)
        truth, said = labels[known[:, c], c], scores[known[:, c], c]
        _draw_rates(upper, truth, said, n_bins * BINS_A_BIN, colors[name])
        style(upper, f"{name}   error {errors[c]:.3f}", "", "Observed rate")
        _draw_histogram(lower, said, colors[name])
    title = f"Calibration, mean error {errors.mean():.3f}; line: {LEVEL:.0%} interval"
    lines = (note, drawn_note(len(columns), class_names))
    figure.suptitle(title, fontsize=11, x=0.01, ha="left", color=INK, fontweight="bold")
    figure.supxlabel("; ".join(filter(None, lines)), fontsize=8, color=GREY, x=0.01, ha="left")
    return figure


def _empty(n_panels: int) -> Figure:
    rows = -(-n_panels // COLUMNS)
    return new_figure(2.7 * min(n_panels, COLUMNS), 3.9 * rows + 0.6)


def _draw_rates(axes: Axes, truth: Bools, scores: Floats, n_bins: int, color: str) -> None:
    predicted, observed, count = equal_counts(truth, scores, n_bins)
    low, high = wilson(observed * count, count)
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=":")
    axes.vlines(predicted, low, high, color=color, linewidth=1.4, alpha=0.6)
    axes.plot(predicted, observed, "o", color=color, markersize=4)
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.text(
        0.03, 0.97, f"{int(np.median(count)):,} records a dot", fontsize=7.5, color=GREY,
        va="top", transform=axes.transAxes,
    )  # fmt: skip


def _draw_histogram(axes: Axes, scores: Floats, color: str) -> None:
    counts, edges = np.histogram(scores, HISTOGRAM_BINS, (0, 1))
    axes.stairs(counts, edges, baseline=LEAST_BAR, fill=True, color=color, alpha=0.6)
    style(axes, "", "Predicted probability", "Records")
    axes.set_yscale("log")
    axes.set_ylim(bottom=LEAST_BAR)
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.yaxis.set_minor_locator(NullLocator())  # they cost more to draw than all the rest


def equal_counts(truth: Bools, scores: Floats, n_bins: int) -> tuple[Floats, Floats, Floats]:
    """Mean score, observed rate and number of records of bins of equally many.

    There are fewer where one would hold less than ``LEAST_RECORDS``; equal scores stay in one.

    Args:
        truth, scores: (n,).
        n_bins: at most.

    Returns:
        Three arrays (n_filled_bins,), by rising score.
    """
    n_bins = max(1, min(n_bins, len(scores) // LEAST_RECORDS))
    edges = np.quantile(scores, np.linspace(0, 1, n_bins + 1)[1:-1])
    bins = np.searchsorted(edges, scores)
    count = np.bincount(bins, minlength=n_bins).astype(np.float64)
    filled = count > 0
    sums = (np.bincount(bins, weights=each, minlength=n_bins)[filled] for each in (scores, truth))
    predicted, observed = (total / count[filled] for total in sums)
    return predicted, observed, count[filled]


def wilson(successes: Floats, count: Floats, level: float = LEVEL) -> tuple[Floats, Floats]:
    """Wilson's score interval of a proportion (J Am Stat Assoc 1927;22:209-212)."""
    z = float(ndtri(0.5 + level / 2))
    share = successes / count
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * np.sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2)
    return middle - half, middle + half
