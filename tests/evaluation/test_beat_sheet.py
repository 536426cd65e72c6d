"""The sheet is to scale, and its marks lie where the fiducials are."""

import numpy as np
import pytest

from heart_reader.data.delineation import delineate
from heart_reader.errors import DataError
from heart_reader.evaluation.sheets.beat import MARKS, beat_sheet, mark_extra
from tests.data.delineation.test_delineate import synthetic


def test_a_millivolt_is_a_centimetre_and_a_second_five() -> None:
    found = delineate(synthetic(500), 500)
    figure = beat_sheet(found, 0, "synthetic")
    paper = figure.axes[0]
    box = paper.get_window_extent()
    mm = figure.dpi / 25.4
    assert box.width / mm == pytest.approx(paper.get_xlim()[1])
    assert box.height / mm == pytest.approx(paper.get_ylim()[1])
    traces = [line for line in paper.lines if len(line.get_xdata()) > 2]
    assert len(traces) == 12
    x, y = traces[1].get_data()  # lead II
    beat = found.median_beats[0, 1]
    assert np.ptp(y) == pytest.approx(10 * np.ptp(beat), abs=1e-3)
    assert x[-1] - x[0] == pytest.approx(50 * (len(beat) - 1) / found.fs)


def test_marks_and_text() -> None:
    found = delineate(synthetic(500), 500)
    figure = beat_sheet(found, 0, "synthetic")
    paper = figure.axes[0]
    marks = [line for line in paper.lines if len(line.get_xdata()) == 2]
    assert len(marks) == 12 * len(MARKS)
    words = " ".join(text.get_text() for text in paper.texts)
    assert "rate 75 /min" in words
    assert "median of 12 of 12 beats" in words
    mark_extra(figure, [0.0, float("nan")])
    assert len(paper.lines) == 12 * (len(MARKS) + 2)


def test_a_lead_that_was_not_measured_is_named() -> None:
    signals = synthetic(500)
    signals[0, 5] = 0
    figure = beat_sheet(delineate(signals, 500), 0, "without aVF")
    words = [text.get_text() for text in figure.axes[0].texts]
    assert words.count("not measured") == 1
    assert any(word.endswith("flat: aVF") for word in words)


def test_a_record_that_is_not_there() -> None:
    with pytest.raises(DataError, match="from 0 to 0, but is 1"):
        beat_sheet(delineate(synthetic(500), 500), 1, "")
