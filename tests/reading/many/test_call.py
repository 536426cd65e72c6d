"""`predict --out`: a row a file, the same as one by one; killed and started again.

Covers: heart_reader.reading.many.worker, heart_reader.reading.tables.rows,
heart_reader.reading.few.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from heart_reader.bundle.single import save_bundle
from heart_reader.data.ptbxl import SUPERCLASSES
from heart_reader.reading.many.call import CHUNK
from tests.conftest import REPOSITORY
from tests.training.tiny import tiny_bundle, tiny_prepared

ENVIRONMENT = os.environ | {"PYTHONPATH": str(REPOSITORY)}
N_FILES = 150


@pytest.fixture(scope="module")
def model(cache: Path, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("models") / "bundle"
    save_bundle(tiny_bundle(tiny_prepared(cache)), path)
    return path


@pytest.fixture(scope="module")
def folder(demo_root: Path, tmp_path_factory) -> Path:
    """Records of the demo, and two files that are none."""
    path = tmp_path_factory.mktemp("files")
    for header in sorted(demo_root.glob("records100/**/*.hea"))[:N_FILES]:
        shutil.copy(header, path)
        shutil.copy(header.with_suffix(".dat"), path)
    (path / "00000.txt").write_text("no ECG at all")
    (path / "99999.edf").write_bytes(b"\0" * 100)
    return path


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "heart_reader.predict", *map(str, words)]


def predict(*words: object, **extra: str) -> subprocess.CompletedProcess[str]:
    environment = ENVIRONMENT | extra
    return subprocess.run(command(*words), capture_output=True, text=True, env=environment)


@pytest.fixture(scope="module")
def table(model: Path, folder: Path, tmp_path_factory) -> pd.DataFrame:
    out = tmp_path_factory.mktemp("out") / "results.parquet"
    kept = tmp_path_factory.mktemp("kept")
    words = ("--model", model, folder, "--out", out)
    run = predict(*words, HEART_READER_LOG=str(kept / "log"), HEART_READER_CACHE=str(kept))
    assert run.returncode == 1
    assert run.stderr.splitlines()[-1] == (
        f"error: 2 of {N_FILES + 2} files were refused: see the column refused of {out}"
    )
    assert "%" not in run.stderr  # no bar where nobody looks
    assert list(out.parent.iterdir()) == [out]
    found = pd.read_parquet(out)
    found.attrs["logged"] = str(kept / "log")
    return found


def test_all_that_was_answered_is_logged(table):
    logged = pd.read_parquet(table.attrs["logged"])
    answered = table[table["refused"].isna()]
    assert len(logged) == len(answered) == N_FILES
    assert set(logged["digest"]) == set(table["model_digest"])
    said = [json.loads(each)["MI"] for each in logged["probabilities"]]
    np.testing.assert_allclose(sorted(said), np.sort(answered["probability_MI"]), atol=1e-9)


def test_every_file_has_a_row_in_order(table, folder):
    names = sorted(str(path) for path in folder.iterdir() if path.suffix != ".dat")
    assert table["record"].tolist() == names
    refused = table[table["refused"].notna()]
    assert [Path(name).name for name in refused["record"]] == ["00000.txt", "99999.edf"]
    assert refused["probability_MI"].isna().all() and refused["model"].notna().all()


def test_rows_say_what_a_call_for_a_few_says(table, model, folder):
    few = table[table["refused"].isna()].iloc[[0, 40, 149]]
    run = predict("--model", model, "--json", *few["record"])
    assert run.returncode == 0, run.stderr
    for (_, row), item in zip(few.iterrows(), json.loads(run.stdout)["records"], strict=True):
        said = [row[f"probability_{name}"] for name in SUPERCLASSES]
        np.testing.assert_allclose(said, list(item["probabilities"].values()), atol=1e-6)
        assert row["labels"] == "; ".join(item["labels"])
        assert row["quality"] == item["quality"]
        assert row["notes"] == "; ".join(item["notes"])
        for name, value in item["measurements"].items():
            assert row[name] == value or (value is None and np.isnan(row[name]))
    assert set(table["model"]) == {str(model)}
    assert table["code"].str.startswith("0.").all()
    assert table["model_digest"].str.fullmatch("[0-9a-f]{16}").all()


@pytest.mark.slow
def test_killed_and_started_again_it_ends_with_the_same_table(table, model, folder, tmp_path):
    out = tmp_path / "results.csv"
    journal = tmp_path / ".results.csv.begun"
    words = ("--model", model, folder, "--out", out)
    first = subprocess.Popen(command(*words), env=ENVIRONMENT, stderr=subprocess.DEVNULL)
    while first.poll() is None and not (
        journal.exists() and journal.read_bytes().count(b"\n") > 1
    ):
        time.sleep(0.005)
    first.send_signal(signal.SIGKILL)
    first.wait()
    n_done = journal.read_bytes().count(b"\n") - 1
    assert 0 < n_done < N_FILES / CHUNK and not out.exists()
    run = predict(*words)
    assert f"{n_done * CHUNK} of {N_FILES + 2} files are done: going on" in run.stderr
    assert list(tmp_path.iterdir()) == [out]
    found = pd.read_csv(out, keep_default_na=False, dtype=str)
    expected = table.astype(object).where(table.notna(), "")
    for name in table:
        if table[name].dtype == np.float64:
            given = [float(word) if word else np.nan for word in found[name]]
            np.testing.assert_array_equal(given, table[name].to_numpy())
        elif name == "calibrated":
            assert found[name].tolist() == list(map(str, expected[name]))
        elif name == "windows":
            assert found[name].tolist() == [f"{x:.0f}" if x != "" else "" for x in expected[name]]
        else:
            assert found[name].tolist() == expected[name].tolist()


def test_json_lines_hold_the_same(table, model, folder, tmp_path):
    out = tmp_path / "results.jsonl"
    predict("--model", model, f"{folder}/0000[0-5]*", "--out", out)
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    by_name = table.set_index("record")
    assert len(rows) > 3
    for row in rows:
        if row["refused"] is None:
            expected = by_name.loc[row["record"], "probability_MI"]
            assert row["probability_MI"] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--out", "x.xlsx"), "error: --out must end with .parquet, .csv, .jsonl, but is x.xlsx"),
        (("--out", "x.csv", "--json", "--plot", "p"), "error: --out goes without --json, --plot:"),
        (("--out", "x.csv", "--age", "500"), "error: an age must lie from 0 to 120 years"),
        (("--windows", "x.pdf"), "error: --windows must end with .parquet, .csv, .jsonl"),
    ],
)
def test_options_that_are_not_legal_are_one_line(model, folder, words, message):
    run = predict("--model", model, folder, *words)
    assert run.returncode == 1
    assert run.stderr.startswith(message) and run.stderr.count("\n") == 1


def test_a_table_that_is_there_is_not_overwritten(model, folder, tmp_path):
    out = tmp_path / "x.csv"
    out.write_text("mine")
    run = predict("--model", model, folder, "--out", out)
    assert run.stderr.startswith(f"error: {out} is there already")
    assert out.read_text() == "mine"
