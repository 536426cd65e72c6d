"""Text tables in the ways that people and programs write them.

Covers: heart_reader.data.formats.families.csv_columns,
heart_reader.data.formats.families.csv_dialect, heart_reader.data.formats.families.csv_table,
heart_reader.data.formats.units.
"""

import numpy as np
import pytest

from heart_reader.data.formats import limits, read_recording
from heart_reader.data.formats.families import csv_table
from heart_reader.data.formats.families.csv_dialect import are_counted
from heart_reader.data.ptbxl import LEADS
from heart_reader.errors import DataError
from tests.data.recordings.test_model_input import sines

HEADER = ",".join(LEADS)


def lines(samples: np.ndarray, fmt: str = "%.5f", separator: str = ",") -> list[str]:
    return [separator.join(fmt % value for value in row) for row in samples]


def write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return str(path)


def dialects() -> dict[str, tuple[str, str]]:
    """Texts of one ECG of 500 Hz, and an encoding."""
    ecg = sines(500)
    rows = lines(ecg)
    comma = [row.replace(".", ",").replace("|", ";") for row in lines(ecg, separator="|")]
    order = np.random.default_rng(0).permutation(12)
    micro = lines(ecg * 1000, "%.2f")
    texts = {
        "header": [HEADER, *rows],
        "no header": rows,
        "order of its own": [",".join(LEADS[k] for k in order), *lines(ecg[:, order])],
        "index": ["," + HEADER, *(f"{k},{row}" for k, row in enumerate(rows))],
        "index without a header": [f"{k},{row}" for k, row in enumerate(rows)],
        "names of rows without a name": [HEADER, *(f"{k},{row}" for k, row in enumerate(rows, 1))],
        "time": ["time," + HEADER, *(f"{k / 500:.3f},{row}" for k, row in enumerate(rows))],
        "decimal comma": [HEADER.replace(",", ";"), *comma],
        "semicolons": [HEADER.replace(",", ";"), *lines(ecg, separator=";")],
        "tabs": [HEADER.replace(",", "\t"), *lines(ecg, separator="\t")],
        "spaces": lines(ecg, separator="  "),
        "microvolts": micro,
        "microvolts in the header": [",".join(f"{x} [uV]" for x in LEADS), *micro],
        "units in a line": [HEADER, ",".join(["uV"] * 12), *micro],
        "unit after a line": [",".join(f"{x}_mV" for x in LEADS), *rows],
        "comments": ["# device: X", "# fs: 500", HEADER, *rows],
        "blank lines": ["", HEADER, *rows, "", ""],
        "trailing comma": [HEADER, *(row + "," for row in rows)],
        "trailing comma in both": [HEADER + ",", *(row + "," for row in rows)],
        "quotes": [",".join(f'"{x}"' for x in LEADS), *rows],
        "numbers of columns": [",".join(map(str, range(12))), *rows],
        "numbers and an index": [
            "," + ",".join(map(str, range(12))),
            *(f"{k},{row}" for k, row in enumerate(rows)),
        ],
        "fifteen": [HEADER + ",vx,vy,vz", *(row + ",9,9,9" for row in rows)],
        "aliases": ["DI,DII,DIII,AVR,avl,Lead aVF,V1,V2,ECG V3,v4,V5,V6", *rows],
        "transposed": lines(ecg.T),
        "transposed, named": [f"{x},{row}" for x, row in zip(LEADS, lines(ecg.T), strict=True)],
        "capital suffix": [HEADER, *rows],
    }
    found = {name: ("\n".join(text) + "\n", "utf-8") for name, text in texts.items()}
    found["no end of the last line"] = ("\n".join([HEADER, *rows]), "utf-8")
    found["Windows"] = ("\r\n".join([HEADER, *rows]) + "\r\n", "utf-8")
    found["byte order mark"] = (found["header"][0], "utf-8-sig")
    found["UTF-16"] = (found["header"][0], "utf-16")
    micro_sign = [",".join(f"{x} (µV)" for x in LEADS), *micro]
    found["Latin-1"] = ("\n".join(micro_sign), "latin-1")
    return found


DIALECTS = dialects()


@pytest.mark.parametrize("name", DIALECTS)
def test_the_same_ecg_in_every_dialect(tmp_path, name):
    text, encoding = DIALECTS[name]
    path = tmp_path / ("X.CSV" if name == "capital suffix" else "x.csv")
    recording = read_recording(write(path, text, encoding), 500)
    signal = dict(zip(recording.leads, recording.signal, strict=True))
    assert set(signal) == set(LEADS)
    for k, lead in enumerate(LEADS):
        np.testing.assert_allclose(signal[lead], sines(500)[:, k], atol=2e-5)
    assert recording.fs == 500 and recording.seconds == pytest.approx(10, abs=0.005)


@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("no header", "no header: columns taken as I to V6"),
        ("numbers of columns", "a header of numbers: columns taken as I to V6"),
        ("transposed", "a row for each lead, taken as I to V6"),
        ("microvolts", "no unit in the file: taken as uV"),
        ("header", "no unit in the file: taken as mV"),
    ],
)
def test_what_was_assumed_is_said(tmp_path, name, note):
    text, encoding = DIALECTS[name]
    notes = read_recording(write(tmp_path / "x.csv", text, encoding), 500).notes
    assert [each for each in notes if each.startswith(note)]


@pytest.mark.parametrize("name", ["comments", "time"])
def test_a_rate_in_the_file_counts_and_is_said(tmp_path, name):
    recording = read_recording(write(tmp_path / "x.csv", DIALECTS[name][0]))
    assert recording.fs == 500
    assert [note for note in recording.notes if note.startswith("500 Hz from")]


