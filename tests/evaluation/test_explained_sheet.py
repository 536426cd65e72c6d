"""Marks lie around the waves in the colour of their direction, and what is listed adds up.

Covers: heart_reader.evaluation.sheets.feature_words, heart_reader.evaluation.sheets.findings.
"""

import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgb

from heart_reader.data.delineation import MainMeasurements, delineate
from heart_reader.evaluation.sheets.ecg import About, placed_on_sheet
from heart_reader.evaluation.sheets.explained import explained_sheet
from heart_reader.evaluation.sheets.explanation import Explanation, log_odds_of, terms_of
from heart_reader.evaluation.sheets.terms import AGAINST, BAR_REACH_MM, FOR, SCALE

PROBABILITIES = {"NORM": 0.1, "MI": 0.9, "STTC": 0.5, "CD": 0.2, "HYP": 0.3}
THRESHOLDS = dict.fromkeys(PROBABILITIES, 0.4)
NAMES = ("Q_Dur_aVF", "P_Amp_II", "sex", "QRS_Dur_Global")
MEASURED = MainMeasurements(72.0, 160.0, 166.0, 374.0, 396.0, 396.0, 409.7, -12.0)


def explanation_of(added: np.ndarray) -> Explanation:
    values = np.array([44.0, np.nan, 1.0, 192.0], np.float32)
    moved = np.array([0.8, -0.3, 0.03, 0.2])
    return Explanation("MI", 0.9, 0.4, "a normal ECG", added, moved, NAMES, values, 0.0)


def sheet(added: np.ndarray):
    signal = np.zeros((12, 1000))  # no beats: nothing is averaged
    figure = explained_sheet(
        signal,
        100,
        "ECG 1",
        PROBABILITIES,
        THRESHOLDS,
        explanation_of(added),
        delineate(signal[None], 100),
        0,
        about=About(measured=MEASURED),
    )
    return figure, signal


def marks_of(figure) -> dict[str, PolyCollection]:
    found = [c for c in figure.axes[0].collections if c.get_label().startswith("marks ")]
    assert len(found) == 13
    return {c.get_label()[6:]: c for c in found}


def edges_of(collection: PolyCollection) -> tuple[float, float]:
    x = np.concatenate([path.vertices[:, 0] for path in collection.get_paths()])
    return x.min(), x.max()


def test_marks_are_behind_the_trace_where_something_was_added():
    added = np.zeros((12, 1000))
    added[2, 100:120] = 0.2  # III, for
    added[9, 800:820] = -0.1  # V4, against
    figure, signal = sheet(added)
    marks = marks_of(figure)
    paper = figure.axes[0]
    trace_order = min(line.get_zorder() for line in paper.lines if len(line.get_xdata()) > 100)
    for lead, samples, color in (("III", (100, 120), FOR), ("V4", (800, 820), AGAINST)):
        collection = marks[lead]
        assert collection.get_zorder() < trace_order
        low, high = edges_of(collection)
        piece = next(p for p in placed_on_sheet(signal, 100).traces if p.lead == lead)
        start, stop = (piece.x_mm[s - piece.start] for s in samples)
        # Smoothing widens a mark by a few samples, 0.25 mm each.
        assert start - 2 < low <= start and stop <= high + 0.5 < stop + 2
        colors = collection.get_facecolor()
        np.testing.assert_allclose(colors[:, :3], np.tile(to_rgb(color), (len(colors), 1)))
    opacity = [marks[lead].get_facecolor()[:, 3].max() for lead in ("III", "V4")]
    assert opacity[0] == pytest.approx(2 * opacity[1], rel=0.01)
    for lead, collection in marks.items():
        assert lead in ("III", "V4") or len(collection.get_paths()) == 0


def test_what_moved_little_looks_like_little():
    """Marks have one scale on all sheets: a twentieth of the log-odds isn't marked as strongly."""
    opacities = []
    for size in (0.2, 0.04, 0.01):
        added = np.zeros((12, 1000))
        added[2, 100:120] = size
        colors = marks_of(sheet(added)[0])["III"].get_facecolor()
        opacities.append(colors[:, 3].max() if len(colors) else 0.0)
    assert opacities[0] == pytest.approx(5 * opacities[1], rel=0.01)
    assert opacities[2] == 0


