"""The marks lie under the traces, in the colour of their direction, and nowhere else."""

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb

from heart_reader.data.delineation import delineate
from heart_reader.evaluation.sheets.ecg import traces
from heart_reader.evaluation.sheets.explained import AGAINST, FOR, explained_sheet
from heart_reader.evaluation.sheets.explanation import Explanation

PROBABILITIES = {"NORM": 0.1, "MI": 0.9, "STTC": 0.5, "CD": 0.2, "HYP": 0.3}
THRESHOLDS = dict.fromkeys(PROBABILITIES, 0.4)
NAMES = ("Q_Dur_aVF", "P_Amp_II", "sex")


def sheet(added: np.ndarray):
    signal = np.zeros((12, 1000))  # no beats: nothing is averaged
    values = np.array([44.0, np.nan, 1.0], np.float32)
    explanation = Explanation(
        "MI", 0.9, 0.4, added, np.array([0.8, -0.3, 0.1]), NAMES, values, 0.0
    )
    figure = explained_sheet(
        signal,
        100,
        "ECG 1",
        PROBABILITIES,
        THRESHOLDS,
        explanation,
        delineate(signal[None], 100),
        0,
    )
    return figure, signal


def marks_of(figure) -> dict[str, LineCollection]:
    found = [c for c in figure.axes[0].collections if c.get_label().startswith("marks ")]
    assert len(found) == 13
    return {c.get_label()[6:]: c for c in found}


def test_marks_are_under_the_trace_where_something_was_added():
    added = np.zeros((12, 1000))
    added[2, 100:120] = 1.0  # III, for
    added[9, 800:820] = -0.5  # V4, against
    figure, signal = sheet(added)
    marks = marks_of(figure)
    paper = figure.axes[0]
    trace_order = min(line.get_zorder() for line in paper.lines if len(line.get_xdata()) > 100)
    for lead, samples, color in (("III", (100, 120), FOR), ("V4", (800, 820), AGAINST)):
        collection = marks[lead]
        assert collection.get_zorder() < trace_order
        x = np.concatenate(collection.get_segments())[:, 0]
        piece = next(p for p in traces(signal, 100) if p.lead == lead)
        start, stop = (piece.x_mm[s - piece.start] for s in samples)
        # Smoothing widens a mark by a few samples, 0.25 mm each.
        assert start - 2 < x.min() <= start and stop <= x.max() + 0.5 < stop + 2
        colors = collection.get_colors()
        np.testing.assert_allclose(colors[:, :3], np.tile(to_rgb(color), (len(colors), 1)))
    assert marks["III"].get_colors()[:, 3].max() > marks["V4"].get_colors()[:, 3].max()
    for lead, collection in marks.items():
        assert lead in ("III", "V4") or len(collection.get_segments()) == 0


def test_the_panel_names_what_moved_it_with_values_and_units():
    added = np.zeros((12, 1000))
    added[2, 100:120] = 0.05
    figure, _ = sheet(added)
    words = [text.get_text() for axes in figure.axes for text in axes.texts]
    words += [text.get_text() for text in figure.texts]
    for expected in (
        "What moved MI",
        "from 40% (flat, usual features) to 90%; log-odds",
        "III 1.0 s",
        "+1.00",
        "Q_Dur_aVF 44 ms",
        "P_Amp_II absent",
        "-0.30",
        "sex female",
        "for MI",
        "against MI",
    ):
        assert expected in words, expected
    colors = {t.get_text(): t.get_color() for axes in figure.axes for t in axes.texts}
    assert colors["+0.80"] == FOR and colors["-0.30"] == AGAINST