@pytest.mark.parametrize(
    ("title", "step", "fs"), [("time (ms)", 4, 250), ("t_us", 2000, 500), ("time [s]", 0.01, 100)]
)
def test_a_column_of_times_with_its_unit(tmp_path, title, step, fs):
    rows = [f"{k * step:g},{row}" for k, row in enumerate(lines(sines(100)))]
    text = "\n".join([f"{title},{HEADER}", *rows])
    assert read_recording(write(tmp_path / "x.csv", text)).fs == pytest.approx(fs)


def test_two_rates_that_disagree_are_refused(tmp_path):
    path = write(tmp_path / "x.csv", DIALECTS["time"][0])
    with pytest.raises(DataError, match="--fs says 250 Hz, the column of times 500 Hz"):
        read_recording(path, 250)


@pytest.mark.parametrize("size", [3, 64])
@pytest.mark.parametrize("separator", [",", ";", "\t", " "])
def test_a_long_line_is_read_in_pieces(tmp_path, monkeypatch, size, separator):
    rows = [[*map("{:.5f}".format, row), "", ""] for row in sines(100).T]
    named = [[lead, *row] for lead, row in zip(LEADS, rows, strict=True)]
    for content in (rows, named):
        path = write(tmp_path / "x.csv", "\n".join(map(separator.join, content)))
        whole = read_recording(path, 100)
        with monkeypatch.context() as patch:
            patch.setattr(csv_table, "PIECE", size)
            pieces = read_recording(path, 100)
        np.testing.assert_array_equal(pieces.signal, whole.signal)
        assert (pieces.seconds, pieces.leads) == (whole.seconds, whole.leads) == (10, LEADS)


def test_a_line_of_more_values_than_are_held_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_table, "MOST_SAMPLES", 5000)
    monkeypatch.setattr(limits, "MOST_SAMPLES", 5000)
    path = write(tmp_path / "x.csv", "1," * 6000)
    with pytest.raises(DataError, match="1 channels of 6000 samples; at most 5000"):
        read_recording(path, 100)


@pytest.mark.parametrize("word", ["\u00b2", "9" * 5000, "-1", ""])
def test_words_that_look_like_numbers_count_no_columns(word):
    assert are_counted(["1", "2", "3"])
    assert not are_counted([word] * 3)


def test_only_as_many_rows_are_read_as_were_asked_for(tmp_path):
    path = write(tmp_path / "x.csv", DIALECTS["header"][0])
    recording = read_recording(path, 500, seconds=3)
    assert recording.signal.shape == (12, 1500) and recording.seconds == 10
    wide = write(tmp_path / "y.csv", DIALECTS["transposed"][0])
    recording = read_recording(wide, 500, seconds=3)
    assert recording.signal.shape == (12, 1500) and recording.seconds == 10
    np.testing.assert_allclose(recording.signal, sines(500)[:1500].T, atol=2e-5)


def test_age_and_sex_of_comments(tmp_path):
    text = "# Age: 71\n# Sex: M\n" + DIALECTS["header"][0]
    recording = read_recording(write(tmp_path / "x.csv", text), 500)
    assert (recording.age, recording.sex) == (71, 0)


@pytest.mark.parametrize(("factor", "unit"), [(1e-3, "V"), (1e6, "nV"), (1e3, "µV")])
def test_a_unit_that_is_given_counts(tmp_path, factor, unit):
    path = write(tmp_path / "x.csv", "\n".join(lines(sines(100) * factor, "%.9g")))
    recording = read_recording(path, 100, unit)
    np.testing.assert_allclose(recording.signal, sines(100).T, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    ("factor", "message"),
    [
        (1e-3, r"an ECG in V has such values\): give it with --unit"),
        (0.0, "has no signal: its leads are flat"),
        (40.0, "fits neither mV nor uV: give it with --unit"),
    ],
)
def test_an_amplitude_that_says_no_unit_is_refused(tmp_path, factor, message):
    path = write(tmp_path / "x.csv", "\n".join(lines(sines(100) * factor, "%.9g")))
    with pytest.raises(DataError, match=message):
        read_recording(path, 100)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "it is empty"),
        ("\n\n", "none of DICOM"),
        ("1,2,3\n", "must have 12 columns, but has 3"),
        (HEADER + "\n", "has no line of numbers"),
        (HEADER, "has no line of numbers"),
        (HEADER + "\n" + ",".join(["1"] * 11 + ["x"]) + "\n", "no number: 'x' in line 2"),
        ("\n".join([HEADER, *["1,2,3,4,5,6,7,8,9,10,11,12"] * 60, "a" + ",1" * 11]), "line 62"),
        (
            "\n".join([HEADER, "1,2,3,4,5,6,7,8,9,10,11,12,13,14"]),
            "has 14 columns, but its header names 12",
        ),
    ],
)
def test_text_that_is_no_ecg(tmp_path, content, message):
    path = tmp_path / "x.csv"
    path.write_text(content)
    with pytest.raises(DataError, match=message):
        read_recording(str(path), 100)


def test_a_csv_needs_its_sampling_rate_and_its_file(tmp_path):
    path = write(tmp_path / "x.csv", DIALECTS["header"][0])
    with pytest.raises(DataError, match="doesn't say its sampling rate; give it with --fs"):
        read_recording(path)
    with pytest.raises(DataError, match=r"there is no .*none"):
        read_recording(str(tmp_path / "none.csv"), 100)
    with pytest.raises(DataError, match="unit 'ml' is none of mV, uV, V, nV"):
        read_recording(path, 100, "ml")
