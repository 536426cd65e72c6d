"""An ECG sheet on which a highlighter shows what moved one probability, and in which direction.

The marks lie behind the waves, so that the ECG stays one to be read. Beside it: the waves and the
measured features that moved it most and all the rest, in log-odds, which add up. Marks and bars
have the same scale on every sheet: what moved little looks like little.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from heart_reader.data.delineation import Delineation
from heart_reader.data.ptbxl import LEADS
from heart_reader.evaluation.plots.figures import GREY
from heart_reader.evaluation.sheets.ecg import (
    FOOTER_MM,
    MARGIN_MM,
    NOBODY,
    SHEET_WIDTH_MM,
    About,
    ecg_sheet,
    placed_on_sheet,
)
from heart_reader.evaluation.sheets.explanation import (
    Explanation,
    Terms,
    marks,
    terms_of,
    waves,
)
from heart_reader.evaluation.sheets.findings import findings_height
from heart_reader.evaluation.sheets.layout import PAPER_WIDTH_MM, Placed, Trace
from heart_reader.evaluation.sheets.paper import MM_PER_INCH
from heart_reader.evaluation.sheets.terms import AGAINST, FOR, draw_terms

FULL_MARK = 0.25  # log-odds that 10 ms of a lead add over all beats; marked as strongly as can be
FAINTEST = 0.08  # of that; below it is nothing to see
STRONGEST = 0.75  # opacity
AROUND_MM = 1.2  # of a marked wave
N_NAMED = 6  # waves and features in words, elsewhere
N_DRAWN = 5  # beside the sheet
N_CLASSES = 5


def explained_sheet(
    signal: npt.ArrayLike,
    fs: float,
    title: str,
    probabilities: Mapping[str, float],
    thresholds: Mapping[str, float],
    explanation: Explanation,
    delineation: Delineation,
    record: int,
    truth: Mapping[str, bool] | None = None,
    subtitle: str = "",
    about: About = NOBODY,
) -> Figure:
    """Draw one record with what moved one class's probability.

    Args:
        signal, fs, title, probabilities, thresholds, truth, subtitle, about: as of `ecg_sheet`.
        explanation: of the class.
        delineation: that holds the record.
        record: which of its records.

    Raises:
        DataError: as `ecg_sheet`.
    """
    figure = ecg_sheet(
        signal, fs, title, probabilities, thresholds, truth, subtitle, about, N_CLASSES
    )
    paper, side = figure.axes
    placed = placed_on_sheet(signal, fs)
    spans = waves(delineation, record, explanation.fs, explanation.signal.shape[1])
    _mark(paper, placed, marks(explanation, delineation, record))
    terms = terms_of(explanation, spans, N_DRAWN, about.measured)
    taken = findings_height(probabilities, thresholds, N_CLASSES)
    _draw_panel(side, explanation, terms, placed.height_mm - taken + 2)
    _draw_legend(figure, explanation.class_name)
    return figure


def _mark(paper: Axes, placed: Placed, added: npt.NDArray[np.float64]) -> None:
    for trace in placed.traces:
        own = added[LEADS.index(trace.lead), trace.start : trace.stop]
        boxes, colors = _boxes(trace, np.clip(own / FULL_MARK, -1, 1))
        paper.add_collection(
            PolyCollection(
                boxes, facecolors=colors, linewidths=0, zorder=1.5, label=f"marks {trace.lead}"
            )
        )


def _boxes(
    trace: Trace, strength: npt.NDArray[np.float64]
) -> tuple[list[npt.NDArray[np.float64]], list[tuple[float, ...]]]:
    """A box around each run of samples that moved it in one direction, and its colour."""
    sign = np.where(np.isfinite(trace.y_mm) & (np.abs(strength) > FAINTEST), np.sign(strength), 0)
    starts = np.flatnonzero(np.diff(sign, prepend=0))
    stops = np.append(starts, len(sign))[1:]
    boxes: list[npt.NDArray[np.float64]] = []
    colors: list[tuple[float, ...]] = []
    step = trace.x_mm[1] - trace.x_mm[0] if len(trace.x_mm) > 1 else 0.0
    for start, stop in zip(starts, stops, strict=True):
        if sign[start]:
            y = trace.y_mm[start:stop]
            left, right = trace.x_mm[start] - step / 2, trace.x_mm[stop - 1] + step / 2
            low, high = y.min() - AROUND_MM, y.max() + AROUND_MM
            boxes.append(np.array([(left, low), (right, low), (right, high), (left, high)]))
            opacity = STRONGEST * float(np.abs(strength[start:stop]).max())
            colors.append(to_rgba(FOR if sign[start] > 0 else AGAINST, opacity))
    return boxes, colors


def _draw_panel(side: Axes, explanation: Explanation, terms: Terms, top: float) -> None:
    moved = (
        f"{explanation.usual:.0%} for {explanation.start}",
        f"{explanation.probability:.0%} for this one",
    )
    draw_terms(side, f"What moved {explanation.class_name}", moved, terms, top)


def _draw_legend(figure: Figure, class_name: str) -> None:
    height = figure.get_size_inches()[1] * MM_PER_INCH
    right, y = MARGIN_MM + PAPER_WIDTH_MM, FOOTER_MM / 2 / height
    full = f"marked by log-odds, full colour {FULL_MARK:g} per 10 ms over all beats:"
    words: Sequence[tuple[str, str, float]] = (
        (f"against {class_name}", AGAINST, 0.0),
        (f"for {class_name}", FOR, 28.0),
        (full, GREY, 46.0),
    )
    for text, color, left in words:
        figure.text(
            (right - left) / SHEET_WIDTH_MM, y, text, fontsize=8, color=color,
            fontweight="normal" if color == GREY else "bold", va="center", ha="right",
        )  # fmt: skip
