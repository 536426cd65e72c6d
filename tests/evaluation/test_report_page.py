"""The page is measured with a ruler: in the units of the PDF, 1/72 inch."""

import re
import zlib

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from heart_reader.data.delineation import MainMeasurements
from heart_reader.errors import DataError
from heart_reader.evaluation.plots.figures import save
from heart_reader.evaluation.sheets.ecg import RESEARCH, About
from heart_reader.evaluation.sheets.page import finding_lines, report_page

PROBABILITIES = {"NORM": 0.1, "MI": 0.9, "STTC": 0.5}
THRESHOLDS = {"NORM": 0.4, "MI": 0.3, "STTC": 0.6}
MEASURED = MainMeasurements(72.0, 160.0, 92.0, 374.0, 396.0, 396.0, 409.7, -12.0)
MM = 72 / 25.4


def page(signal: np.ndarray, layout: str = "3x4"):
    about = About(63.0, 1.0, MEASURED, "models:/heart-reader-inception1d/3")
    return report_page(signal, 100, "Record 1", PROBABILITIES, THRESHOLDS, about, layout)


def polylines(pdf: bytes) -> list[np.ndarray]:
    """All lines of a PDF's page, each (n_points, 2) in its units."""
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL)
    found: list[list[tuple[float, float]]] = []
    for stream in streams:
        try:
            text = zlib.decompress(stream).decode("latin-1")
        except zlib.error:
            continue
        for x, y, what in re.findall(r"(-?[\d.]+) (-?[\d.]+) ([ml])\n", text):
            if what == "m":
                found.append([])
            if found:
                found[-1].append((float(x), float(y)))
    return [np.array(line) for line in found]


@pytest.mark.parametrize(("layout", "seconds"), [("3x4", 10), ("6x2", 5), ("12x1", 10)])
def test_25_mm_a_second_and_10_mm_a_millivolt_in_the_pdf(tmp_path, layout, seconds):
    rng = np.random.default_rng(0)
    signal = np.tile(rng.uniform(-0.25, 0.25, 1000), (12, 1))
    signal[:, 100], signal[:, 200], signal[:, 600] = 0.5, -0.5, 0.5  # 1 mV from top to bottom
    signal[:, 700] = -0.5
    with mpl.rc_context({"path.simplify": False}):  # every sample is a point
        pdf = save(page(signal, layout), tmp_path / "page.pdf").read_bytes()
    box = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+) ([\d.]+) ?\]", pdf)
    assert [float(each) / MM for each in box.groups()] == pytest.approx([297, 210], abs=0.1)
    traces = [line for line in polylines(pdf) if len(line) > 0.9 * 100 * seconds]
    assert len(traces) == {"3x4": 1, "6x2": 12, "12x1": 12}[layout]
    for x, y in (trace.T for trace in traces):
        assert np.ptp(x) / MM == pytest.approx(25 * (seconds - 0.01), abs=0.01)
        assert np.ptp(y) / MM == pytest.approx(10, abs=0.01)
        assert y.min() > 0 and y.max() / MM < 174  # on the paper
    (x_up, x_down) = (trace_x(traces[0], np.argmax), trace_x(traces[0], np.argmin))
    assert abs(x_up - x_down) / MM == pytest.approx(25, abs=0.01)


def trace_x(trace: np.ndarray, which) -> float:
    return float(trace[which(trace[:, 1]), 0])


def test_the_page_says_what_a_reader_needs():
    words = " | ".join(text.get_text() for text in page(np.zeros((12, 1000))).texts)
    for expected in (
        "Record 1",
        "63 years, female",
        "rate 72 /min",
        "Found: MI 90% (from 30%)",
        "Not found: STTC 50% (from 60%), NORM 10% (from 40%)",
        "models:/heart-reader-inception1d/3",
        "25 mm/s    10 mm/mV",
        RESEARCH,
    ):
        assert expected in words, expected


def test_a_wrong_layout_and_wrong_classes_are_named():
    with pytest.raises(DataError, match="unknown layout '4x3'"):
        page(np.zeros((12, 1000)), "4x3")
    with pytest.raises(DataError, match=r"thresholds names the classes \['MI'\]"):
        report_page(np.zeros((12, 1000)), 100, "", PROBABILITIES, {"MI": 0.3}, About())


def test_findings_of_many_classes_end_before_the_paper_and_are_counted():
    names = [f"{chr(65 + k % 26)}MQWX{k}" for k in range(71)]
    scores = dict(zip(names, np.linspace(0.9, 0.1, 71), strict=True))
    found, rest = finding_lines(scores, dict.fromkeys(names, 0.5))
    said, more = re.fullmatch(r"Found: (.*), and (\d+) more", found).groups()
    assert said.split(", ")[0] == "AMQWX0 90% (from 50%)"
    assert len(said.split(", ")) + int(more) == sum(score >= 0.5 for score in scores.values())
    about = About(63.0, 1.0, None, "models:/heart-reader-all-ensemble/1")
    figure = report_page(np.zeros((12, 1000)), 100, "R", scores, dict.fromkeys(names, 0.5), about)
    canvas = FigureCanvasAgg(figure)
    for text in (each for each in figure.texts if each.get_text() in (found, rest)):
        box = text.get_window_extent(canvas.get_renderer())
        assert 0.7 * figure.bbox.width < box.x1 < figure.bbox.width * (1 - 13.5 / 297)
