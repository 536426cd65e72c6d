"""The 12 median beats of one record on ECG paper, with the printed edges and measurements.

50 mm/s and 10 mm/mV: twice the usual speed, so that edges can be judged by eye. All coordinates
are millimetres on paper: 1 in the axes of the paper is 1 mm in print.
"""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from heart_reader.data.delineation import Delineation, MainMeasurements, main_measurements
from heart_reader.data.delineation.beats import BEFORE
from heart_reader.data.delineation.conditioning import FS
from heart_reader.data.ptbxl import LEADS
from heart_reader.errors import DataError
from heart_reader.evaluation.plots.figures import GREY, INK

MM_PER_S, MM_PER_MV, MM_PER_INCH = 50.0, 10.0, 25.4
LEAD_ROWS = (LEADS[:6], LEADS[6:])
CELL_WIDTH_MM, CELL_HEIGHT_MM = 55.0, 60.0
PAPER_WIDTH_MM, PAPER_HEIGHT_MM = 6 * CELL_WIDTH_MM, 2 * CELL_HEIGHT_MM
LEFT_MM = 2.0  # of a cell, ahead of the first sample
TITLE_MM, FOOTER_MM, MARGIN_MM = 16.0, 8.0, 6.0
PAPER, GRID_1_MM, GRID_5_MM = "#fffaf8", "#f8d9d4", "#eaa9a0"

# Okabe & Ito's colours (https://jfly.uni-koeln.de/color/): one for each wave.
WAVE_COLORS = {"P": "#009E73", "QRS": "#D55E00", "T": "#0072B2"}
MARKS = (
    ("p_on", "P"),
    ("p_peak", "P"),
    ("p_off", "P"),
    ("qrs_on", "QRS"),
    ("qrs_off", "QRS"),
    ("t_peak", "T"),
    ("t_off", "T"),
)


def beat_sheet(delineation: Delineation, record: int, title: str) -> Figure:
    """Draw one record's median beats.

    Args:
        delineation: of some records.
        record: which of them.
        title: such as the record's number.

    Returns:
        A figure of true size; its one axes, ``paper``, takes millimetres.

    Raises:
        DataError: a record that the delineation doesn't hold.
    """
    n_records = len(delineation.median_beats)
    if not 0 <= record < n_records:
        raise DataError(f"record must be from 0 to {n_records - 1}, but is {record}")
    width, height = PAPER_WIDTH_MM + 2 * MARGIN_MM, PAPER_HEIGHT_MM + TITLE_MM + FOOTER_MM
    figure = Figure(figsize=(width / MM_PER_INCH, height / MM_PER_INCH), facecolor="white")
    box = (
        MARGIN_MM / width,
        FOOTER_MM / height,
        PAPER_WIDTH_MM / width,
        PAPER_HEIGHT_MM / height,
    )
    paper = figure.add_axes(box, label="paper")
    _draw_paper(paper)
    for row, leads in enumerate(LEAD_ROWS):
        for column, lead in enumerate(leads):
            _draw_lead(paper, delineation, record, lead, column, row)
    _write(paper, delineation, record, title)
    return figure


def mark_extra(figure: Figure, seconds: Sequence[float]) -> None:
    """Draw dashed lines into every lead of a beat sheet, such as another program's edges.

    Args:
        figure: from :func:`beat_sheet`.
        seconds: from the R peak; what isn't finite is left out.
    """
    paper = figure.axes[0]
    for cell in range(len(LEADS)):
        row, column = divmod(cell, len(LEAD_ROWS[0]))
        left = column * CELL_WIDTH_MM + LEFT_MM
        bottom = PAPER_HEIGHT_MM - (row + 1) * CELL_HEIGHT_MM
        for at in filter(math.isfinite, seconds):
            x = left + (BEFORE / FS + at) * MM_PER_S
            ends = [bottom + 4, bottom + CELL_HEIGHT_MM - 7]
            paper.plot([x, x], ends, color=INK, linewidth=0.9, linestyle="--", zorder=2)


def _draw_paper(paper: Axes) -> None:
    paper.set(xlim=(0, PAPER_WIDTH_MM), ylim=(0, PAPER_HEIGHT_MM), xticks=[], yticks=[])
    paper.spines[:].set_visible(False)
    paper.set_facecolor(PAPER)
    for step, color, width in ((1, GRID_1_MM, 0.3), (5, GRID_5_MM, 0.55)):
        upright = [[(x, 0), (x, PAPER_HEIGHT_MM)] for x in np.arange(0, PAPER_WIDTH_MM + 1, step)]
        level = [[(0, y), (PAPER_WIDTH_MM, y)] for y in np.arange(0, PAPER_HEIGHT_MM + 1, step)]
        paper.add_collection(LineCollection(upright + level, colors=color, linewidths=width))