def test_all_terms_add_up_to_what_was_moved():
    rng = np.random.default_rng(0)
    explanation = explanation_of(rng.normal(0, 0.01, (12, 1000)))
    spans = {"QRS": ((10, 20), (110, 120)), "T": ((40, 60),)}
    terms = terms_of(explanation, spans, 2)
    moved = log_odds_of(0.9) - log_odds_of(0.4)
    assert terms.total == pytest.approx(moved)
    assert sum(value for _, value in (*terms.waves, *terms.features)) == pytest.approx(moved)
    assert sum(value for _, value in terms.features) == pytest.approx(0.73)
    assert [name for name, _ in terms.features] == [
        "Q duration aVF 44 ms",
        "P amplitude II absent",
        "all other measurements",
    ]
    assert len(terms.waves) == 3 and terms.waves[-1][0] == "all the rest of the signal"


def test_the_panel_names_what_moved_it_with_values_and_units():
    added = np.zeros((12, 1000))
    added[2, 100:120] = 0.05
    figure, _ = sheet(added)
    side = figure.axes[1]
    words = [text.get_text() for axes in figure.axes for text in axes.texts]
    words += [text.get_text() for text in figure.texts]
    for expected in (
        "What moved MI",
        "40% for a normal ECG",
        "90% for this one",
        "III 1.0 s",
        "+1.00",
        "Q duration aVF 44 ms",
        "P amplitude II absent",
        "-0.30",
        "sex female",
        "all other measurements",
        "together",
        "for MI",
        "against MI",
    ):
        assert expected in words, expected
    # One value for one thing: the table's 166 ms, not the 192 from foot to foot of the model.
    assert "QRS 166 ms" in words
    assert any("QRS 166 ms" in word and "rate 72" in word for word in words)
    colors = {text.get_text(): text.get_color() for text in side.texts}
    assert colors["+0.80"] == FOR and colors["-0.30"] == AGAINST
    assert colors["+0.03"] not in (FOR, AGAINST)  # too little to be a verdict
    assert all(bar.get_y() > 0 for c in side.containers for bar in c)  # none is cut
    bars = {c.get_label(): c[0].get_width() for c in side.containers}
    assert bars["Q duration aVF 44 ms"] == pytest.approx(0.8 / SCALE * BAR_REACH_MM)
    assert bars["III 1.0 s"] == pytest.approx(1.0 / SCALE * BAR_REACH_MM)


def of_71_classes():
    """Names as long as PTB-XL's, most of them predicted."""
    names = [f"C{k:02d}/AE" for k in range(70)]
    probabilities = {name: 0.01 * k for k, name in enumerate(names)} | {"MI": 0.9}
    limits, truth = dict.fromkeys(probabilities, 0.3), dict.fromkeys(probabilities, True)
    signal, added = np.zeros((12, 1000)), explanation_of(np.zeros((12, 1000)))
    measured = delineate(signal[None], 100)
    return explained_sheet(signal, 100, "ECG 1", probabilities, limits, added, measured, 0, truth)


@pytest.mark.parametrize("drawn", ["few classes", "71 classes"])
def test_no_word_leaves_the_sheet_or_lies_on_another(drawn):
    figure = of_71_classes() if drawn == "71 classes" else sheet(np.zeros((12, 1000)))[0]
    figure.draw_without_rendering()
    whole = figure.bbox
    texts = [t for t in (*figure.texts, *figure.axes[1].texts) if t.get_text()]
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts]
    for word, box in boxes:
        assert box.x0 >= whole.x0 and box.x1 <= whole.x1, word
        assert box.y0 >= whole.y0 and box.y1 <= whole.y1, word
    for i, (word, box) in enumerate(boxes):
        others = [other for other, its in boxes[:i] if box.shrunk(0.98, 0.8).overlaps(its)]
        assert others == [], (word, others)
