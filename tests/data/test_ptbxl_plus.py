import numpy as np
import pandas as pd
import pytest

from heart_reader.data import delineation
from heart_reader.data.ptbxl_plus import read_ptbxl_plus
from heart_reader.errors import DataError


def write_table(path, columns: dict[str, list[object]]):
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


def test_a_table_is_read_by_ecg_id_and_name_in_any_case(tmp_path):
    columns = {
        "R_Amp_AVR": [0.5, 0.7, 0.9],
        "ecg_id": [30, 10, 20],
        "HR__Global": [60, "", 80],
        "unknown": [1, 2, 3],
        "T_Amp_V2": ["x", 0.2, 0.3],
    }
    write_table(tmp_path / "12sl_features.csv", columns)
    values = read_ptbxl_plus(tmp_path, np.array([10, 20, 30, 40]))
    found = dict(zip(delineation.FEATURE_NAMES, values.T, strict=True))
    nan = np.nan
    np.testing.assert_array_equal(found["R_Amp_aVR"], np.float32([0.7, 0.9, 0.5, nan]))
    np.testing.assert_array_equal(found["HR__Global"], np.float32([nan, 80, 60, nan]))
    np.testing.assert_array_equal(found["T_Amp_V2"], np.float32([0.2, 0.3, nan, nan]))
    others = [name for name in found if name not in {"R_Amp_aVR", "HR__Global", "T_Amp_V2"}]
    assert len(others) == len(delineation.FEATURE_NAMES) - 3
    assert all(np.isnan(found[name]).all() for name in others)


def test_a_table_is_found_as_a_file_in_a_folder_and_below_it(tmp_path):
    (tmp_path / "plus" / "features").mkdir(parents=True)
    columns: dict[str, list[object]] = {"ecg_id": [1], "R_Amp_I": [0.25]}
    path = write_table(tmp_path / "plus" / "features" / "ecgdeli_features.csv", columns)
    for given in (path, path.parent, path.parent.parent):
        values = read_ptbxl_plus(given, np.array([1]))
        assert values[0, delineation.FEATURE_NAMES.index("R_Amp_I")] == 0.25


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"id": [1], "R_Amp_I": [1]}, "has no column 'ecg_id'"),
        ({"ecg_id": [1], "foo": [1]}, "has no harmonised PTB-XL\\+ column such as P_Amp_I"),
    ],
)
def test_tables_that_are_not_ptbxl_plus(tmp_path, columns, message):
    with pytest.raises(DataError, match=message):
        read_ptbxl_plus(write_table(tmp_path / "t.csv", columns), np.array([1]))


def test_no_table_and_no_csv(tmp_path):
    with pytest.raises(DataError, match=r"no 12sl_features\.csv or ecgdeli_features\.csv there"):
        read_ptbxl_plus(tmp_path / "none", np.array([1]))
    (tmp_path / "12sl_features.csv").write_bytes(b"\xff\xfe\x00\x00\x81")
    with pytest.raises(DataError, match="can't be read as CSV"):
        read_ptbxl_plus(tmp_path, np.array([1]))


def test_12sl_tables_in_microvolts_become_ours(tmp_path):
    columns: dict[str, list[object]] = {
        "ecg_id": [1, 2],
        "R_Amp_I": [830, 1200],
        "Q_Amp_I": [90, 0],
        "S_Amp_V2": [1400, 700],
        "P_Area_II": [5100, 4000],
        "QRS_Dur_Global": [88, 96],
    }
    values = read_ptbxl_plus(
        write_table(tmp_path / "12sl_features.csv", columns), np.array([1, 2])
    )
    found = dict(zip(delineation.FEATURE_NAMES, values.T, strict=True))
    np.testing.assert_allclose(found["R_Amp_I"], [0.83, 1.2], rtol=1e-6)
    np.testing.assert_allclose(found["Q_Amp_I"], [-0.09, 0], rtol=1e-6)
    np.testing.assert_allclose(found["S_Amp_V2"], [-1.4, -0.7], rtol=1e-6)
    np.testing.assert_allclose(found["P_Area_II"], [5.1, 4.0], rtol=1e-6)
    np.testing.assert_array_equal(found["QRS_Dur_Global"], [88, 96])