def _draw_lead(
    paper: Axes, delineation: Delineation, record: int, lead: str, column: int, row: int
) -> None:
    """One lead in its cell; what is taller than the cell is cut at its edges."""
    beat = delineation.median_beats[record, LEADS.index(lead)]
    left = column * CELL_WIDTH_MM + LEFT_MM
    bottom = PAPER_HEIGHT_MM - (row + 1) * CELL_HEIGHT_MM
    paper.text(left + 1, bottom + CELL_HEIGHT_MM - 5, lead, fontsize=10, color=INK, weight="bold")
    if not np.isfinite(beat).any():
        paper.text(left + 12, bottom + 28, "not measured", fontsize=9, color=GREY)
        return
    middle = bottom + _middle(beat)
    y = np.clip(middle + beat * MM_PER_MV, bottom + 0.5, bottom + CELL_HEIGHT_MM - 0.5)
    x = left + np.arange(len(beat)) / delineation.fs * MM_PER_S
    for name, wave in MARKS:
        at = getattr(delineation.edges, name)[record]
        if np.isfinite(at):
            _draw_mark(paper, left + at / delineation.fs * MM_PER_S, bottom, name, wave)
    paper.plot(x, y, color=INK, linewidth=1.0, solid_joinstyle="round", zorder=3)


def _middle(beat: NDArray[np.float32]) -> float:
    """Height of 0 mV in the cell, on a thick line, with the beat in its middle."""
    span = (float(np.nanmax(beat)) + float(np.nanmin(beat))) / 2 * MM_PER_MV
    return min(max(round((CELL_HEIGHT_MM / 2 - span) / 5) * 5, 10), CELL_HEIGHT_MM - 10)


def _draw_mark(paper: Axes, x: float, bottom: float, name: str, wave: str) -> None:
    peak = name.endswith("peak")
    paper.plot(
        [x, x],
        [bottom + 4, bottom + CELL_HEIGHT_MM - 7],
        color=WAVE_COLORS[wave],
        linewidth=0.6 if peak else 0.9,
        linestyle=":" if peak else "-",
        zorder=2,
    )


def _write(paper: Axes, delineation: Delineation, record: int, title: str) -> None:
    kept = delineation.kept[record]
    told = "; ".join(delineation.warnings[record])
    top = PAPER_HEIGHT_MM + 9
    paper.text(0, top, title, fontsize=12, color=INK, weight="bold")
    one = main_measurements(delineation)[record]
    paper.text(0, top - 6, measurement_line(one), fontsize=10, color=INK)
    beats = f"median of {int(kept.sum())} of {len(kept)} beats"
    notes = f"50 mm/s, 10 mm/mV; {beats}" + (f"; {told}" if told else "")
    paper.text(0, -5, notes[:200], fontsize=8, color=GREY)
    for place, (wave, color) in enumerate(WAVE_COLORS.items()):
        paper.text(PAPER_WIDTH_MM - 30 + 10 * place, top, wave, color=color, weight="bold")


def measurement_line(one: MainMeasurements) -> str:
    """The main measurements as an ECG machine prints them, a dash for what isn't there.

    QTc is Fridericia's (F) and Bazett's (B).

    >>> nan = float("nan")
    >>> measurement_line(MainMeasurements(71.6, nan, 92.0, 374.0, 396.4, 396.4, 408.6, -12.3))
    'rate 72 /min   PR –   QRS 92 ms   QT 374 ms   QTcF 396 ms   QTcB 409 ms   axis -12°'
    """
    parts = (
        ("rate", one.rate_bpm, " /min"),
        ("PR", one.pr_ms, " ms"),
        ("QRS", one.qrs_ms, " ms"),
        ("QT", one.qt_ms, " ms"),
        ("QTcF", one.qtc_fridericia_ms, " ms"),
        ("QTcB", one.qtc_bazett_ms, " ms"),
        ("axis", one.qrs_axis_degrees, "°"),
    )
    return "   ".join(
        f"{name} {x:.0f}{unit}" if math.isfinite(x) else f"{name} –" for name, x, unit in parts
    )
