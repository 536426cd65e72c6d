"""One answer of several windows: means, middles, and what of them isn't used.

Covers: heart_reader.reading.tables.windows, heart_reader.reading.tables.files.
"""

import json
import math

import numpy as np
import pandas as pd
import pytest
import wfdb

from heart_reader.bundle.kinds import open_bundle
from heart_reader.data.delineation import delineate, main_measurements
from heart_reader.data.ptbxl import LEADS, SUPERCLASSES
from heart_reader.data.quality import assess
from heart_reader.predict import main
from heart_reader.reading.answers import answers_of
from tests.conftest import REPOSITORY

MODEL = REPOSITORY / "pretrained" / "se_resnet1d"


@pytest.fixture(scope="module")
def signals(demo_root) -> np.ndarray:
    """Three records of the demo, mV (3, 12, 1000)."""
    paths = sorted(demo_root.glob("records100/**/*.hea"))[:3]
    return np.stack([wfdb.rdsamp(str(path)[:-4])[0].T for path in paths]).astype(np.float32)


@pytest.fixture(scope="module")
def expected(signals) -> np.ndarray:
    return open_bundle(MODEL).predict(signals)


def write(path, signal: np.ndarray) -> str:
    np.savez(path, signal=signal, fs=100, leads=np.array(LEADS), unit="mV")
    return str(path)


def predict(capsys, *words: object) -> list[dict]:
    main(["--model", str(MODEL), "--json", *map(str, words)])
    return json.loads(capsys.readouterr().out)["records"]


def test_the_answer_is_the_mean_over_windows_with_a_table_of_them(
    signals, expected, tmp_path, capsys
):
    path = write(tmp_path / "long.npz", np.concatenate(signals, axis=1))
    short = write(tmp_path / "short.npz", signals[1])
    table = tmp_path / "windows.csv"
    long, alone = predict(capsys, path, short, "--windows", table)
    np.testing.assert_allclose(
        list(long["probabilities"].values()), expected.mean(axis=0), atol=1e-6
    )
    np.testing.assert_allclose(list(alone["probabilities"].values()), expected[1], atol=1e-6)
    assert long["windows"] == 3 and alone["windows"] == 1
    assert "the mean of 3 windows of 10 s" in long["notes"]
    limits = np.array(list(long["thresholds"].values()))
    above = np.array(SUPERCLASSES)[expected.mean(axis=0) >= limits]
    assert long["labels"] == above.tolist()
    measured = main_measurements(delineate(signals, 100))
    assert long["measurements"]["rate_bpm"] == round(np.median([m.rate_bpm for m in measured]), 1)
    rows = pd.read_csv(table)
    assert rows["record"].tolist() == [path] * 3 + [short]
    assert rows["start_s"].tolist() == [0, 10, 20, 0]
    assert rows["end_s"].tolist() == [10, 20, 30, 10]
    found = rows[[f"probability_{name}" for name in SUPERCLASSES]].to_numpy()
    np.testing.assert_allclose(found[:3], expected, atol=1e-6)


def test_windows_that_are_broken_or_unusable_are_left_out_and_said(
    signals, expected, tmp_path, capsys
):
    long = np.concatenate([signals[0], signals[1], np.zeros((12, 1000)), signals[2]], axis=1)
    long[:, 2000:3000] += np.random.default_rng(0).normal(0, 0.2, (12, 1000))  # noise alone
    long[6, 1100:1200] = np.nan
    table = tmp_path / "windows.jsonl"
    (item,) = predict(capsys, write(tmp_path / "x.npz", long), "--windows", table)
    mean = (expected[0] + expected[2]) / 2
    np.testing.assert_allclose(list(item["probabilities"].values()), mean, atol=1e-6)
    assert item["windows"] == 2
    assert "10 to 20 s left out: lead V1 has no value from 11.00 to 12.00 s" in item["notes"]
    assert any(note.startswith("20 to 30 s left out: ") for note in item["notes"])
    rows = [json.loads(line) for line in table.read_text().splitlines()]
    assert [row["used"] for row in rows] == [True, False, False, True]
    assert rows[1]["left_out"].startswith("lead V1 has no value")
    assert rows[2]["quality"] == "unusable" and rows[2]["probability_MI"] is None


def test_a_record_without_a_usable_window_has_no_answer(tmp_path, capsys):
    noise = np.random.default_rng(0).normal(0, 0.2, (12, 2000))
    (item,) = predict(capsys, write(tmp_path / "x.npz", noise))
    assert item["quality"] == "unusable" and item["labels"] == []
    assert set(item["probabilities"].values()) == {None}


def test_reasons_say_of_how_many_windows_they_are(signals):
    doubtful = signals.copy()
    doubtful[1, 9] = 0  # V4 flat in one of three
    quality = assess(doubtful, 100, LEADS)
    (answer,) = answers_of([range(3)], delineate(doubtful, 100), quality)
    assert answer.quality.verdict == "doubtful"
    assert answer.quality.reasons == ("flat: V4 (in 1 of 3 windows)",)
    assert answer.used == (0, 1, 2)


def test_an_axis_near_180_degrees_has_no_middle_at_0(signals):
    turned = signals.copy()
    i, avf = turned[:, 0].copy(), turned[:, 5].copy()
    made = []
    for k, degrees in enumerate((178, -178, 179)):
        height = np.hypot(i[k], avf[k])
        turned[k, 0] = height * math.cos(math.radians(degrees))
        turned[k, 5] = height * math.sin(math.radians(degrees)) * math.sqrt(3) / 2
        made.append(degrees)
    measured = delineate(turned, 100)
    axes = [each.qrs_axis_degrees for each in main_measurements(measured)]
    (answer,) = answers_of([range(3)], measured, assess(signals, 100, LEADS))
    assert max(axes) > 150 and min(axes) < -150
    assert abs(answer.measured.qrs_axis_degrees) > 150
