"""The command line of `predict` on a bundle folder, first as a process of its own.

Covers: heart_reader.reading.models.found, heart_reader.reading.records,
    heart_reader.reading.drawing, heart_reader.reading.explained, heart_reader.reading.read.
"""

import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import wfdb
from matplotlib.image import imread

from heart_reader.bundle.single import Bundle, save_bundle
from heart_reader.cli.entry import run_entry
from heart_reader.data.ptbxl import LEADS, SUPERCLASSES
from heart_reader.data.quality import assess
from heart_reader.predict import main
from tests.conftest import REPOSITORY
from tests.training.tiny import tiny_bundle, tiny_prepared

ENVIRONMENT = os.environ | {"PYTHONPATH": str(REPOSITORY), "COLUMNS": "200"}


@pytest.fixture(scope="module")
def bundle(cache: Path) -> Bundle:
    return tiny_bundle(tiny_prepared(cache))


@pytest.fixture(scope="module")
def folder(bundle: Bundle, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("models") / "bundle"
    save_bundle(bundle, path)
    return path


@pytest.fixture(scope="module")
def records(demo_root: Path) -> list[str]:
    return [str(path)[:-4] for path in sorted(demo_root.glob("records100/**/*.hea"))[:2]]


def in_a_process(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "heart_reader.predict", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT)


def predict(*words: object) -> subprocess.CompletedProcess[str]:
    """The same in this process, which has imported everything: seconds less."""
    out, err = StringIO(), StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setenv("COLUMNS", ENVIRONMENT["COLUMNS"])
        code = run_entry(main, words=[str(word) for word in words])
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


def read(record: str) -> np.ndarray:
    return wfdb.rdsamp(record)[0].T


def test_json_equals_the_bundle_and_a_sheet_is_drawn(bundle, folder, records, tmp_path):
    options = ("--json", "--age", 63, "--sex", "f", "--plot", tmp_path / "sheets")
    run = in_a_process("--model", folder, *options, *records)
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    expected = bundle.predict(np.stack([read(r) for r in records]), "compute", [63, 63], [1, 1])
    assert found["model"] == str(folder)
    for item, record, row in zip(found["records"], records, expected, strict=True):
        assert item["record"] == record
        assert list(item["probabilities"]) == list(SUPERCLASSES)
        np.testing.assert_allclose(list(item["probabilities"].values()), row, atol=1e-6)
        np.testing.assert_allclose(list(item["thresholds"].values()), bundle.thresholds)
        above = [n for n, p, t in zip(SUPERCLASSES, row, bundle.thresholds, strict=True) if p >= t]
        assert item["labels"] == above
    sheets = [tmp_path / "sheets" / f"{Path(record).name}.png" for record in records]
    assert run.stderr.splitlines()[-2:] == [str(sheet) for sheet in sheets]
    picture = imread(sheets[0])
    assert picture.shape[0] > 500 and picture.shape[1] > 800
    assert picture.std() > 0.01  # more than one colour


def test_the_table_shows_the_same_and_says_what_was_done(bundle, folder, records, tmp_path):
    csv = tmp_path / "ecg.csv"
    np.savetxt(csv, read(records[0]).T, delimiter=",", fmt="%.6f")
    run = predict("--model", folder, "--features", "none", "--fs", 100, csv)
    assert run.returncode == 0, run.stderr
    for value in bundle.predict(read(records[0])[None], None)[0]:
        assert f"{value:.3f}" in run.stdout
    assert "no header: columns taken as I to V6" in run.stdout


def test_an_explanation_says_what_moved_each_label(bundle, folder, records, tmp_path):
    run = predict("--model", folder, "--json", "--explain", tmp_path / "why", *records)
    assert run.returncode == 0, run.stderr
    sheets = []
    for item in json.loads(run.stdout)["records"]:
        limits, found = item["thresholds"], item["probabilities"]
        nearest = max(found, key=lambda name: found[name] / limits[name])
        assert set(item["explanations"]) == set(item["labels"] or [nearest])
        for name, why in item["explanations"].items():
            assert why["probability"] == pytest.approx(found[name], abs=1e-5)
            assert {each["lead"] for each in why["stretches"]} <= set(LEADS)
            sizes = [abs(each["log_odds"]) for each in why["stretches"]]
            assert sizes == sorted(sizes, reverse=True) and len(sizes) == 6
            assert {each["name"] for each in why["features"]} <= set(bundle.encoder.names)
            sheets.append(str(tmp_path / "why" / f"{Path(item['record']).name}_{name}.png"))
    assert run.stderr.splitlines()[-len(sheets) :] == sheets
    assert imread(sheets[0]).std() > 0.01


def test_a_bad_file_is_a_row_with_a_reason_and_the_others_are_answered(
    bundle, folder, records, tmp_path
):
    damaged = tmp_path / "damaged.csv"
    damaged.write_text("I,II\n1,2\n")
    asked = [records[0], tmp_path / "gone", damaged, records[1]]
    run = predict("--model", folder, "--json", "--features", "none", "--fs", 100, *asked)
    assert run.returncode == 1
    found = json.loads(run.stdout)["records"]
    assert [item["record"] for item in found] == [str(each) for each in asked]
    assert ["refused" in item for item in found] == [False, True, True, False]
    expected = bundle.predict(np.stack([read(records[0]), read(records[1])]), None)
    for item, row in zip((found[0], found[3]), expected, strict=True):
        np.testing.assert_allclose(list(item["probabilities"].values()), row, atol=1e-6)
    errors = [f"error: {item['refused']}" for item in found if "refused" in item]
    assert run.stderr.splitlines() == errors
    assert str(tmp_path / "gone") in errors[0] and str(damaged) in errors[1]


def test_the_table_has_a_row_for_a_refused_file(folder, records, tmp_path):
    run = predict("--model", folder, "--features", "none", records[0], tmp_path / "gone")
    assert run.returncode == 1
    row = next(line for line in run.stdout.splitlines() if "gone" in line)
    assert "refused" in row and "-" in row


def test_a_missing_record_alone_is_one_line(folder, tmp_path):
    run = predict("--model", folder, tmp_path / "gone")
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.startswith("error: record ") and run.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--age", -5), "error: an age must lie from 0 to 120 years, but is -5"),
        (("--age", 1e9), "error: an age must lie from 0 to 120 years, but is 1e+09"),
        (("--sex", "x"), "error: sex must be m or f, but is 'x'"),
        (("--unit", "ml"), "error: unit 'ml' is none of mV, uV, V, nV"),
        (("--gain", 0), "error: --gain must be above 0 steps per mV, but is 0"),
    ],
)
def test_options_that_are_not_legal_are_one_line(folder, records, options, message):
    run = predict("--model", folder, *options, records[0])
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.startswith(message) and run.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("option", "place", "message"),
    [
        ("--plot", "a_file", "--plot must be a folder, but {} is a file"),
        ("--report", "a_file", "--report must be a folder, but {} is a file"),
        ("--fhir", "a_folder", "--fhir must be a file, but {} is a folder"),
        ("--explain", "a_file/below", "--explain: {} can't be made: Not a directory"),
        ("--windows", "a_file/below.csv", "--windows: {}/a_file can't be made: File exists"),
    ],
)
def test_a_place_that_cannot_be_written_to_is_refused_first(
    folder, tmp_path, option, place, message
):
    (tmp_path / "a_file").write_text("")
    (tmp_path / "a_folder").mkdir()
    run = predict("--model", folder, option, tmp_path / place, "no such record")
    named = tmp_path if "{}/" in message else tmp_path / place
    assert run.returncode == 1
    assert run.stderr == f"error: {message.format(named)}\n"


