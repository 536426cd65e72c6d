"""ECG paper and what is drawn on it. All coordinates are millimetres on paper: 1 in its axes is 1
mm in print."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from heart_reader.evaluation.plots.figures import INK
from heart_reader.evaluation.sheets.layout import PAPER_WIDTH_MM, Placed, Trace

MM_PER_INCH = 25.4
PAPER, GRID_1_MM, GRID_5_MM = "#fffaf8", "#f8d9d4", "#eaa9a0"
PEN_POINTS = 0.85


def sheet_figure(width: float, height: float) -> Figure:
    """An empty white figure of that many millimetres."""
    return Figure(figsize=(width / MM_PER_INCH, height / MM_PER_INCH), facecolor="white")


def axes_mm(
    figure: Figure, left: float, bottom: float, width: float, height: float, label: str
) -> Axes:
    """Axes without a frame whose unit is a millimetre of the figure."""
    whole = figure.get_size_inches() * MM_PER_INCH
    box = (left / whole[0], bottom / whole[1], width / whole[0], height / whole[1])
    axes = figure.add_axes(box, label=label)
    axes.set(xlim=(0, width), ylim=(0, height), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.patch.set_alpha(0)
    return axes


def draw_ecg(paper: Axes, placed: Placed) -> None:
    """Grid, calibration pulses, traces, and the names of the leads."""
    draw_grid(paper, PAPER_WIDTH_MM, placed.height_mm)
    for middle in placed.middles:
        _draw_pulse(paper, middle, placed.mm_per_mv)
    for trace, (x, y) in zip(placed.traces, placed.names, strict=True):
        _draw_trace(paper, trace)
        paper.text(x, y, trace.lead, fontsize=8.5, fontweight="bold", color=INK, va="bottom")
        if trace.left_mm > placed.traces[0].left_mm:
            middle = placed.middles[trace.row]
            ends = [middle - 2, middle + 2]
            paper.plot([trace.left_mm] * 2, ends, color=INK, linewidth=0.6, label="next lead")


def draw_grid(paper: Axes, width: float, height: float) -> None:
    """Fine lines every millimetre, thick ones every five."""
    paper.set_facecolor(PAPER)
    paper.patch.set_alpha(1)
    for step, color, pen in ((1, GRID_1_MM, 0.35), (5, GRID_5_MM, 0.6)):
        upright = [[(x, 0), (x, height)] for x in np.arange(0, width + 1, step)]
        level = [[(0, y), (width, y)] for y in np.arange(0, height + 1, step)]
        grid = LineCollection(
            upright + level,
            colors=color,
            linewidths=pen,
            label=f"{step} mm",
            clip_on=False,
            zorder=1,
        )
        paper.add_collection(grid)


def _draw_pulse(paper: Axes, middle: float, mm_per_mv: float) -> None:
    """1 mV for 0.2 s: what a reader checks the scale against."""
    x = np.array([4, 5, 5, 10, 10, 11])
    y = middle + np.array([0, 0, 1, 1, 0, 0]) * mm_per_mv
    paper.plot(
        x, y, color=INK, linewidth=PEN_POINTS, label="1 mV", solid_joinstyle="miter", zorder=3
    )


def _draw_trace(paper: Axes, trace: Trace) -> None:
    paper.plot(
        trace.x_mm,
        trace.y_mm,
        color=INK,
        linewidth=PEN_POINTS,
        solid_joinstyle="round",
        zorder=3,
        label=f"trace {trace.lead}",
    )
