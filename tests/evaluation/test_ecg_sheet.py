"""The sheet is measured as one measures paper: in millimetres, on the saved picture.

Covers: heart_reader.evaluation.sheets.findings.
"""

import numpy as np
import pytest
import wfdb
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from heart_reader.data.delineation import MainMeasurements
from heart_reader.data.ptbxl import LEADS
from heart_reader.errors import DataError
from heart_reader.evaluation.plots.figures import CLASS_COLORS, save
from heart_reader.evaluation.sheets.arrangement import LAYOUTS, layout_of
from heart_reader.evaluation.sheets.ecg import (
    INK,
    RESEARCH,
    SHEET_WIDTH_MM,
    About,
    ecg_sheet,
    placed_on_sheet,
)
from heart_reader.evaluation.sheets.layout import place
from heart_reader.evaluation.sheets.paper import GRID_5_MM

FS = 100
PIXELS_PER_MM = 10
SHEET_HEIGHT_MM = 176  # 145 of paper, 22 over it, 9 under it
LAYOUT = LAYOUTS["3x4"].rows
PROBABILITIES = {"NORM": 0.1, "MI": 0.9, "STTC": 0.5, "CD": 0.2, "HYP": 0.3}
THRESHOLDS = {"NORM": 0.4, "MI": 0.3, "STTC": 0.5, "CD": 0.6, "HYP": 0.35}
TRUTH = {"NORM": False, "MI": True, "STTC": False, "CD": False, "HYP": True}


def make_sheet(signal, fs=FS, truth=TRUTH):
    return ecg_sheet(signal, fs, "Record 1", PROBABILITIES, THRESHOLDS, truth)


def test_saved_picture_is_to_scale(tmp_path):
    # 1 mV on every lead from 1.0 s to 1.2 s; sampled at 1 kHz, so that its sides are upright
    signal = np.zeros((12, 10_000), dtype=np.float32)
    signal[:, 1000:1200] = 1
    path = save(make_sheet(signal, fs=1000), tmp_path / "sheet.png", dpi=PIXELS_PER_MM * 25.4)
    image = imread(path)[..., :3]
    height, width = round(SHEET_HEIGHT_MM * PIXELS_PER_MM), round(SHEET_WIDTH_MM * PIXELS_PER_MM)
    assert image.shape[:2] == (height, width)
    first_row = np.abs(image - to_rgb(INK)).max(axis=2)[290:450, :1000] < 0.3  # lead I
    upright = np.flatnonzero(first_row.sum(axis=0) > 90)
    edges = upright[np.insert(np.diff(upright) > 3, 0, True)]
    # the pulse lasts 0.2 s and starts 10 mm before the trace, so 35 mm before the wave
    np.testing.assert_allclose(edges - edges[0], [0, 50, 350, 400], atol=2)
    for edge in edges:
        stroke = np.flatnonzero(first_row[:, edge])
        # 10 mm and the width of the pen
        assert stroke.max() - stroke.min() == pytest.approx(100, abs=4)


def test_saved_grid_has_a_thick_line_every_5_mm(tmp_path):
    path = save(make_sheet(np.zeros((12, 1000))), tmp_path / "sheet.png", dpi=PIXELS_PER_MM * 25.4)
    image = imread(path)[..., :3]
    row = image[265]  # above every trace and name, between two lines of the grid
    thick = np.flatnonzero(np.abs(row - to_rgb(GRID_5_MM)).max(axis=1) < 0.1)
    starts = thick[np.insert(np.diff(thick) > 1, 0, True)]
    assert len(starts) == 270 // 5 + 1
    np.testing.assert_allclose(np.diff(starts), 50, atol=1)


def test_traces_are_in_millimetres():
    signal = np.zeros((12, 1000))
    signal[LEADS.index("V5"), 800] = 2.0
    placed = placed_on_sheet(signal, FS)
    (v5,) = (piece for piece in placed.traces if piece.lead == "V5")
    peak = v5.y_mm.argmax()
    assert v5.start + peak == 800
    assert v5.y_mm[peak] - placed.middles[1] == pytest.approx(20)
    assert v5.x_mm[peak] - 15 == pytest.approx(8.0 * 25)