def test_a_word_for_a_sex_in_capitals_and_a_rate_that_is_left_aside(folder, records):
    run = predict("--model", folder, "--json", "--sex", "M", "--fs", 500, records[0])
    assert run.returncode == 0, run.stderr
    notes = json.loads(run.stdout)["records"][0]["notes"]
    assert "--fs 500 left aside: the file says 100 Hz" in notes


def test_a_report_is_a_page_for_each_record(folder, records, tmp_path):
    options = ("--report", tmp_path / "pages", "--layout", "6x2", "--age", 63, "--sex", "f")
    run = predict("--model", folder, *options, *records)
    assert run.returncode == 0, run.stderr
    pages = [tmp_path / "pages" / f"{Path(record).name}.pdf" for record in records]
    assert run.stderr.splitlines()[-2:] == [str(page) for page in pages]
    for page in pages:
        text = page.read_bytes()
        assert text.startswith(b"%PDF") and text.count(b"/Type /Page ") == 1


@pytest.fixture(scope="module")
def flat(records, tmp_path_factory) -> Path:
    """A record of which V1 alone is left, too little to read."""
    signal = read(records[0]).T
    signal[:, np.array(LEADS) != "V1"] = 0
    path = tmp_path_factory.mktemp("flat") / "flat.csv"
    np.savetxt(path, signal, delimiter=",", fmt="%.6f")
    return path


def test_a_record_that_can_not_be_read_is_answered_without_labels(folder, records, flat, tmp_path):
    options = (
        "--fs",
        100,
        "--unit",
        "mV",
        "--explain",
        tmp_path / "why",
        "--plot",
        tmp_path / "sheets",
    )
    run = predict("--model", folder, "--json", *options, flat, records[0])
    assert run.returncode == 0, run.stderr
    nothing, something = json.loads(run.stdout)["records"]
    assert (nothing["quality"], something["quality"]) == ("unusable", "good")
    assert nothing["quality_reasons"][0] == "only 1 of 12 leads can be read"
    assert nothing["labels"] == [] and nothing["explanations"] == {}
    assert nothing["probabilities"] == dict.fromkeys(SUPERCLASSES)
    assert something["quality_reasons"] == [] and something["explanations"]
    assert imread(tmp_path / "sheets" / "flat.png").std() > 0.01
    assert not list((tmp_path / "why").glob("flat*"))


def test_the_table_says_why_there_are_no_labels(folder, flat):
    run = predict("--model", folder, "--fs", 100, "--unit", "mV", flat)
    assert run.returncode == 0, run.stderr
    (row,) = [line for line in run.stdout.splitlines() if "│ unusable │" in line]
    assert "flat.csv" in row and row.count(" - ") == 6
    assert f"{flat}: unusable: only 1 of 12 leads can be read; flat: " in run.stdout


def test_the_request_of_the_readme_is_the_sample_that_it_says():
    assert "-d @examples/request.json" in (REPOSITORY / "README.md").read_text()
    body = json.loads((REPOSITORY / "examples" / "request.json").read_text())
    signal = np.array(body["inputs"]["signal"])
    assert signal.shape == (1, 12, 1000) and body["params"]["age"] == [69]
    assert assess(signal, 100, LEADS)[0].verdict == "good"
    sample, fields = wfdb.rdsamp(str(REPOSITORY / "examples" / "inferior_mi"))
    assert [name.upper() for name in fields["sig_name"]] == [name.upper() for name in LEADS]
    np.testing.assert_allclose(signal[0].T, sample, atol=5.1e-4)
