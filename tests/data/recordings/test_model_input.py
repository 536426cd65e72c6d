"""From a file to what a model reads: rates, orders, units, lengths, gaps, leads that follow.

Covers: heart_reader.data.recordings.*.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import wfdb
from scipy.signal import resample_poly

from heart_reader.data.formats import read_recording as read_file
from heart_reader.data.ptbxl import LEADS
from heart_reader.data.recordings.limb_leads import limb_leads
from heart_reader.data.recordings.model_input import seconds_wanted, to_model_input
from heart_reader.data.spec import PTBXL_SIGNAL, SignalSpec
from heart_reader.errors import DataError


@dataclass(frozen=True)
class Read:
    """A file's signal as a model gets it, and all that is said of it."""

    signal: np.ndarray
    age: float
    sex: float
    notes: tuple[str, ...]


def read_recording(path: str, fs: float | None, **options: object) -> Read:
    found = read_file(path, fs, seconds=seconds_wanted(PTBXL_SIGNAL), **options)
    made = to_model_input(found, PTBXL_SIGNAL)
    return Read(made.signal, found.age, found.sex, found.notes + made.notes)


def sines(fs: float = 100, seconds: float = 10.0) -> np.ndarray:
    """A slow sine of its own height and offset in each lead: mV (n_times, 12).

    The limb leads hang together.
    """
    t = np.arange(round(seconds * fs)) / fs
    height = 0.1 * np.arange(1, 13)
    samples = height * np.sin(2 * np.pi * 3 * t)[:, None] + 0.05 * np.arange(12)
    i, ii = samples[:, 4].copy(), samples[:, 2].copy()
    samples[:, :6] = np.column_stack([i, ii, ii - i, -(i + ii) / 2, i - ii / 2, ii - i / 2])
    return samples


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
    with pytest.raises(DataError, match="has the unit 'mmHg' in lead I; known are mV, uV, V, nV"):
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
    with pytest.raises(DataError, match=r"cut short: ecg\.dat ends after 2\.08 of 10\.00 s"):
        read_recording(path, None)
    Path(f"{path}.dat").unlink()
    with pytest.raises(DataError, match=r"can't be read: there is no signal file .*ecg\.dat"):
        read_recording(path, None)
    Path(f"{path}.hea").write_text("nonsense\n")
    with pytest.raises(DataError, match="can't be read: record line 'nonsense'"):
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


@pytest.mark.parametrize(("fs", "seconds"), [(100, 9.99), (500, 7.0), (250, 2.5)])
def test_less_is_read_and_repeated_and_said(tmp_path, fs, seconds):
    n = round(seconds * fs)
    read = read_recording(write_csv(tmp_path / "x.csv", sines(fs)[:n]), fs)
    there = round(seconds * 100)
    inside = slice(20, there - 20)
    np.testing.assert_allclose(read.signal[:, inside], sines(100).T[:, inside], atol=6e-3)
    assert f"{seconds:.2f} s, repeated to 10 s" in read.notes
    assert np.ptp(read.signal[:, there:]) > 0.1 or there == 999  # not zeros


@pytest.mark.parametrize(("fs", "n_times", "seconds"), [(100, 249, "2.49"), (100, 1, "0.01")])
def test_too_little_is_refused(tmp_path, fs, n_times, seconds):
    path = write_csv(tmp_path / "x.csv", sines(fs)[:n_times])
    with pytest.raises(DataError, match=rf"at least 2\.5 s, but lasts {seconds} s|no signal"):
        read_recording(path, fs)


def test_more_is_cut_and_said(tmp_path):
    recording = read_recording(write_csv(tmp_path / "x.csv", sines(100, 12.5)), 100)
    np.testing.assert_allclose(recording.signal, sines(100).T, atol=1e-6)
    assert "the first 10 of 12.5 s" in recording.notes


@pytest.mark.parametrize("fs", [0, -100, 49, 10_001, float("nan"), float("inf")])
def test_a_sampling_rate_that_no_ecg_has(tmp_path, fs):
    with pytest.raises(DataError, match="must have 50 to 10000 Hz"):
        read_recording(write_csv(tmp_path / "x.csv", sines(100)), fs)


# ---------------------------------------------------------------- gaps and limb leads


