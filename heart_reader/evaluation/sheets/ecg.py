"""A 12-lead ECG on ECG paper, to scale, with a model's probabilities beside it.

25 mm/s and 10 mm/mV, three rows of four leads (2.5 s each) over a rhythm strip of lead II (10 s).
All coordinates are millimetres on paper: 1 in the axes of the paper is 1 mm in print.

AHA/ACC/HRS, "Recommendations for the Standardization and Interpretation of the Electrocardiogram",
Part I, 2007. https://doi.org/10.1016/j.jacc.2007.01.024
"""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from heart_reader.data.ptbxl import LEADS
from heart_reader.errors import DataError
from heart_reader.evaluation.plots.figures import GREY, INK, PALE, class_color

MM_PER_S, MM_PER_MV, MM_PER_INCH = 25.0, 10.0, 25.4
LAYOUT = (
    ("I", "aVR", "V1", "V4"),
    ("II", "aVL", "V2", "V5"),
    ("III", "aVF", "V3", "V6"),
    ("II",),
)
STRIP_S = 10.0
ROW_MM = 35.0
TRACE_LEFT_MM = 15.0  # the calibration pulse stands before it
PAPER_WIDTH_MM, PAPER_HEIGHT_MM = 270.0, 145.0
SIDE_WIDTH_MM = 66.0
MARGIN_MM, TITLE_MM, FOOTER_MM = 6.0, 15.0, 9.0
SHEET_WIDTH_MM = PAPER_WIDTH_MM + SIDE_WIDTH_MM + 3 * MARGIN_MM
SHEET_HEIGHT_MM = PAPER_HEIGHT_MM + TITLE_MM + FOOTER_MM
SUBTITLE_CHARACTERS = 190  # what fits on one line
PAPER, GRID_1_MM, GRID_5_MM = "#fffaf8", "#f8d9d4", "#eaa9a0"


@dataclass(frozen=True)
class Trace:
    """A piece of one lead where it lies on the paper: samples ``start`` to ``stop``, in mm."""

    lead: str
    start: int
    stop: int
    x_mm: npt.NDArray[np.float64]
    y_mm: npt.NDArray[np.float64]


def traces(signal: npt.ArrayLike, fs: float) -> list[Trace]:
    """Where each lead goes: 12 pieces of 2.5 s and the rhythm strip, (12, n_times) in mV.

    A lead's median lies on the middle of its row, as if its electrode offset had been filtered
    away; what is longer than 10 s is cut.

    Raises:
        DataError: a signal that is not (12, n_times), or a rate that is not above 0.
    """
    signal = np.asarray(signal, dtype=np.float64)
    if signal.ndim != 2 or len(signal) != len(LEADS) or signal.shape[1] < 2:
        raise DataError(f"an ECG sheet needs a signal of (12, n_times), got {signal.shape}")
    if not fs > 0:
        raise DataError(f"fs must be above 0 Hz, but is {fs}")
    return [
        _trace(signal, fs, lead, row, column, len(leads))
        for row, leads in enumerate(LAYOUT)
        for column, lead in enumerate(leads)
    ]


def _trace(
    signal: npt.NDArray[np.float64], fs: float, lead: str, row: int, column: int, n_columns: int
) -> Trace:
    duration = STRIP_S / n_columns
    start = round(column * duration * fs)
    stop = min(round((column + 1) * duration * fs), signal.shape[1])
    whole = signal[LEADS.index(lead)]
    known = whole[np.isfinite(whole)]
    baseline = np.median(known) if known.size else 0.0
    samples = np.arange(start, stop)
    return Trace(
        lead=lead,
        start=start,
        stop=stop,
        x_mm=TRACE_LEFT_MM + samples / fs * MM_PER_S,
        y_mm=row_middle(row) + (whole[start:stop] - baseline) * MM_PER_MV,
    )


