"""Manifests: the user's own records and labels, checked row by row.

Covers: heart_reader.data.manifest.*.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from heart_reader.data.manifest import read_manifest
from heart_reader.errors import DataError
from heart_reader.tasks.file import OwnTask, read_task

HEADER = "file,record_id,patient_id,fold,age,sex,AF,SB"
ROW = "a.csv,1,1,1,60,m,1,0"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.csv", "b.csv", "c.csv"):
        (tmp_path / name).write_text("0\n")
    return tmp_path


def write(folder: Path, *lines: str, name: str = "records.csv") -> Path:
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def task(folder: Path, text: str) -> OwnTask:
    return read_task(write(folder, text, name="task.yaml"))


def test_every_column_is_read(folder: Path) -> None:
    path = write(folder, HEADER, ROW, "b.csv,x2,9,9,,FEMALE,,1", "c.csv,x3,8,10,300,0,0,")
    found = read_manifest(path, None, 0)
    assert found.task.classes == ("AF", "SB")
    assert found.task.name == "records"
    assert found.y_true.tolist() == [[1, 0], [0, 1], [0, 0]]
    assert found.known.tolist() == [[True, True], [False, True], [True, False]]
    assert found.records.index.tolist() == [1, 2, 3]
    assert found.records["record_id"].tolist() == ["1", "x2", "x3"]
    assert found.records["file"].tolist() == [str(folder / f"{n}.csv") for n in "abc"]
    assert found.records["strat_fold"].tolist() == [1, 9, 10]
    np.testing.assert_array_equal(found.records["age"], [60, np.nan, 300])
    assert found.records["sex"].tolist() == [0, 1, 0]
    assert found.notes == ()


def test_parquet_says_the_same(folder: Path) -> None:
    lines = (HEADER, ROW, "b.csv,2,9,9,,,,1")
    by_csv = read_manifest(write(folder, *lines), None, 0)
    table = pd.DataFrame(
        {
            "file": ["a.csv", "b.csv"],
            "record_id": [1, 2],
            "patient_id": [1, 9],
            "fold": [1, 9],
            "age": [60.0, None],
            "sex": ["m", None],
            "AF": [1.0, None],
            "SB": [0, 1],
        }
    )
    table.to_parquet(folder / "records.parquet")
    by_parquet = read_manifest(folder / "records.parquet", None, 0)
    pd.testing.assert_frame_equal(by_csv.records, by_parquet.records)
    assert (by_csv.y_true == by_parquet.y_true).all()
    assert (by_csv.known == by_parquet.known).all()


def test_codes_become_classes(folder: Path) -> None:
    own = task(folder, "classes: {AF: {codes: [164889003, AFIB]}, SB: {codes: ['426177001']}}")
    path = write(
        folder,
        "file,fold,labels",
        "a.csv,1,164889003;426177001",
        "b.csv,2,AFIB; 999",
        "c.csv,9,",
    )
    found = read_manifest(path, own, 0)
    assert found.y_true.tolist() == [[1, 1], [1, 0], [0, 0]]
    assert found.known.all()
    assert "a patient in two folds can't be ruled out" in found.notes[0]


def test_folds_are_assigned_once_and_kept(folder: Path) -> None:
    for row in range(60):
        (folder / f"{row}.csv").write_text("0\n")
    rows = [f"{r}.csv,r{r},p{r // 2},{r % 2}" for r in range(60)]
    path = write(folder, "file,record_id,patient_id,AF", *rows)
    first = read_manifest(path, None, 0).records
    assert set(first["strat_fold"]) == set(range(1, 11))
    assert (first.groupby("patient_id")["strat_fold"].nunique() == 1).all()
    kept = pd.read_csv(folder / "records.folds.csv")
    assert kept["record_id"].tolist() == first["record_id"].tolist()
    # Another order, one record less, one more of a known patient, another seed: nobody moves.
    (folder / "60.csv").write_text("0\n")
    write(folder, "file,record_id,patient_id,AF", *reversed(rows[1:]), "60.csv,r60,p5,1")
    again = read_manifest(path, None, 7).records.set_index("record_id")["strat_fold"]
    before = first.set_index("record_id")["strat_fold"]
    assert (again.drop("r60") == before[again.drop("r60").index]).all()
    assert again["r60"] == before["r10"]
    assert len(pd.read_csv(folder / "records.folds.csv")) == 61


def test_500_broken_rows_are_ten_lines_and_a_count(folder: Path) -> None:
    path = write(folder, HEADER, *["a.csv,,1,1,60,m,1,0"] * 500)
    with pytest.raises(DataError) as error:
        read_manifest(path, None, 0)
    lines = str(error.value).splitlines()
    assert len(lines) == 11
    assert lines[0] == f"{path}: row 2, column 'record_id': a record needs an ID, but is ''"
    assert lines[-1] == f"{path}: and 490 more problems"


BROKEN = {
    "no file column": (("fold,AF", "1,1"), "column 'file' is missing"),
    "a typo in it": (("fil,AF", "a.csv,1"), "column 'file' is missing, did you mean 'fil'?"),
    "empty": ((HEADER,), "it has no records"),
    "no class": (("file,fold", "a.csv,1"), "neither a column 'labels' nor a column for a class"),
    "no label": (("file,fold,labels", "a.csv,1,"), "no record has a label"),
    "age below": ((HEADER, "a.csv,1,1,1,-5,m,1,0"), "row 2, column 'age': .* but is '-5'"),
    "age above": ((HEADER, "a.csv,1,1,1,121,m,1,0"), "row 2, column 'age': .* but is '121'"),
    "age in words": ((HEADER, "a.csv,1,1,1,old,m,1,0"), "row 2, column 'age': .* but is 'old'"),
    "age infinite": ((HEADER, "a.csv,1,1,1,1e999,m,1,0"), "row 2, column 'age'"),
    "sex": ((HEADER, "a.csv,1,1,1,60,x,1,0"), "row 2, column 'sex': .* but is 'x'"),
    "fold 0": ((HEADER, "a.csv,1,1,0,60,m,1,0"), "row 2, column 'fold': a fold is 1 to 10"),
    "fold 11": ((HEADER, "a.csv,1,1,11,60,m,1,0"), "row 2, column 'fold'"),
    "fold 1.5": ((HEADER, "a.csv,1,1,1.5,60,m,1,0"), "row 2, column 'fold'"),
    "fold empty": ((HEADER, "a.csv,1,1,,60,m,1,0"), "row 2, column 'fold': .* but is ''"),
    "label 2": ((HEADER, "a.csv,1,1,1,60,m,2,0"), "column 'AF': a label is 0, 1 or empty"),
    "label yes": ((HEADER, "a.csv,1,1,1,60,m,yes,0"), "column 'AF': .* but is 'yes'"),
    "no such file": ((HEADER, "z.csv,1,1,1,60,m,1,0"), "row 2, column 'file': .*z.csv"),
    "no file name": ((HEADER, ",1,1,1,60,m,1,0"), "row 2, column 'file': .* but is ''"),
    "a NUL in it": ((HEADER, "a\0.csv,1,1,1,60,m,1,0"), "row 2, column 'file'"),
    "a name too long": ((HEADER, "a" * 5000 + ",1,1,1,60,m,1,0"), "row 2, column 'file'"),
    "record twice": ((HEADER, ROW, ROW), "row 3, column 'record_id': an ID may be there once"),
    "no patient": ((HEADER, "a.csv,1,,1,60,m,1,0"), "row 2, column 'patient_id'"),
    "patient in two parts": (
        (HEADER, "a.csv,r1,7,1,60,m,1,0", "b.csv,r2,7,9,60,m,1,0"),
        "rows 2, 3: a patient may be in one of .* records r1, r2 is in folds 1, 9",
    ),
    "a column twice": ((HEADER + ",AF", ROW + ",1"), "column 'AF' is there 2 times"),
    "ragged": ((HEADER, ROW + ",5,6"), "can't be read"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_manifest_is_one_clear_line(folder: Path, name: str) -> None:
    lines, says = BROKEN[name]
    path = write(folder, *lines)
    with pytest.raises(DataError, match=says) as error:
        read_manifest(path, None, 0)
    assert str(path) in str(error.value)
    assert len(str(error.value).splitlines()) == 1
    assert not (folder / "records.folds.csv").exists()


def test_problems_of_all_columns_come_together(folder: Path) -> None:
    path = write(folder, HEADER, "z.csv,1,1,0,-1,x,2,0")
    with pytest.raises(DataError) as error:
        read_manifest(path, None, 0)
    named = [line.split("column ")[1].split(":")[0] for line in str(error.value).splitlines()]
    assert sorted(named) == ["'AF'", "'age'", "'file'", "'fold'", "'sex'"]


def test_a_class_without_a_column_is_named(folder: Path) -> None:
    own = task(folder, "classes: {AFIB: , SB: }")
    path = write(folder, HEADER, ROW)
    with pytest.raises(DataError, match=r"class 'AFIB' of task 'task' has no column.*'AF'"):
        read_manifest(path, own, 0)


def test_a_file_that_is_no_table(folder: Path) -> None:
    (folder / "records.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(DataError, match="can't be read"):
        read_manifest(folder / "records.parquet", None, 0)
    with pytest.raises(DataError, match="can't be read"):
        read_manifest(folder / "missing.csv", None, 0)


def test_folds_that_cannot_be_kept(folder: Path) -> None:
    path = write(folder, "file,AF", "a.csv,1")
    (folder / "records.folds.csv").write_text("nonsense\n1\n")
    with pytest.raises(DataError, match=r"folds.csv, which keeps the folds, can't be read"):
        read_manifest(path, None, 0)
