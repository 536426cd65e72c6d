"""Small inputs that real files led to, where they lie beside the checkout.

Covers: heart_reader.data.formats.reading.
"""

from pathlib import Path

import numpy as np
import pytest

from heart_reader.bundle.single import load_bundle
from heart_reader.data.formats import read_recording
from heart_reader.data.recordings.model_input import ModelInput, seconds_wanted, to_model_input
from heart_reader.data.recordings.recording import Recording
from heart_reader.data.spec import PTBXL_SIGNAL
from heart_reader.errors import DataError
from heart_reader.project import REPOSITORY

CASES = REPOSITORY.parent / "shared" / "cases"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason=f"no {CASES}")

# What a record's answer may differ by from the unchanged one's, and words that its notes hold.
READ: dict[str, tuple[float, str]] = {
    "wfdb/1.2.840.113": (1e-6, ""),
    "wfdb/o_300uV": (0.01, ""),
    "wfdb/o_5000uV": (0.01, ""),
    "wfdb/UPPER.HEA": (1e-6, ""),
    "wfdb/w03b_mu_uV": (1e-4, ""),
    "wfdb/w09_DI": (1e-6, ""),
    "wfdb/w09b_MLII": (1e-6, ""),
    "wfdb/w09c_lead_prefix": (1e-6, ""),
    "wfdb/w10_8leads": (0.01, "III, aVR, aVL, aVF computed"),
    "wfdb/w10b_10leads_noaVR": (0.01, "aVR computed"),
    "wfdb/w12_plus_mmHg": (1e-6, ""),
    "wfdb/w12b_plus_NU": (1e-6, ""),
    "wfdb/w14d_nan_after_10s": (0.02, "the first 10 of 20 s"),
    "wfdb/w15b_7s": (0.3, "7.00 s, repeated to 10 s"),
    "wfdb/w18c_age_neg": (1e-6, ""),
    "wfdb/w18d_sex_empty_med": (1e-6, ""),
    "wfdb/w18e_age_empty": (1e-6, ""),
    "wfdb/w18f_age_months": (1e-6, ""),
    "wfdb/w28_skew": (0.15, "leads V1, V2, V3, V4, V5, V6 have no value from 9.99"),
    "wfdb/w40_pathname": (1e-6, ""),
    "wfdb/w41_e07835": (1e-6, ""),
    "csv/c01_header.csv": (1e-6, "taken as mV"),
    "csv/c03_index.csv": (1e-6, "taken as mV"),
    "csv/c04_time.csv": (1e-6, "taken as mV"),
    "csv/c06_uV_nohead_chapman.csv": (1e-4, "taken as uV"),
    "csv/c07_semicolon_comma.csv": (1e-6, "taken as mV"),
    "csv/c10_transposed.csv": (1e-6, "a row for each lead"),
    "csv/c15a_units_in_head.csv": (1e-6, ""),
    "csv/c15c_DI_DII.csv": (1e-6, "taken as mV"),
    "csv/c18_comments.csv": (1e-6, "taken as mV"),
    "csv/c20_8leads.csv": (0.01, "III, aVR, aVL, aVF computed"),
    "csv/c21_15leads.csv": (1e-6, "taken as mV"),
    "csv/c22_upper.CSV": (1e-6, "taken as mV"),
    "csv/c27b_gap.csv": (0.01, "lead aVL has no value from 2.00 to 2.20 s"),
    "csv/c29_trailing_comma.csv": (1e-6, "taken as mV"),
    "csv/c31_pandas_default_names.csv": (1e-6, "a header of numbers"),
    "csv/c41_x5.csv": (1.0, ""),
}
REFUSED = {
    "wfdb/w05_nogain": "gain 0, which means uncalibrated",
    "wfdb/w19_checksum": "the checksum of lead aVL",
    "wfdb/w20_truncated": "ends after 5.00 of 10.00 s",
    "csv/c28_allzero.csv": "has no signal",
    "csv/c33_volts.csv": "an ECG in V has such values",
    "csv/c41c_div10.csv": "fits neither mV nor uV",
}


def read(name: str) -> tuple[Recording, ModelInput]:
    fs = 500 if name.startswith("csv") else None
    found = read_recording(str(CASES / name), fs, seconds=seconds_wanted(PTBXL_SIGNAL))
    return found, to_model_input(found, PTBXL_SIGNAL)


@pytest.fixture(scope="module")
def probabilities() -> dict[str, np.ndarray]:
    """Of each case that is read, from its signal alone, by a pretrained model."""
    bundle = load_bundle(REPOSITORY / "pretrained" / "se_resnet1d")
    names = ["wfdb/w01_16", *READ]
    signals = np.stack([read(name)[1].signal for name in names])
    return dict(zip(names, bundle.predict(signals, None), strict=True))


def test_every_case_is_judged():
    folders = {"wfdb": "*.hea", "csv": "*"}
    lying = {path.stem for folder, kind in folders.items() for path in (CASES / folder).glob(kind)}
    assert lying <= {Path(name).stem for name in (*READ, *REFUSED)} | {"w01_16", "1.2.840"} | {
        "1.2.840.113"
    }


@pytest.mark.parametrize("name", READ)
def test_what_is_read_gives_the_unchanged_records_answer(probabilities, name):
    tolerance, words = READ[name]
    found, made = read(name)
    assert any(words in note for note in (*found.notes, *made.notes, ""))
    assert np.abs(probabilities[name] - probabilities["wfdb/w01_16"]).max() <= tolerance


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_says_why(name):
    with pytest.raises(DataError, match=REFUSED[name]):
        read(name)


@pytest.mark.parametrize(
    ("name", "age", "sex"),
    [
        ("wfdb/w01_16", 60, 1),
        ("wfdb/w18c_age_neg", np.nan, np.nan),
        ("wfdb/w18d_sex_empty_med", 60, np.nan),
        ("wfdb/w18e_age_empty", np.nan, 0),
        ("wfdb/w18f_age_months", 0.5, 0),
    ],
)
def test_age_and_sex(name, age, sex):
    found, _ = read(name)
    np.testing.assert_equal([found.age, found.sex], [age, sex])