def row_middle(row: int) -> float:
    """Height in mm of the middle of a row, on a thick line of the grid."""
    return PAPER_HEIGHT_MM - 20.0 - row * ROW_MM


def ecg_sheet(
    signal: npt.ArrayLike,
    fs: float,
    title: str,
    probabilities: Mapping[str, float],
    thresholds: Mapping[str, float],
    truth: Mapping[str, bool] | None = None,
    subtitle: str = "",
) -> Figure:
    """Draw one record and what the model made of it.

    Args:
        signal: (12, n_times) in mV.
        fs: Hz.
        title: over the sheet, such as the record's number.
        probabilities: of each class.
        thresholds: of the same classes; a class is predicted from its threshold on.
        truth: whether each class is a true label; None where nobody knows.
        subtitle: a smaller line under the title.

    Returns:
        A figure of true size; its first axes, ``paper``, take millimetres, so that more can be
        drawn over ``traces(signal, fs)``.

    Raises:
        DataError: a bad signal, or a class that is not in all three mappings.
    """
    pieces = traces(signal, fs)
    _check_classes(probabilities, thresholds, truth)
    size = (SHEET_WIDTH_MM / MM_PER_INCH, SHEET_HEIGHT_MM / MM_PER_INCH)
    figure = Figure(figsize=size, facecolor="white")
    paper = _axes_mm(figure, MARGIN_MM, FOOTER_MM, PAPER_WIDTH_MM, PAPER_HEIGHT_MM, "paper")
    _draw_grid(paper)
    for row in range(len(LAYOUT)):
        _draw_pulse(paper, row_middle(row))
    for piece in pieces:
        paper.plot(
            piece.x_mm, piece.y_mm, color=INK, linewidth=0.85, solid_joinstyle="round", zorder=3
        )
    _draw_lead_names(paper)
    side_left = PAPER_WIDTH_MM + 2 * MARGIN_MM
    side = _axes_mm(figure, side_left, FOOTER_MM, SIDE_WIDTH_MM, PAPER_HEIGHT_MM, "side")
    _draw_probabilities(side, probabilities, thresholds, truth)
    _write_margins(figure, title, subtitle, fs)
    return figure


def _check_classes(
    probabilities: Mapping[str, float],
    thresholds: Mapping[str, float],
    truth: Mapping[str, bool] | None,
) -> None:
    for what, mapping in (("thresholds", thresholds), ("truth", truth)):
        if mapping is not None and set(mapping) != set(probabilities):
            raise DataError(
                f"{what} names the classes {sorted(mapping)}, but probabilities"
                f" {sorted(probabilities)}"
            )


