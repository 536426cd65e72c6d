"""One ECG and what a model says of it on one page: A4 across, to scale, to be printed at 100%."""

import textwrap
from collections.abc import Mapping, Sequence

import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.ft2font import LoadFlags

from heart_reader.evaluation.plots.figures import GREY, INK
from heart_reader.evaluation.sheets.arrangement import arranged
from heart_reader.evaluation.sheets.beat import measurement_line
from heart_reader.evaluation.sheets.ecg import RESEARCH, About, person_text, scale_text
from heart_reader.evaluation.sheets.findings import check_classes
from heart_reader.evaluation.sheets.layout import PAPER_WIDTH_MM, place
from heart_reader.evaluation.sheets.paper import axes_mm, draw_ecg, sheet_figure

A4_MM = (297.0, 210.0)
PAPER_HEIGHT_MM, FOOTER_MM = 165.0, 9.0
LEFT_MM = (A4_MM[0] - PAPER_WIDTH_MM) / 2
LINE_CHARACTERS = 170  # at 8.5 points
SURE = 0.96  # of a line: a screen's letters stand on pixels, and take up to 2% more
FOUND, REST = (10.5, True), (8.5, False)  # points, and whether it is bold


def report_page(
    signal: npt.ArrayLike,
    fs: float,
    title: str,
    probabilities: Mapping[str, float],
    thresholds: Mapping[str, float],
    about: About,
    layout: str = "3x4",
    notes: str = "",
) -> Figure:
    """Draw the page; saved as PDF or SVG it is vectors, and 1 mm of it is 1 mm.

    Args:
        signal: (12, n_times) in mV.
        fs: Hz.
        title: such as the record's name.
        probabilities: of each class.
        thresholds: of the same classes; a class is a finding from its threshold on.
        about: the record and the model.
        layout: of ``LAYOUTS``.
        notes: what a reader must know of the recording.

    Returns:
        A figure of A4; its one axes, ``paper``, takes millimetres.

    Raises:
        DataError: a bad signal or layout, or classes that differ.
    """
    check_classes(probabilities, thresholds, None)
    placed = place(signal, fs, arranged(layout, signal, fs), PAPER_HEIGHT_MM, PAPER_HEIGHT_MM)
    figure = sheet_figure(*A4_MM)
    paper = axes_mm(figure, LEFT_MM, FOOTER_MM, PAPER_WIDTH_MM, PAPER_HEIGHT_MM, "paper")
    draw_ecg(paper, placed)
    _write(figure, 204.0, title, 13.0, bold=True)
    who = filter(None, (about.person, person_text(about)))
    _write(figure, 204.0, ", ".join(who), 10.0, right=True)
    if about.measured is not None:
        _write(figure, 197.0, measurement_line(about.measured), 10.5)
    _write(figure, 197.0, about.model[-60:], 8.5, right=True)
    found, rest = finding_lines(probabilities, thresholds)
    _write(figure, 190.0, found, FOUND[0], bold=FOUND[1], whole=True)
    _write(figure, 184.0, rest, REST[0], GREY, whole=True)
    _write(figure, 178.5, notes, 8.5, GREY)
    _write(figure, FOOTER_MM / 2, scale_text(placed, fs), 8.0)
    _write(figure, FOOTER_MM / 2, RESEARCH, 8.0, right=True)
    return figure


def finding_lines(
    probabilities: Mapping[str, float], thresholds: Mapping[str, float]
) -> tuple[str, str]:
    """What a model found, the clearest first, and what it didn't, the nearest first.

    >>> finding_lines({"NORM": 0.58, "MI": 0.52}, {"NORM": 0.6, "MI": 0.18})
    ('Found: MI 52% (from 18%)', 'Not found: NORM 58% (from 60%)')
    """
    if not probabilities:
        return "No findings: the record can't be judged", ""
    order = sorted(probabilities, key=lambda name: -probabilities[name] / thresholds[name])
    told = {n: f"{n} {probabilities[n]:.0%} (from {thresholds[n]:.0%})" for n in order}
    found = [told[name] for name in order if probabilities[name] >= thresholds[name]]
    rest = [told[name] for name in order if probabilities[name] < thresholds[name]]
    return (
        _fitting("Found", found or ["none of the classes"], *FOUND),
        _fitting("Not found", rest or ["none"], *REST),
    )


def _fitting(title: str, words: Sequence[str], size: float, bold: bool) -> str:
    """As many of some words as a line of the page holds, and how many more there are."""
    for n in range(len(words), 0, -1):
        more = [] if n == len(words) else [f"and {len(words) - n} more"]
        line = f"{title}: {', '.join([*words[:n], *more])}"
        if _width_mm(line, size, bold) <= SURE * PAPER_WIDTH_MM:
            break
    return line


def _width_mm(text: str, size: float, bold: bool) -> float:
    font = get_font(findfont(FontProperties(weight="bold" if bold else "normal")))
    font.set_size(size, 72)
    font.set_text(text, 0, flags=LoadFlags.NO_HINTING)
    return float(font.get_width_height()[0] / 64 / 72 * 25.4)  # from 1/64 point


def _write(
    figure: Figure,
    height: float,
    text: str,
    size: float,
    color: str = INK,
    bold: bool = False,
    right: bool = False,
    whole: bool = False,
) -> None:
    """A line that ends before the paper does, at a height in mm; ``whole`` says that it fits."""
    x = (A4_MM[0] - LEFT_MM if right else LEFT_MM) / A4_MM[0]
    room = round(LINE_CHARACTERS * 8.5 / size)
    line = text if whole else textwrap.shorten(text, room, placeholder=" ...")
    # Names of measurements stand apart by several spaces, which `shorten` would take.
    shown = text if len(line) >= len(" ".join(text.split())) else line
    figure.text(
        x, height / A4_MM[1], shown, fontsize=size, color=color, va="center",
        fontweight="bold" if bold else "normal", ha="right" if right else "left",
    )  # fmt: skip