def test_layout_is_three_rows_of_four_leads_over_a_strip():
    pieces = placed_on_sheet(np.zeros((12, 1000)), FS).traces
    assert [piece.lead for piece in pieces] == [
        "I", "aVR", "V1", "V4", "II", "aVL", "V2", "V5", "III", "aVF", "V3", "V6", "II",
    ]  # fmt: skip
    assert [(piece.start, piece.stop) for piece in pieces[:4]] == [
        (0, 250), (250, 500), (500, 750), (750, 1000),
    ]  # fmt: skip
    assert (pieces[-1].start, pieces[-1].stop) == (0, 1000)
    assert {lead for leads in LAYOUT for lead in leads} == set(LEADS)


def test_an_offset_is_taken_off_but_no_amplitude():
    generator = np.random.default_rng(0)
    signal = generator.normal(0, 0.2, size=(12, 1000))
    shift = generator.normal(size=(12, 1))
    plain_traces, shifted_traces = (
        placed_on_sheet(each, FS).traces for each in (signal, signal + shift)
    )
    for plain, shifted in zip(plain_traces, shifted_traces, strict=True):
        np.testing.assert_allclose(shifted.y_mm, plain.y_mm, atol=1e-9)
        source = signal[LEADS.index(plain.lead), plain.start : plain.stop]
        np.testing.assert_allclose(np.diff(plain.y_mm), 10 * np.diff(source), atol=1e-9)


@pytest.mark.parametrize(("fs", "n_times"), [(500, 5000), (250, 7500), (100, 1000)])
def test_time_is_true_at_every_rate(fs, n_times):
    strip = placed_on_sheet(np.zeros((12, n_times)), fs).traces[-1]
    assert strip.stop == 10 * fs
    assert strip.x_mm[-1] - strip.x_mm[0] == pytest.approx((10 - 1 / fs) * 25)


@pytest.mark.parametrize("n_times", [300, 500, 700])
def test_leads_of_a_short_record_begin_together_and_each_is_there(n_times):
    pieces = placed_on_sheet(np.zeros((12, n_times)), FS).traces
    assert {piece.lead for piece in pieces} == set(LEADS)
    width = 250 if n_times > 500 else 500  # 3x4 over a strip, or 6x2
    for piece in pieces[:12]:
        assert (piece.start, piece.stop) == (0, min(width, n_times))
        assert piece.x_mm[0] == piece.left_mm and piece.left_mm in np.arange(15, 265, width / 4)
    if n_times > 500:
        assert pieces[-1].lead == "II" and pieces[-1].stop == n_times
    said = {text.get_text() for text in make_sheet(np.zeros((12, n_times))).texts}
    assert any("leads beside each other: the same seconds" in text for text in said)


@pytest.mark.parametrize(
    ("leads", "rows"),
    [
        (("II",), ("II",)),
        (("I", "II"), ("I", "II")),
        (("I", "II", "V1", "V2", "V5"), ("I V2", "II V5", "V1", "II")),
        (LEADS[:6], ("I aVR", "II aVL", "III aVF", "II")),
        (("I", "II", *LEADS[6:]), ("I V3", "II V4", "V1 V5", "V2 V6", "II")),
        (LEADS[:9], ("I aVR V1 V4", "II aVL V2 V5", "III aVF V3 V6", "II")),
    ],
)
def test_few_leads_fill_the_paper(leads, rows):
    signal = np.full((12, 1000), np.nan)
    signal[[LEADS.index(lead) for lead in leads]] = 0.0
    placed = placed_on_sheet(signal, FS)
    drawn = [[piece for piece in placed.traces if piece.row == row] for row in range(len(rows))]
    assert tuple(" ".join(piece.lead for piece in row) for row in drawn) == rows
    for row in drawn:
        assert (row[0].start, row[-1].stop) == (0, 1000)
    assert 145 <= placed.height_mm <= 195 and min(placed.middles) >= 20
    make_sheet(signal)


def test_a_gap_in_the_signal_is_a_gap_in_the_trace():
    signal = np.ones((12, 1000))
    signal[:, 10:20] = np.nan
    placed = placed_on_sheet(signal, FS)
    first = placed.traces[0]
    assert np.isnan(first.y_mm[10:20]).all()
    np.testing.assert_allclose(first.y_mm[:10], placed.middles[0])


