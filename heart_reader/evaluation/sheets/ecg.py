"""A 12-lead ECG on ECG paper, to scale, with a model's probabilities beside it.

25 mm/s and 10 mm/mV, three rows of four leads (2.5 s each) over a rhythm strip of lead II (10 s),
or as the leads and the seconds that there are fill the paper.
Tall waves get a taller paper; where that would be too tall, 5 mm/mV, and the sheet says so.
"""

import math
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass

import numpy.typing as npt
from matplotlib.figure import Figure

from heart_reader.data.delineation import MainMeasurements
from heart_reader.evaluation.plots.figures import GREY, INK
from heart_reader.evaluation.sheets.arrangement import arranged
from heart_reader.evaluation.sheets.beat import measurement_line
from heart_reader.evaluation.sheets.findings import check_classes, draw_findings
from heart_reader.evaluation.sheets.layout import (
    MM_PER_S,
    PAPER_WIDTH_MM,
    TRACE_LEFT_MM,
    Placed,
    place,
)
from heart_reader.evaluation.sheets.paper import MM_PER_INCH, axes_mm, draw_ecg, sheet_figure

PAPER_HEIGHT_MM, TALLEST_MM = 145.0, 195.0
SIDE_WIDTH_MM = 66.0
MARGIN_MM, TITLE_MM, FOOTER_MM = 6.0, 22.0, 9.0
SHEET_WIDTH_MM = PAPER_WIDTH_MM + SIDE_WIDTH_MM + 3 * MARGIN_MM
SUBTITLE_CHARACTERS, MODEL_CHARACTERS = 150, 60  # what fits on one line
RESEARCH = "for research only, not a diagnosis"
N_CLASSES = 9  # bars that fit beside the paper


@dataclass(frozen=True)
class About:
    """What is known of a record, and who read it; NaN, ``None`` and "" where it isn't known.

    Attributes:
        age: years.
        sex: 0 male, 1 female.
        measured: its main measurements.
        model: the name that a reader can look it up by.
        person: name, number and birth date, where a user asked for them.
    """

    age: float = math.nan
    sex: float = math.nan
    measured: MainMeasurements | None = None
    model: str = ""
    person: str = ""


NOBODY = About()


def placed_on_sheet(signal: npt.ArrayLike, fs: float) -> Placed:
    """Where a sheet has its traces.

    Raises:
        DataError: a signal that is not (12, n_times), or a rate that is not above 0.
    """
    return place(signal, fs, arranged("3x4", signal, fs), PAPER_HEIGHT_MM, TALLEST_MM)


def ecg_sheet(
    signal: npt.ArrayLike,
    fs: float,
    title: str,
    probabilities: Mapping[str, float],
    thresholds: Mapping[str, float],
    truth: Mapping[str, bool] | None = None,
    subtitle: str = "",
    about: About = NOBODY,
    n_classes: int = N_CLASSES,
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
        about: the record and the model.
        n_classes: the most that are drawn, those nearest to their thresholds or above.

    Returns:
        A figure of true size; its first axes, ``paper``, take millimetres, so that more can be
        drawn over `placed_on_sheet`; its second, ``side``, too.

    Raises:
        DataError: a bad signal, or a class that is not in all three mappings.
    """
    placed = placed_on_sheet(signal, fs)
    check_classes(probabilities, thresholds, truth)
    figure = sheet_figure(SHEET_WIDTH_MM, placed.height_mm + TITLE_MM + FOOTER_MM)
    paper = axes_mm(figure, MARGIN_MM, FOOTER_MM, PAPER_WIDTH_MM, placed.height_mm, "paper")
    draw_ecg(paper, placed)
    side_left = PAPER_WIDTH_MM + 2 * MARGIN_MM
    side = axes_mm(figure, side_left, FOOTER_MM, SIDE_WIDTH_MM, placed.height_mm, "side")
    draw_findings(side, probabilities, thresholds, truth, n_classes)
    _write_margins(figure, title, subtitle, scale_text(placed, fs), about)
    return figure


def scale_text(placed: Placed, fs: float) -> str:
    """Speed and gain, and what a reader must know of them."""
    words = f"{MM_PER_S:g} mm/s    {placed.mm_per_mv:g} mm/mV    {fs:g} Hz"
    if placed.mm_per_mv != 10:
        words += f"    waves too tall for 10 mm/mV: drawn at {placed.mm_per_mv:g}"
    if any(trace.start == 0 and trace.left_mm > TRACE_LEFT_MM for trace in placed.traces):
        words += "    leads beside each other: the same seconds"
    if placed.cut:
        words += f"    cut at the paper's edge: {', '.join(placed.cut)}"
    return words


def person_text(about: About) -> str:
    """Age and sex.

    >>> person_text(About(63.0, 1.0)), person_text(About(sex=0.0)), person_text(About())
    ('63 years, female', 'age unknown, male', 'age and sex unknown')
    """
    if math.isnan(about.age) and math.isnan(about.sex):
        return "age and sex unknown"
    age = "age unknown" if math.isnan(about.age) else f"{about.age:.0f} years"
    sex = "sex unknown" if math.isnan(about.sex) else ("male", "female")[round(about.sex)]
    return f"{age}, {sex}"


def _write_margins(figure: Figure, title: str, subtitle: str, scale: str, about: About) -> None:
    height = figure.get_size_inches()[1] * MM_PER_INCH
    left, right = MARGIN_MM / SHEET_WIDTH_MM, 1 - MARGIN_MM / SHEET_WIDTH_MM
    lines = [(4.0, title, 12.0, INK, "bold")]
    if about.measured is not None:
        lines.append((10.5, measurement_line(about.measured), 10.0, INK, "normal"))
    note = textwrap.shorten(subtitle, SUBTITLE_CHARACTERS, placeholder=" ...")
    lines.append((16.0, note, 8.5, GREY, "normal"))
    for down, text, size, color, weight in lines:
        y = 1 - down / height
        figure.text(left, y, text, fontsize=size, fontweight=weight, color=color, va="top")
    person = "" if about is NOBODY else person_text(about)
    model = _shortened(about.model) if about.model else ""
    for down, text, size in ((4.5, person, 10.0), (10.5, model, 8.5), (16.0, RESEARCH, 8.5)):
        y = 1 - down / height
        figure.text(right, y, text, fontsize=size, color=INK, va="top", ha="right")
    foot = FOOTER_MM / 2 / height
    figure.text(left, foot, scale, fontsize=8, color=INK, va="center")


def _shortened(name: str) -> str:
    """The end of a long name: it tells models apart."""
    return name if len(name) <= MODEL_CHARACTERS else f"...{name[-MODEL_CHARACTERS:]}"
