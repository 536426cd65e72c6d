"""ECGs from outside: WFDB and CSV at other rates, orders, units and lengths."""

from pathlib import Path

import numpy as np
import pytest
import wfdb
from scipy.signal import resample_poly

from heart_reader.data.ptbxl import LEADS
from heart_reader.data.recording import read_recording
from heart_reader.errors import DataError


def sines(fs: float, seconds: float = 10.0) -> np.ndarray:
    """A slow sine of its own height and offset in each lead: mV (n_times, 12)."""
    t = np.arange(round(seconds * fs)) / fs
    height = 0.1 * np.arange(1, 13)
    return height * np.sin(2 * np.pi * 3 * t)[:, None] + 0.05 * np.arange(12)


def write_wfdb(folder: Path, samples: np.ndarray, fs: float, **changes: object) -> str:
    n_leads = samples.shape[1]
    fields: dict[str, object] = {
        "units": ["mV"] * n_leads,
        "sig_name": list(LEADS[:n_leads]),
        "fmt": ["16"] * n_leads,
        "adc_gain": [1000.0] * n_leads,
        "baseline": [0] * n_leads,
    }
    fields |= changes
    wfdb.wrsamp("ecg", fs=fs, p_signal=samples, write_dir=str(folder), **fields)
    return str(folder / "ecg")


def write_csv(path: Path, samples: np.ndarray, header: str = "") -> str:
    np.savetxt(path, samples, delimiter=",", header=header, comments="", fmt="%.6f")
    return str(path)


# ---------------------------------------------------------------- WFDB


def test_a_record_at_100_hz_is_what_wfdb_reads(tmp_path):
    path = write_wfdb(tmp_path, sines(100), 100)
    expected = wfdb.rdsamp(path)[0].T.astype(np.float32)
    for given in (path, f"{path}.hea", f"{path}.dat"):
        recording = read_recording(given, None)
        np.testing.assert_array_equal(recording.signal, expected)
        assert recording.notes == ()
        assert np.isnan(recording.age) and np.isnan(recording.sex)


@pytest.mark.parametrize("fs", [500, 1000, 250, 360, 257, 99.5])
def test_a_known_sine_survives_the_resampling(tmp_path, fs):
    recording = read_recording(write_wfdb(tmp_path, sines(fs, 11), fs), None)
    assert recording.signal.shape == (12, 1000) and recording.signal.dtype == np.float32
    inside, seconds = slice(50, 950), round(11 * fs) / fs
    np.testing.assert_allclose(recording.signal[:, inside], sines(100).T[:, inside], atol=6e-3)
    assert recording.notes == (
        f"resampled from {fs:g} to 100 Hz",
        f"the first 10 of {seconds:g} s",
    )


def test_500_hz_equals_scipys_polyphase_filter(tmp_path):
    rng = np.random.default_rng(0)
    path = write_wfdb(tmp_path, rng.normal(0, 0.3, (5000, 12)), 500)
    samples = wfdb.rdsamp(path)[0]
    expected = resample_poly(samples - samples[0], 1, 5, axis=0) + samples[0]
    inside = slice(30, 970)
    signal = read_recording(path, None).signal
    np.testing.assert_allclose(signal.T[inside], expected[inside], atol=2e-3)


def test_a_lead_with_an_offset_does_not_ring_at_its_ends(tmp_path):
    signal = read_recording(write_wfdb(tmp_path, np.full((5000, 12), 2.0), 500), None).signal
    np.testing.assert_allclose(signal, 2.0, atol=1e-3)


def test_leads_are_found_by_name_in_any_order_and_case(tmp_path):
    order = np.random.default_rng(1).permutation(12)
    names = [LEADS[k].upper() for k in order]
    path = write_wfdb(tmp_path, sines(100)[:, order], 100, sig_name=names)
    np.testing.assert_allclose(read_recording(path, None).signal, sines(100).T, atol=6e-4)


def test_leads_beyond_the_twelve_are_left_out(tmp_path):
    samples = np.column_stack([np.full(1000, 9.0), sines(100)])
    extra = dict.fromkeys(("adc_gain",), [1000.0] * 13)
    path = write_wfdb(tmp_path, samples, 100, sig_name=["vx", *LEADS], **extra)
    np.testing.assert_allclose(read_recording(path, None).signal, sines(100).T, atol=6e-4)


def test_a_missing_lead_is_named(tmp_path):
    path = write_wfdb(tmp_path, sines(100)[:, :11], 100)
    with pytest.raises(DataError, match=r"must have the leads I II .* but lacks V6"):
        read_recording(path, None)


@pytest.mark.parametrize(("unit", "factor"), [("uV", 1e3), ("mV", 1), ("V", 1e-3)])
def test_the_unit_of_the_header_counts(tmp_path, unit, factor):
    gains = [1000.0 / factor] * 12
    path = write_wfdb(tmp_path, sines(100) * factor, 100, units=[unit] * 12, adc_gain=gains)
    np.testing.assert_allclose(read_recording(path, None).signal, sines(100).T, atol=6e-4)


def test_an_unknown_unit_is_refused(tmp_path):
    path = write_wfdb(tmp_path, sines(100), 100, units=["mmHg"] * 12)
    with pytest.raises(DataError, match="has the unit 'mmHg'; known are mv, uv, µv, v"):
        read_recording(path, None)


