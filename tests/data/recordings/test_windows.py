"""Recordings longer than a model's window: which windows, which are left out, what is said."""

from dataclasses import replace

import numpy as np
import pytest

from heart_reader.data.ptbxl import LEADS
from heart_reader.data.recordings.model_input import to_model_input
from heart_reader.data.recordings.recording import Recording
from heart_reader.data.recordings.windows import windows_of
from heart_reader.data.spec import PTBXL_SIGNAL
from heart_reader.errors import DataError
from tests.data.recordings.test_model_input import sines


def recording(seconds: float, fs: float = 100) -> Recording:
    signal = sines(fs, seconds).T.copy()
    return Recording("x", "NPZ", LEADS, signal, fs, seconds, (), None, np.nan, np.nan, ())


@pytest.mark.parametrize("fs", [100, 250, 500, 257])
@pytest.mark.parametrize("seconds", [2.6, 7, 10, 11, 12.4])
def test_one_window_is_the_first_one_and_says_the_same(fs, seconds):
    given = recording(seconds, fs)
    windows, first = windows_of(given, PTBXL_SIGNAL), to_model_input(given, PTBXL_SIGNAL)
    np.testing.assert_array_equal(windows.signals, first.signal[None])
    assert windows.notes == first.notes
    assert windows.starts == (0.0,) and windows.left_out == ()


@pytest.mark.parametrize(
    ("seconds", "starts", "note"),
    [
        (20, (0, 10), None),
        (21, (0, 10), "the first 20 of 21 s"),
        (22.5, (0, 10, 12.5), None),
        (12.5, (0, 2.5), None),
        (35, (0, 10, 20, 25), None),
    ],
)
@pytest.mark.parametrize("fs", [100, 500])
def test_windows_follow_each_other_and_the_last_ends_with_the_recording(seconds, starts, note, fs):
    windows = windows_of(recording(seconds, fs), PTBXL_SIGNAL)
    assert windows.starts == starts
    whole = sines(100, seconds).T
    for signal, start in zip(windows.signals, starts, strict=True):
        inside = slice(20, 980)
        expected = whole[:, round(start * 100) :][:, :1000]
        np.testing.assert_allclose(signal[:, inside], expected[:, inside], atol=6e-3)
    assert [each for each in windows.notes if "first" in each] == ([note] if note else [])


def test_a_file_that_goes_on_behind_what_was_read_says_so():
    windows = windows_of(replace(recording(30), seconds=3600.0), PTBXL_SIGNAL)
    assert len(windows.starts) == 3
    assert "the first 30 of 3600 s" in windows.notes


def test_a_window_with_a_long_gap_is_left_out_with_its_time():
    given = recording(30)
    given.signal[7, 1300:1321] = np.nan
    windows = windows_of(given, PTBXL_SIGNAL)
    assert windows.starts == (0, 20)
    (left_out,) = windows.left_out
    assert left_out.start == 10
    assert left_out.reason == "lead V2 has no value from 13.00 to 13.21 s"
    assert f"10 to 20 s left out: {left_out.reason}" in windows.notes


def test_a_short_gap_is_bridged_and_named_with_the_time_in_the_recording():
    given = recording(30)
    given.signal[7, 1300:1320] = np.nan
    windows = windows_of(given, PTBXL_SIGNAL)
    assert windows.starts == (0, 10, 20)
    assert "lead V2 has no value from 13.00 to 13.20 s: bridged" in windows.notes


def test_a_gap_of_a_limb_lead_is_filled_from_the_others():
    given = recording(30)
    given.signal[4, 1300:1700] = np.nan
    windows = windows_of(given, PTBXL_SIGNAL)
    assert windows.starts == (0, 10, 20)
    assert any("13.00 to 17.00 s: filled from the other limb leads" in n for n in windows.notes)


def still(given: Recording, start: int, stop: int, leads: slice = slice(None)) -> None:
    given.signal[leads, start:stop] = given.signal[leads, start : start + 1]


def test_a_dropout_of_all_leads_is_left_out():
    given = recording(30)
    still(given, 1100, 1125)
    windows = windows_of(given, PTBXL_SIGNAL)
    assert windows.starts == (0, 20)
    assert "10 to 20 s left out: no lead moves from 11.00 to 11.24 s" in windows.notes


@pytest.mark.parametrize(("stop", "leads"), [(1120, slice(None)), (1300, slice(9, 10))])
def test_a_short_dropout_and_a_still_lead_are_not(stop, leads):
    given = recording(30)
    still(given, 1100, stop, leads)
    assert windows_of(given, PTBXL_SIGNAL).left_out == ()


def test_a_dropout_in_the_only_window_is_named_and_answered():
    given = recording(10)
    still(given, 300, 400)
    windows = windows_of(given, PTBXL_SIGNAL)
    np.testing.assert_array_equal(windows.signals[0], to_model_input(given, PTBXL_SIGNAL).signal)
    assert "no lead moves from 3.00 to 3.99 s" in windows.notes


def test_no_window_without_a_gap_is_refused_with_the_first():
    given = recording(20)
    given.signal[7, [*range(300, 330), *range(1300, 1330)]] = np.nan
    with pytest.raises(DataError, match=r"no window of 10 s .*: lead V2 has no value from 3\.00"):
        windows_of(given, PTBXL_SIGNAL)


def test_a_window_that_cannot_be_millivolts_is_left_out():
    given = recording(20)
    given.signal[:, 1000:] *= 1000
    windows = windows_of(given, PTBXL_SIGNAL)
    assert windows.starts == (0,)
    assert "must be in mV" in windows.left_out[0].reason


def test_missing_leads_refuse_the_whole_recording():
    given = recording(30)
    few = replace(given, leads=LEADS[:2], signal=given.signal[:2])
    with pytest.raises(DataError, match="lacks V1, V2, V3, V4, V5, V6"):
        windows_of(few, PTBXL_SIGNAL)


def test_limb_leads_that_contradict_each_other_are_said_once():
    given = recording(30)
    given.signal[3] *= -1
    notes = windows_of(given, PTBXL_SIGNAL).notes
    assert len([note for note in notes if "contradict" in note]) == 1
