"""An ECG sheet on which a highlighter shows what moved one probability, and in which direction.

The marks lie under the traces, so that the ECG stays one to be read. Beside it: the waves and the
measured features that moved it most, in log-odds, which add up.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from heart_reader.data.delineation import Delineation
from heart_reader.data.ptbxl import LEADS
from heart_reader.evaluation.plots.figures import GREY, INK, PALE
from heart_reader.evaluation.sheets.ecg import (
    FOOTER_MM,
    MARGIN_MM,
    PAPER_WIDTH_MM,
    SHEET_HEIGHT_MM,
    SHEET_WIDTH_MM,
    SIDE_WIDTH_MM,
    ecg_sheet,
    traces,
)
from heart_reader.evaluation.sheets.explanation import (
    Explanation,
    Feature,
    Stretch,
    marks,
    moving_features,
    stretches,
    value_text,
    waves,
)

# Told apart by every kind of colour vision, and neither is a class's colour nor the grid's.
FOR, AGAINST = "#E66100", "#5D3A9B"
STROKE_POINTS = 8.0
FAINTEST = 0.1  # of the strongest mark; below it is nothing to see
STRONGEST = 0.85  # opacity
N_NAMED = 6  # waves and features beside the sheet
PANEL_TOP_MM = 38.0


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
) -> Figure:
    """Draw one record with what moved one class's probability.

    Args:
        signal, fs, title, probabilities, thresholds, truth, subtitle: as of `ecg_sheet`.
        explanation: of the class.
        delineation: that holds the record.
        record: which of its records.

    Raises:
        DataError: as `ecg_sheet`.
    """
    figure = ecg_sheet(signal, fs, title, probabilities, thresholds, truth, subtitle)
    paper, side = figure.axes
    _mark(paper, signal, fs, marks(explanation, delineation, record))
    named = stretches(explanation, waves(delineation, record))[:N_NAMED]
    _draw_panel(side, explanation, named, moving_features(explanation)[:N_NAMED])
    _draw_legend(figure, explanation.class_name)
    return figure


def _mark(paper: Axes, signal: npt.ArrayLike, fs: float, added: npt.NDArray[np.float64]) -> None:
    strength = np.abs(added) / max(float(np.abs(added).max()), 1e-12)
    for piece in traces(signal, fs):
        lead = LEADS.index(piece.lead)
        points = np.stack([piece.x_mm, piece.y_mm], axis=1)
        lines = np.stack([points[:-1], points[1:]], axis=1)  # (n, 2 ends, 2)
        here = slice(piece.start, piece.stop - 1)
        colors = np.empty((len(lines), 4))
        colors[:, :3] = np.where(added[lead, here, None] > 0, to_rgb(FOR), to_rgb(AGAINST))
        opacity = np.where(strength[lead, here] > FAINTEST, strength[lead, here], 0)
        colors[:, 3] = STRONGEST * np.sqrt(opacity)
        seen = (opacity > 0) & np.isfinite(lines).all(axis=(1, 2))
        paper.add_collection(
            LineCollection(
                list(lines[seen]),
                colors=colors[seen],
                linewidths=STROKE_POINTS,
                capstyle="butt",
                zorder=1.5,
                label=f"marks {piece.lead}",
            )
        )


def _draw_panel(
    side: Axes, explanation: Explanation, named: Sequence[Stretch], features: Sequence[Feature]
) -> None:
    small: dict[str, Any] = {"fontsize": 7.5, "va": "center"}
    side.plot([0, SIDE_WIDTH_MM], [PANEL_TOP_MM + 4] * 2, color=PALE, linewidth=0.8)
    heading = f"What moved {explanation.class_name}"
    side.text(0, PANEL_TOP_MM, heading, fontsize=9, fontweight="bold", color=INK, va="center")
    moved = (
        f"from {explanation.usual:.0%} (flat, usual features) to {explanation.probability:.0%}; "
        "log-odds"
    )
    side.text(0, PANEL_TOP_MM - 5, moved, color=GREY, **small)
    rows = [(f"{each.lead} {each.wave or _at(each)}", each.log_odds) for each in named]
    _draw_column(side, 0.0, rows)
    read = [(f"{each.name} {value_text(each)}", each.log_odds) for each in features]
    _draw_column(side, 25.0, read or [("no features read", 0.0)])


def _at(stretch: Stretch) -> str:
    return f"{stretch.spans[0][0] / 100:.1f} s"


def _draw_column(side: Axes, left: float, rows: Sequence[tuple[str, float]]) -> None:
    """What was moved by how much: the number coloured by its direction, before the name."""
    for place, (name, log_odds) in enumerate(rows):
        y = PANEL_TOP_MM - 11 - 4.4 * place
        color = FOR if log_odds > 0 else AGAINST
        number: dict[str, Any] = {"ha": "right", "va": "center", "fontweight": "bold"}
        side.text(left + 8, y, f"{log_odds:+.2f}", color=color, fontsize=7, **number)
        side.text(left + 9.2, y, name, color=INK, fontsize=7, va="center")


def _draw_legend(figure: Figure, class_name: str) -> None:
    right = (MARGIN_MM + PAPER_WIDTH_MM) / SHEET_WIDTH_MM
    height = FOOTER_MM / 2 / SHEET_HEIGHT_MM
    words = (
        (f"against {class_name}", AGAINST, 0.0),
        (f"for {class_name}", FOR, 0.075),
        ("marked by what it adds, mean over like beats:", GREY, 0.125),
    )
    for text, color, left in words:
        weight = "normal" if color == GREY else "bold"
        figure.text(
            right - left, height, text, fontsize=8, color=color, fontweight=weight,
            va="center", ha="right",
        )  # fmt: skip
