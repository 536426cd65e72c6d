"""Which files a folder, a pattern or a list means."""

from pathlib import Path

import pytest

from heart_reader.errors import DataError
from heart_reader.reading.many.files import files_of

HEADER = "ecg 2 100 1000\necg_a.dat 16 1000/mV 16 0 0 0 0 I\necg.dat 16 1000/mV 16 0 0 0 0 II\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "inner").mkdir()
    (tmp_path / "ecg.hea").write_text(HEADER)
    for name in ("ecg.dat", "ecg_a.dat", "ecg.atr", "b.csv", "inner/c.edf", ".hidden"):
        (tmp_path / name).write_text("1,2\n")
    return tmp_path


def names(found: list[str], folder: Path) -> list[str]:
    return [str(Path(each).relative_to(folder)) for each in found]


def test_a_folder_means_its_files_and_a_record_of_several_is_one(folder):
    assert names(files_of([str(folder)]), folder) == ["b.csv", "ecg.hea", "inner/c.edf"]


def test_segments_mean_their_record(folder):
    (folder / "long.hea").write_text("long/2 2 100 2000\necg 1000\n~ 1000\n")
    assert names(files_of([str(folder)]), folder) == ["b.csv", "inner/c.edf", "long.hea"]


def test_a_pattern_means_what_it_matches(folder):
    assert names(files_of([f"{folder}/**/*.[ec]*"]), folder) == ["b.csv", "inner/c.edf"]
    assert names(files_of([f"{folder}/ecg*"]), folder) == ["ecg.hea"]


@pytest.mark.parametrize(
    "text",
    [
        "inner/c.edf\necg\n",
        "age,path\n63,inner/c.edf\n70,ecg\n",
        "record\tx\ninner/c.edf\t1\necg\t2\n",
    ],
    ids=["names alone", "a column of several", "tabs"],
)
def test_a_list_means_the_files_beside_it(folder, text):
    (folder / "list.csv").write_text(text)
    found = names(files_of([str(folder / "list.csv")]), folder)
    assert found == ["inner/c.edf", "ecg"]


def test_a_list_may_name_what_is_not_there_and_absolute_files(folder):
    (folder / "list.csv").write_text(f"file\n{folder}/ecg\ngone\n")
    assert names(files_of([str(folder / "list.csv")]), folder) == ["ecg", "gone"]


@pytest.mark.parametrize("text", ["1,2\n3,4\n", "I,II\n1,2\n", ""])
def test_a_table_of_samples_is_a_file_itself(folder, text):
    (folder / "x.csv").write_text(text)
    assert files_of([str(folder / "x.csv")]) == [str(folder / "x.csv")]


def test_each_file_once_and_others_as_they_are(folder):
    word = str(folder / "b.csv")
    assert files_of([word, word, "gone", "x.hdf5#3"]) == [word, "gone", "x.hdf5#3"]


def test_nothing_is_refused(tmp_path):
    with pytest.raises(DataError, match="holds no file"):
        files_of([str(tmp_path)])
    with pytest.raises(DataError, match="matches no file"):
        files_of([f"{tmp_path}/*.edf"])
