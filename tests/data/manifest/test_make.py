"""Manifests of folders: what is a record, what its header says, and what can't be used."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import wfdb

from heart_reader.cli.entry import run_entry
from heart_reader.data.manifest import read_manifest
from heart_reader.data.manifest.make import candidates, codes_of
from heart_reader.data.ptbxl import LEADS
from heart_reader.prepare import main
from heart_reader.tasks.file import read_task


def write_record(folder: Path, name: str, comments: list[str], seconds: int = 10) -> None:
    """By wfdb itself, at 500 Hz."""
    folder.mkdir(parents=True, exist_ok=True)
    wave = np.random.default_rng(len(name)).normal(0, 0.2, (500 * seconds, 12))
    wfdb.wrsamp(name, fs=500, units=["mV"] * 12, sig_name=list(LEADS), p_signal=wave,
                fmt=["16"] * 12, comments=comments, write_dir=str(folder))  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "hospital"
    write_record(root / "a", "JS1", ["Age: 63", "Sex: Male", "Dx: 164889003,426783006"])
    write_record(root / "a", "JS2", ["Age: NaN", "Sex: Female", "Dx: 426783006"])
    write_record(root / "b", "JS3", ["Dx: Unknown"])
    np.savez(root / "b" / "x.npz", signal=np.zeros((12, 1000)) + np.sin(np.arange(1000)), fs=100)
    (root / "RECORDS").write_text("a/JS1\n")
    (root / "README.md").write_text("# words")
    (root / "old.csv").write_text("file,AF\nx,1\n")
    return root


def call(*words: str) -> int:
    return run_entry(main, words=["--data", *words])


def test_records_are_found_and_what_lies_beside_them_is_not(folder: Path):
    names = [path.relative_to(folder).as_posix() for path in candidates(folder)]
    assert names == ["a/JS1.hea", "a/JS2.hea", "b/JS3.hea", "b/x.npz"]


def test_headers_become_labels_by_snomed_code(folder: Path, cache: Path, monkeypatch):
    monkeypatch.setenv("HEART_READER_CACHE", str(cache))
    path = folder / "records.csv"
    assert call(str(folder), "--write", str(path)) == 0
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    assert frame["file"].tolist() == ["a/JS1", "a/JS2", "b/JS3", "b/x.npz"]
    assert frame["labels"].tolist() == ["164889003;426783006", "426783006", "", ""]
    assert frame["age"].tolist() == ["63", "", "", ""]
    assert frame["sex"].tolist() == ["m", "f", "", ""]
    own = read_task(folder / "task.yaml")
    assert own.task.classes == ("NSR", "AF") and own.task.titles[1] == "atrial fibrillation"
    assert own.class_of == {"426783006": "NSR", "164889003": "AF"}
    found = read_manifest(path, own, 0)
    assert found.y_true.tolist() == [[1, 1], [1, 0], [0, 0], [0, 0]]


def test_what_cannot_be_used_is_told_and_left_out_on_request(folder: Path, capsys):
    (folder / "a" / "JS2.dat").write_bytes(b"short")
    (folder / "notes.bin").write_bytes(bytes(range(256)))
    path = folder / "records.csv"
    assert call(str(folder), "--write", str(path)) == 1
    lines = capsys.readouterr().err.splitlines()
    assert sum("a/JS2" in line and "cut short" in line for line in lines) == 1
    assert "2 of 5 files can't be used, and nothing was written" in lines[-1]
    assert not list(folder.glob("records*")) and not (folder / "task.yaml").exists()
    assert call(str(folder), "--write", str(path), "--data.on_defect", "skip") == 0
    assert pd.read_csv(path)["file"].tolist() == ["a/JS1", "b/JS3", "b/x.npz"]
    bad = pd.read_csv(folder / "records.defects.csv")
    assert bad["file"].tolist() == ["a/JS2", "notes.bin"]


def test_nothing_is_overwritten(folder: Path, capsys):
    path = folder / "records.csv"
    path.write_text("mine")
    assert call(str(folder), "--write", str(path)) == 1
    assert "records.csv is there already" in capsys.readouterr().err
    assert path.read_text() == "mine"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("demo", "--write", "records.txt"), "write must name a .csv or .parquet file"),
        (("/no/such", "--write", "r.csv"), "data must be a folder to make a manifest of"),
    ],
)
def test_a_wrong_word_is_one_clear_line(words, says, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert call(*words) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line


def test_codes_are_those_of_the_dx_line():
    assert codes_of(["Dx: 1,2", "DX:2, 3", "Rx: 9"]) == ("1", "2", "3")
