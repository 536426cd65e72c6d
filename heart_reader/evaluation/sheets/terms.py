"""What moved a probability, as a list that adds up: a name, a bar on a fixed scale, a number."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from heart_reader.evaluation.plots.figures import GREY, INK, PALE
from heart_reader.evaluation.sheets.explanation import Terms

# Told apart by every kind of colour vision, and neither is a class's colour nor the grid's.
FOR, AGAINST = "#E66100", "#5D3A9B"
ROW_MM = 3.75
BAR_MM, BAR_REACH_MM = 47.0, 9.0  # where 0 is, and to each side
SCALE = 2.0  # log-odds at the end of a bar, on every sheet
SMALL = 0.1  # log-odds; what is less is written in grey
HEAD_MM = 13.5


def draw_terms(side: Axes, heading: str, moved: Sequence[str], terms: Terms, top: float) -> None:
    """Heading, from where to where, and the terms, into axes in millimetres.

    Args:
        side: of `ecg_sheet`.
        heading: over all.
        moved: lines under it.
        terms: waves, features, and their sum.
        top: height of the heading.
    """
    width = side.get_xlim()[1]
    side.plot([0, width], [top + 3.5] * 2, color=PALE, linewidth=0.8)
    side.text(0, top, heading, fontsize=9, fontweight="bold", color=INK, va="center")
    for place, line in enumerate(moved):
        y = top - 4.2 - 3.4 * place
        side.text(0, y, line, fontsize=7.5, color=GREY, va="center")
    side.text(
        width,
        top,
        f"log-odds; bars: ±{SCALE:g}",
        fontsize=6.5,
        color=GREY,
        va="center",
        ha="right",
    )
    y = top - HEAD_MM
    foot = y - ROW_MM * (len(terms.waves) + len(terms.features)) - 1.2
    side.plot([BAR_MM] * 2, [y + 2, foot - 2], color=PALE, linewidth=0.8, zorder=0)
    for name, log_odds in (*terms.waves, *terms.features):
        _draw_row(side, y, name, log_odds)
        y -= ROW_MM
    side.plot([0, width], [y + ROW_MM / 2 - 0.4] * 2, color=PALE, linewidth=0.8)
    _draw_row(side, foot, "together", terms.total, "bold")


def _draw_row(side: Axes, y: float, name: str, log_odds: float, weight: str = "normal") -> None:
    color = FOR if log_odds > 0 else AGAINST
    quiet = abs(log_odds) < SMALL
    side.text(0, y, name, fontsize=7, color=INK, va="center", fontweight=weight)
    reach = max(-1.0, min(log_odds / SCALE, 1.0)) * BAR_REACH_MM
    side.barh(y, reach, 2.4, BAR_MM, color=color, alpha=0.9, label=name)
    side.text(
        side.get_xlim()[1], y, f"{log_odds:+.2f}", fontsize=7, va="center", ha="right",
        color=GREY if quiet else color, fontweight="normal" if quiet else "bold",
    )  # fmt: skip
    if abs(log_odds) > SCALE:
        marker = ">" if log_odds > 0 else "<"
        side.plot(BAR_MM + reach, y, marker, color=color, markersize=4)
