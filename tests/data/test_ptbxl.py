from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from heart_reader.data import ptbxl
from heart_reader.errors import DataError
from heart_reader.tasks.ptbxl import read_statements, statement_labels
from heart_reader.tasks.task import default_task
from tests.data.trees import copy_tree, edit_metadata, small_demo


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_demo(tmp_path_factory.mktemp("ptbxl"))


@pytest.fixture
def broken(tree: Path, tmp_path: Path) -> Path:
    return copy_tree(tree, tmp_path / "broken")


def test_age_300_is_over_89_and_missing_stays_missing(broken: Path) -> None:
    edit_metadata(broken, 2, "age", "300.0")
    edit_metadata(broken, 3, "age", "")
    metadata = ptbxl.load_metadata(broken)
    age = ptbxl.age_years(metadata)
    assert metadata.loc[2, "age"] == 300
    assert age[1] == 90
    assert np.isnan(age[2])


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("strat_fold", "11", "ecg_id 7 has strat_fold 11"),
        ("strat_fold", "0", "ecg_id 7 has strat_fold 0"),
        ("strat_fold", "", "ecg_id 7 has strat_fold 'nan'"),
        ("patient_id", "1.5", "ecg_id 7 has patient_id '1.5'"),
        ("scp_codes", "{'NORM': 100.0", "ecg_id 7 has scp_codes"),
        ("scp_codes", "['NORM']", "not a dict but a list"),
        ("scp_codes", "{'NORM': 1e999}", "isn't finite"),
        ("scp_codes", "__import__('os').getcwd()", "ecg_id 7 has scp_codes"),
        ("age", "-3", "ecg_id 7 has age"),
        ("age", "old", "ecg_id 7 has age 'old'"),
        ("sex", "2", "ecg_id 7 has sex '2'"),
        ("filename_lr", "", "ecg_id 7 has no filename_lr"),
        ("ecg_id", "8", "ecg_id 8 is there 2 times"),
    ],
)
def test_bad_row_is_named(broken: Path, column: str, value: str, words: str) -> None:
    edit_metadata(broken, 7, column, value)
    with pytest.raises(DataError) as error:
        ptbxl.load_metadata(broken)
    assert words in str(error.value)
    assert str(broken / "ptbxl_database.csv") in str(error.value)


def test_unknown_code_is_named(broken: Path) -> None:
    edit_metadata(broken, 7, "scp_codes", "{'IMII': 100.0}")
    metadata = ptbxl.load_metadata(broken)
    with pytest.raises(DataError, match=r"ecg_id 7 has the SCP code 'IMII'.* did you mean 'IMI'"):
        statement_labels(metadata, read_statements(broken), default_task(), 0)


def test_missing_tree_column_and_fold(broken: Path) -> None:
    with pytest.raises(DataError, match=r"no PTB-XL tree at .*nowhere: .*--download true"):
        ptbxl.load_metadata(broken / "nowhere")
    metadata = ptbxl.load_metadata(broken)
    without = metadata[metadata["strat_fold"] != 10]
    with pytest.raises(DataError, match="fold 10 isn't in this tree"):
        ptbxl.select_folds(without, (9, 10))
    path = broken / "ptbxl_database.csv"
    pd.read_csv(path).rename(columns={"strat_fold": "fold"}).to_csv(path, index=False)
    with pytest.raises(DataError, match="column 'strat_fold' is missing"):
        ptbxl.load_metadata(broken)


def test_file_cut_short_is_refused(broken: Path) -> None:
    path = broken / "ptbxl_database.csv"
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(DataError, match=r"ptbxl_database\.csv"):
        ptbxl.load_metadata(broken)


def test_select_folds_keeps_rows_and_order(tree: Path) -> None:
    metadata = ptbxl.load_metadata(tree)
    some = ptbxl.select_folds(metadata, (9, 2))
    assert list(some.index) == [i for i, f in metadata["strat_fold"].items() if f in (2, 9)]


@pytest.mark.parametrize(
    ("folds", "shared"), [((1, 8), False), ((8, 9), True), ((9, 10), True), ((3, 10), True)]
)
def test_patient_in_two_parts_is_refused(folds: tuple[int, int], shared: bool) -> None:
    metadata = pd.DataFrame({"patient_id": [5, 5, 6], "strat_fold": [*folds, 1]}, index=[1, 2, 3])
    if shared:
        with pytest.raises(DataError, match=f"patient 5 is in folds {folds[0]}, {folds[1]}"):
            ptbxl.check_patients_disjoint(metadata)
    else:
        ptbxl.check_patients_disjoint(metadata)
        assert metadata["patient_id"].nunique() == 2


def test_diagnostic_code_of_no_known_superclass_is_refused(broken: Path) -> None:
    path = broken / "scp_statements.csv"
    path.write_text(path.read_text().replace(",MI,IMI,", ",HEART,IMI,"))
    with pytest.raises(DataError, match=r"'IMI' has diagnostic_class 'HEART'"):
        read_statements(broken)