def test_paper_holds_grid_names_and_pulses():
    paper = make_sheet(np.zeros((12, 1000))).axes[0]
    assert [c.get_label() for c in paper.collections] == ["1 mm", "5 mm"]
    assert len(paper.collections[1].get_segments()) == 55 + 30
    assert [text.get_text() for text in paper.texts] == [lead for row in LAYOUT for lead in row]
    pulses = [line for line in paper.lines if line.get_label() == "1 mV"]
    assert len(pulses) == 4
    assert all(np.ptp(line.get_ydata()) == 10 for line in pulses)


def test_bars_thresholds_and_true_labels():
    side = make_sheet(np.zeros((12, 1000))).axes[1]
    bars = {container.get_label(): container for container in side.containers}
    for name, probability in PROBABILITIES.items():
        (full,), (bar,) = bars[f"{name} scale"], bars[name]
        assert bar.get_width() / full.get_width() == pytest.approx(probability)
        assert bar.get_facecolor()[:3] == to_rgb(CLASS_COLORS[name])
        (tick,) = (
            line.get_xdata()[0]
            for line in side.lines
            if line.get_marker() == "None"
            and np.mean(line.get_ydata()) == pytest.approx(bar.get_y() + bar.get_height() / 2)
        )
        assert (tick - full.get_x()) / full.get_width() == pytest.approx(THRESHOLDS[name])
        # predicted from the threshold on, so STTC at exactly 0.5 is
        assert (bar.get_alpha() == 1) == (name in {"MI", "STTC"})
    marked = {line.get_label() for line in side.lines if line.get_label().endswith(" true")}
    assert marked == {"MI true", "HYP true"}
    weights = {text.get_text(): text.get_fontweight() for text in side.texts}
    assert (weights["MI"], weights["90%"], weights["CD"]) == ("bold", "bold", "normal")


def test_without_truth_nothing_claims_one():
    side = make_sheet(np.zeros((12, 1000)), truth=None).axes[1]
    assert not any(line.get_marker() == "o" for line in side.lines)
    assert "true label" not in [text.get_text() for text in side.texts]


def test_bad_input_is_named():
    with pytest.raises(DataError, match=r"needs a signal of \(12, n_times\), got \(1000, 12\)"):
        placed_on_sheet(np.zeros((1000, 12)), FS)
    with pytest.raises(DataError, match="fs must be above 0 Hz, but is 0"):
        placed_on_sheet(np.zeros((12, 1000)), 0)
    with pytest.raises(DataError, match=r"truth names the classes \['MI'\]"):
        make_sheet(np.zeros((12, 1000)), truth={"MI": True})


# ---------------------------------------------------------------- room for tall waves


def beats(**heights: tuple[float, float]) -> np.ndarray:
    """R and S waves of some millivolts in some leads, one each second."""
    signal = np.zeros((12, 1000))
    for lead, (r, s) in heights.items():
        signal[LEADS.index(lead), 30::100] = r
        signal[LEADS.index(lead), 33::100] = -s
    return signal


def collisions(placed) -> list[tuple[str, str]]:
    """Leads that come nearer than a millimetre to one of another row, and names on a wave."""
    found = []
    for a in placed.traces:
        for b in placed.traces:
            if a.row < b.row:
                # Waves within half a millimetre of width of each other, a over b.
                near = np.abs(a.x_mm[:, None] - b.x_mm[None]) < 0.5
                apart = a.y_mm[:, None] - b.y_mm[None]
                if near.any() and apart[near].min() < 1:
                    found.append((a.lead, b.lead))
        for (x, y), named in zip(placed.names, placed.traces, strict=True):
            inside = (a.x_mm > x) & (a.x_mm < x + 6) & (a.y_mm > y) & (a.y_mm < y + 3)
            if inside.any():
                found.append((a.lead, f"name of {named.lead}"))
    return found


def test_tall_waves_get_a_taller_paper_and_nothing_is_cut():
    """Voltages of left ventricular hypertrophy, in rows that would be in each other's way."""
    placed = placed_on_sheet(beats(V4=(3.5, 1), V5=(3.8, 0), V2=(0.3, 3.0), V6=(2.8, 0)), FS)
    assert placed.mm_per_mv == 10
    assert placed.height_mm > 145
    assert placed.cut == ()
    for trace in placed.traces:
        assert trace.y_mm.min() > 0 and trace.y_mm.max() < placed.height_mm
    assert collisions(placed) == []
    (v5,) = (trace for trace in placed.traces if trace.lead == "V5")
    assert np.ptp(v5.y_mm) == pytest.approx(38)