def _axes_mm(
    figure: Figure, left: float, bottom: float, width: float, height: float, label: str
) -> Axes:
    box = (
        left / SHEET_WIDTH_MM,
        bottom / SHEET_HEIGHT_MM,
        width / SHEET_WIDTH_MM,
        height / SHEET_HEIGHT_MM,
    )
    axes = figure.add_axes(box, label=label)
    axes.set(xlim=(0, width), ylim=(0, height), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    return axes


def _draw_grid(paper: Axes) -> None:
    paper.set_facecolor(PAPER)
    for step, color, width in ((1, GRID_1_MM, 0.35), (5, GRID_5_MM, 0.6)):
        upright = [[(x, 0), (x, PAPER_HEIGHT_MM)] for x in np.arange(0, PAPER_WIDTH_MM + 1, step)]
        level = [[(0, y), (PAPER_WIDTH_MM, y)] for y in np.arange(0, PAPER_HEIGHT_MM + 1, step)]
        grid = LineCollection(
            upright + level, colors=color, linewidths=width, label=f"{step} mm", clip_on=False
        )
        paper.add_collection(grid)


def _draw_pulse(paper: Axes, middle: float) -> None:
    """1 mV for 0.2 s: what a reader checks the scale against."""
    x = np.array([4, 5, 5, 10, 10, 11])
    y = middle + np.array([0, 0, 1, 1, 0, 0]) * MM_PER_MV
    paper.plot(x, y, color=INK, linewidth=0.85, label="1 mV", solid_joinstyle="miter", zorder=3)


def _draw_lead_names(paper: Axes) -> None:
    for row, leads in enumerate(LAYOUT):
        for column, lead in enumerate(leads):
            left = TRACE_LEFT_MM + column * STRIP_S / len(leads) * MM_PER_S
            top = row_middle(row) + 15
            halo = {"facecolor": PAPER, "edgecolor": "none", "pad": 0.6, "alpha": 0.8}
            paper.text(
                left + 1,
                top,
                lead,
                fontsize=8.5,
                fontweight="bold",
                color=INK,
                va="top",
                bbox=halo,
                zorder=2,  # under the traces: a name never hides a wave
            )
            if column:
                middle = row_middle(row)
                paper.plot([left, left], [middle - 2, middle + 2], color=INK, linewidth=0.6)


def _draw_probabilities(
    side: Axes,
    probabilities: Mapping[str, float],
    thresholds: Mapping[str, float],
    truth: Mapping[str, bool] | None,
) -> None:
    left, width, height = 17.0, SIDE_WIDTH_MM - 30.0, 6.0
    side.text(0, PAPER_HEIGHT_MM - 2, "Model", fontsize=10, fontweight="bold", color=INK, va="top")
    for place, (name, probability) in enumerate(probabilities.items()):
        middle = PAPER_HEIGHT_MM - 18 - 15 * place
        predicted = probability >= thresholds[name]
        true = truth is not None and truth[name]
        weight = "bold" if predicted else "normal"
        words: dict[str, Any] = {
            "color": INK,
            "va": "center",
            "fontsize": 9.5,
            "fontweight": weight,
        }
        side.text(4, middle, name, **words)
        side.text(left + width + 2, middle, f"{probability:.0%}", **words)
        side.barh(middle, width, height, left, color="#f3f3f3", label=f"{name} scale")
        side.barh(
            middle,
            width * probability,
            height,
            left,
            color=class_color(name),
            alpha=1.0 if predicted else 0.35,
            label=name,
        )
        tick = left + width * thresholds[name]
        side.plot([tick, tick], [middle - 4.2, middle + 4.2], color=INK, linewidth=1.4)
        if true:
            side.plot(1, middle, "o", color=INK, markersize=5, label=f"{name} true")
    _draw_key(side, PAPER_HEIGHT_MM - 18 - 15 * len(probabilities), truth is not None)


def _draw_key(side: Axes, top: float, truth_known: bool) -> None:
    small: dict[str, Any] = {"fontsize": 7.5, "color": GREY, "va": "center"}
    side.plot([0, SIDE_WIDTH_MM], [top + 4, top + 4], color=PALE, linewidth=0.8)
    side.plot([1, 1], [top - 2, top + 2], color=INK, linewidth=1.4)
    side.text(4, top, "threshold; predicted: bold, full colour", **small)
    if truth_known:
        side.plot(1, top - 6, "o", color=INK, markersize=5)
        side.text(4, top - 6, "true label", **small)


def _write_margins(figure: Figure, title: str, subtitle: str, fs: float) -> None:
    left = MARGIN_MM / SHEET_WIDTH_MM
    top = 1 - 4 / SHEET_HEIGHT_MM
    figure.text(left, top, title, fontsize=12, fontweight="bold", color=INK, va="top")
    under = top - 5.5 / SHEET_HEIGHT_MM
    line = textwrap.shorten(subtitle, SUBTITLE_CHARACTERS, placeholder=" ...")
    figure.text(left, under, line, fontsize=8.5, color=GREY, va="top")
    scale = f"{MM_PER_S:g} mm/s    {MM_PER_MV:g} mm/mV    {fs:g} Hz"
    figure.text(left, FOOTER_MM / 2 / SHEET_HEIGHT_MM, scale, fontsize=8, color=INK, va="center")