def test_a_short_gap_is_bridged_and_named_with_its_lead_and_time(tmp_path):
    samples = sines()
    samples[200:220, 7] = np.nan
    read = read_recording(write_csv(tmp_path / "x.csv", samples), 100)
    assert "lead V2 has no value from 2.00 to 2.20 s: bridged" in read.notes
    line = np.interp(np.arange(200, 220), [199, 220], samples[[199, 220], 7])
    np.testing.assert_allclose(read.signal[7, 200:220], line, atol=1e-5)


def test_a_long_gap_is_refused_with_its_lead_and_time(tmp_path):
    samples = sines()
    samples[300:321, 7] = np.nan
    path = write_csv(tmp_path / "x.csv", samples)
    with pytest.raises(DataError, match=r"lead V2 has no value from 3\.00 to 3\.21 s"):
        read_recording(path, 100)


def test_a_gap_in_a_limb_lead_is_filled_from_the_others(tmp_path):
    samples = sines()
    samples[300:700, 4] = np.nan
    read = read_recording(write_csv(tmp_path / "x.csv", samples), 100)
    np.testing.assert_allclose(read.signal, sines().T, atol=1e-5)
    assert "lead aVL has no value from 3.00 to 7.00 s: filled from the other limb leads" in (
        read.notes
    )


def test_a_gap_outside_the_seconds_that_are_used_is_left_alone(tmp_path):
    samples = np.vstack([sines(), sines()])
    samples[1001:1500, 3] = np.nan
    read = read_recording(write_csv(tmp_path / "x.csv", samples), 100)
    np.testing.assert_allclose(read.signal, sines().T, atol=1e-5)
    assert not [note for note in read.notes if "no value" in note]


@pytest.mark.parametrize(
    "left", ["I II V1 V2 V3 V4 V5 V6", "II III V1 V2 V3 V4 V5 V6", "I III aVF V1 V2 V3 V4 V5 V6"]
)
def test_two_of_the_first_three_leads_say_the_other_limb_leads(tmp_path, left):
    columns = [LEADS.index(lead) for lead in left.split()]
    path = write_csv(tmp_path / "x.csv", sines()[:, columns], left.replace(" ", ","))
    read = read_recording(path, 100)
    np.testing.assert_allclose(read.signal, sines().T, atol=1e-5)
    made = [lead for lead in LEADS if lead not in left.split()]
    assert f"{', '.join(made)} computed from the other limb leads" in read.notes


@pytest.mark.real
def test_the_limb_leads_of_a_real_record_follow_from_two(real_ptbxl):
    """Einthoven and Goldberger hold in PTB-XL to a step or two of its converter (1 uV)."""
    path = next(real_ptbxl.glob("records100/**/*.hea"))
    samples = wfdb.rdsamp(str(path)[:-4])[0]
    found = limb_leads(samples[:, 0], samples[:, 1])
    for k, lead in enumerate(LEADS[:6]):
        np.testing.assert_allclose(found[lead], samples[:, k], atol=2.5e-3)


@pytest.mark.parametrize(
    ("change", "worst"),
    [({3: -1}, "aVR"), ({2: 4}, None), ({4: 7}, None), ({1: -1}, None)],
    ids=["aVR turned round", "III for aVL", "aVL for V2", "II turned round"],
)
def test_limb_leads_that_contradict_each_other_are_warned_about(tmp_path, change, worst):
    samples = sines()
    for lead, other in change.items():
        samples[:, lead] = -samples[:, lead] if other == -1 else samples[:, other]
    notes = read_recording(write_csv(tmp_path / "x.csv", samples), 100).notes
    (note,) = [note for note in notes if "contradict" in note]
    share = float(re.search(r"by (\d+)%", note)[1])
    assert share > 5 and (worst is None or f"{worst} most" in note)


def test_limb_leads_that_agree_but_for_noise_are_not_warned_about(tmp_path):
    samples = sines() + np.random.default_rng(0).normal(0, 0.01, (1000, 12))
    notes = read_recording(write_csv(tmp_path / "x.csv", samples), 100).notes
    assert not [note for note in notes if "contradict" in note]


def test_another_spec_gets_its_own_leads_rate_and_length(tmp_path):
    path = write_wfdb(tmp_path, sines(500), 500)
    spec = SignalSpec(("V2", "I"), 250, 1000)
    made = to_model_input(read_file(path), spec)
    assert made.signal.shape == (2, 1000)
    inside = slice(50, 950)
    expected = sines(250).T[[7, 0], :1000]
    np.testing.assert_allclose(made.signal[:, inside], expected[:, inside], atol=6e-3)
    assert "the first 4 of 10 s" in made.notes