def test_what_is_too_tall_is_drawn_at_half_the_gain_and_says_so():
    signal = beats(V1=(4, 3), V2=(4, 4), V3=(4, 4))
    placed = placed_on_sheet(signal, FS)
    assert placed.mm_per_mv == 5
    assert collisions(placed) == []
    figure = make_sheet(signal)
    pulses = [line for line in figure.axes[0].lines if line.get_label() == "1 mV"]
    assert all(np.ptp(line.get_ydata()) == 5 for line in pulses)
    (scale,) = (text.get_text() for text in figure.texts if "mm/mV" in text.get_text())
    assert "5 mm/mV" in scale and "too tall for 10 mm/mV: drawn at 5" in scale


def test_what_leaves_the_paper_even_so_is_named():
    signal = beats(V3=(60, 60))
    placed = placed_on_sheet(signal, FS)
    assert (placed.mm_per_mv, placed.cut) == (2.5, ("V3",))
    (scale,) = (text.get_text() for text in make_sheet(signal).texts if "mm/mV" in text.get_text())
    assert "cut at the paper's edge: V3" in scale


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_shows_each_lead_without_collisions(name):
    rng = np.random.default_rng(0)
    tall = {lead: tuple(rng.uniform(0.2, 1.8, 2)) for lead in LEADS}
    placed = place(beats(**tall), FS, layout_of(name), 150, 500)
    assert {trace.lead for trace in placed.traces} == set(LEADS)
    assert placed.mm_per_mv == 10
    assert collisions(placed) == []
    columns = len(LAYOUTS[name].rows[0])
    assert placed.traces[0].stop - placed.traces[0].start == 1000 // columns


def test_an_unknown_layout_is_named():
    with pytest.raises(DataError, match=r"unknown layout '12x2', did you mean '12x1'.*3x4, 6x2"):
        layout_of("12x2")


# ---------------------------------------------------------------- words, and many classes


def test_the_sheet_says_whose_it_is_what_was_measured_and_who_read_it():
    measured = MainMeasurements(72.0, 160.0, 92.0, 374.0, 396.0, 396.0, 409.7, -12.0)
    about = About(63.0, 1.0, measured, "models:/heart-reader-inception1d/3")
    figure = ecg_sheet(
        np.zeros((12, 1000)), FS, "Record 1", PROBABILITIES, THRESHOLDS, about=about
    )
    words = [text.get_text() for text in figure.texts]
    assert "63 years, female" in words
    assert "models:/heart-reader-inception1d/3" in words
    assert RESEARCH in words
    (line,) = (word for word in words if "QRS" in word)
    assert "rate 72 /min" in line and "PR 160 ms" in line and "QRS 92 ms" in line


def test_of_many_classes_the_clearest_are_drawn_and_the_rest_is_counted():
    names = [f"C{k}" for k in range(71)]
    probabilities = {name: 0.001 * k for k, name in enumerate(names)}
    limits = dict.fromkeys(names, 0.0595)  # C60 to C70 are at or above it
    figure = ecg_sheet(np.zeros((12, 1000)), FS, "Record 1", probabilities, limits)
    side = figure.axes[1]
    bars = [c.get_label() for c in side.containers if not c.get_label().endswith("scale")]
    assert bars == [f"C{k}" for k in range(70, 61, -1)]
    words = [text.get_text() for text in side.texts]
    assert "62 more classes, of which predicted: C60, C61" in words
    assert min(bar.get_y() for c in side.containers for bar in c) > 0


@pytest.mark.real
def test_real_record_is_drawn_as_wfdb_reads_it(real_ptbxl):
    header = min(real_ptbxl.rglob("*_lr.hea"))
    record = wfdb.rdrecord(str(header.with_suffix("")))
    figure = make_sheet(record.p_signal.T, record.fs)
    strip = max(figure.axes[0].lines, key=lambda line: len(line.get_xdata()))
    lead_ii = record.p_signal[:, record.sig_name.index("II")]
    placed = placed_on_sheet(record.p_signal.T, record.fs)
    drawn_mv = (strip.get_ydata() - placed.middles[3]) / placed.mm_per_mv
    np.testing.assert_allclose(drawn_mv + np.median(lead_ii), lead_ii, atol=1e-9)