@pytest.mark.parametrize(
    ("comments", "age", "sex"),
    [
        (["age: 63", "sex: Female"], 63, 1),
        (["Age: 48  Gender: M"], 48, 0),
        (["<age>: 71 <sex>: F"], 71, 1),
        (["average: 20"], np.nan, np.nan),
    ],
)
def test_age_and_sex_of_the_comments(tmp_path, comments, age, sex):
    recording = read_recording(write_wfdb(tmp_path, sines(100), 100, comments=comments), None)
    np.testing.assert_array_equal([recording.age, recording.sex], [age, sex])


def test_files_missing_or_cut_short(tmp_path):
    with pytest.raises(DataError, match=r"there is no .*none\.hea"):
        read_recording(str(tmp_path / "none"), None)
    path = write_wfdb(tmp_path, sines(100), 100)
    content = Path(f"{path}.dat").read_bytes()
    Path(f"{path}.dat").write_bytes(content[:5000])
    with pytest.raises(DataError, match="can't be read"):
        read_recording(path, None)
    Path(f"{path}.dat").unlink()
    with pytest.raises(DataError, match="can't be read"):
        read_recording(path, None)
    Path(f"{path}.hea").write_text("nonsense\n")
    with pytest.raises(DataError, match="can't be read"):
        read_recording(path, None)


@pytest.mark.real
def test_a_real_record_equals_wfdb(real_ptbxl):
    path = str(next(real_ptbxl.glob("records100/**/*.hea")))
    expected = wfdb.rdsamp(path.removesuffix(".hea"))[0].T.astype(np.float32)
    np.testing.assert_array_equal(read_recording(path, None).signal, expected)


# ---------------------------------------------------------------- length and rate


@pytest.mark.parametrize(("fs", "n_times"), [(100, 1000), (500, 5000), (500, 4999)])
def test_ten_seconds_are_enough(tmp_path, fs, n_times):
    path = write_csv(tmp_path / "x.csv", sines(fs)[:n_times])
    assert read_recording(path, fs).signal.shape == (12, 1000)


@pytest.mark.parametrize(
    ("fs", "n_times", "seconds"), [(100, 999, "9.99"), (500, 4900, "9.80"), (100, 1, "0.01")]
)
def test_less_is_refused(tmp_path, fs, n_times, seconds):
    path = write_csv(tmp_path / "x.csv", sines(fs)[:n_times])
    with pytest.raises(DataError, match=rf"at least 10 s, but lasts {seconds} s"):
        read_recording(path, fs)


def test_more_is_cut_and_said(tmp_path):
    recording = read_recording(write_csv(tmp_path / "x.csv", sines(100, 12.5)), 100)
    np.testing.assert_allclose(recording.signal, sines(100).T, atol=1e-6)
    assert "the first 10 of 12.5 s" in recording.notes


@pytest.mark.parametrize("fs", [0, -100, 49, 10_001, float("nan"), float("inf")])
def test_a_sampling_rate_that_no_ecg_has(tmp_path, fs):
    with pytest.raises(DataError, match="must have 50 to 10000 Hz"):
        read_recording(write_csv(tmp_path / "x.csv", sines(100)), fs)


# ---------------------------------------------------------------- CSV


def test_a_csv_with_and_without_a_header(tmp_path):
    order = np.random.default_rng(2).permutation(12)
    named = write_csv(
        tmp_path / "named.csv", sines(100)[:, order], ",".join(LEADS[k] for k in order)
    )
    bare = write_csv(tmp_path / "bare.csv", sines(100))
    for path, notes in ((named, ()), (bare, ("no header: columns taken as I to V6",))):
        recording = read_recording(path, 100)
        np.testing.assert_allclose(recording.signal, sines(100).T, atol=1e-6)
        assert recording.notes == notes


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "can't be read"),
        ("1,2,3\n", "must have 12 columns, but has 3"),
        (",".join("abcdefghjklm") + "\n1,2,3,4,5,6,7,8,9,10,11,12\n", "lacks I, II"),
        (",".join(LEADS) + "\n" + ",".join(["1"] * 11 + ["x"]) + "\n", "a value that is no num"),
        (",".join(LEADS) + "\n", "lasts 0.00 s"),
    ],
)
def test_csv_files_that_are_no_ecg(tmp_path, content, message):
    path = tmp_path / "x.csv"
    path.write_text(content)
    with pytest.raises(DataError, match=message):
        read_recording(str(path), 100)


def test_a_csv_needs_its_sampling_rate_and_its_file(tmp_path):
    path = write_csv(tmp_path / "x.csv", sines(100))
    with pytest.raises(DataError, match="doesn't say its sampling rate; give it with --fs"):
        read_recording(path, None)
    with pytest.raises(DataError, match="can't be read"):
        read_recording(str(tmp_path / "none.csv"), 100)


def test_a_gap_in_a_csv_is_named_where_it_is_resampled(tmp_path):
    samples = sines(500)
    samples[3, 4] = np.nan
    with pytest.raises(DataError, match="has samples that are NaN or infinite"):
        read_recording(write_csv(tmp_path / "x.csv", samples), 500)
