"""Delineation of synthetic beats, whose waves are known, and of real records.

Covers: heart_reader.data.delineation.beats, heart_reader.data.delineation.conditioning,
    heart_reader.data.delineation.fiducials, heart_reader.data.delineation.measurements,
    heart_reader.data.delineation.edges, heart_reader.data.delineation.pacing,
    heart_reader.data.delineation.spikes.
"""

import csv
import warnings
from pathlib import Path

import numpy as np
import pytest
import wfdb
from numpy.typing import NDArray
from scipy.signal import resample_poly
from wfdb.processing import xqrs_detect

from heart_reader.data.delineation import FEATURE_NAMES, delineate, extract, main_measurements
from heart_reader.data.delineation.extract import frontal_axis
from heart_reader.data.ptbxl import LEADS
from tests.conftest import REPOSITORY

COLUMN = {name: at for at, name in enumerate(FEATURE_NAMES)}

# Each wave: centre in s from the R peak, standard deviation in s, mV in leads I and II.
WAVES = {
    "P": (-0.16, 0.020, 0.10, 0.15),
    "Q": (-0.028, 0.008, -0.10, -0.15),
    "R": (0.000, 0.011, 0.80, 1.20),
    "S": (0.032, 0.009, -0.15, -0.30),
    "T": (0.280, 0.045, 0.25, 0.30),
}
CHEST = (-0.6, -0.3, 0.2, 0.8, 1.1, 1.0)  # of lead II's waves in V1 to V6

GOLDEN = {  # ecg_id: HR, PR, QRS, QT, R_Amp_II, S_Amp_V2, T_Amp_V5
    10: (62.9, 184, 114, 355, 0.931, -1.386, 0.305),
    41: (72.6, 164, 128, 382, 0.615, -1.929, 0.289),
    51: (63.9, 168, 124, 390, 1.325, -1.407, 0.313),
    69: (45.7, 174, 110, 477, 1.420, -1.107, 0.092),
}
GOLDEN_NAMES = (
    "HR__Global",
    "PR_Int_Global",
    "QRS_Dur_Global",
    "QT_Int_Global",
    "R_Amp_II",
    "S_Amp_V2",
    "T_Amp_V5",
)


def synthetic(
    fs: int, seconds: float = 10.0, rr: float = 0.8, shift: float = 0.0, scale: float = 1.0
) -> NDArray[np.float32]:
    """(1, 12, n_times): Gaussian waves, the limb leads by Einthoven and Goldberger."""
    times = np.arange(round(seconds * fs)) / fs
    beats = np.arange(0.5 + shift, seconds, rr)
    i, ii = np.zeros(len(times)), np.zeros(len(times))
    for centre, width, in_i, in_ii in WAVES.values():
        wave = np.exp(-0.5 * ((times[:, None] - beats - centre) / width) ** 2).sum(axis=1)
        i, ii = i + in_i * wave, ii + in_ii * wave
    limbs = [i, ii, ii - i, -(i + ii) / 2, i - ii / 2, ii - i / 2]
    leads = np.stack([*limbs, *(share * ii for share in CHEST)])  # (12, n_times)
    noise = np.random.default_rng(0).normal(0, 0.002, leads.shape)
    return (scale * (leads + noise)).astype(np.float32)[None]


def value(features: NDArray[np.float32], name: str) -> float:
    return float(features[0, COLUMN[name]])


def read(root: Path, count: int) -> tuple[NDArray[np.float32], list[str]]:
    """(count, 12, 1000) mV of the first records of fold 9."""
    with (root / "ptbxl_database.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if float(row["strat_fold"]) == 9]
    names = [row["filename_lr"] for row in rows][:count]
    signals = [wfdb.rdsamp(str(root / name))[0].T for name in names]
    return np.stack(signals).astype(np.float32), [row["ecg_id"] for row in rows][:count]


def test_names_and_units_are_those_of_ptbxl_plus() -> None:
    """The 16 measurements of 12 leads and the global ones, listed in PTB-XL+'s description."""
    description = REPOSITORY.parent / "shared/ptbxl_plus/feature_description.csv"
    if not description.exists():
        pytest.skip("needs PTB-XL+'s feature_description.csv")
    with description.open(encoding="utf-8-sig") as file:
        units = {row["id"]: row["unit"] for row in csv.DictReader(file)}
    by_lead = {name.removesuffix("_I") for name in FEATURE_NAMES if name.endswith("_I")}
    assert len(by_lead) == 16
    assert {f"{name}_X" for name in by_lead} <= set(units)
    assert {name for name in FEATURE_NAMES if name.endswith("_Global")} <= set(units)
    ends = {"Amp": "mV", "Dur": "ms", "Area": "mV*ms", "DurFull": "ms", "Amp80ms": "mV"}
    for name in by_lead:
        assert units[f"{name}_X"] == ends.get(name.split("_")[1], "ms")
    assert len(FEATURE_NAMES) == len(set(FEATURE_NAMES)) == 12 * 16 + 11


def test_known_amplitudes() -> None:
    features = extract(synthetic(500), 500)
    for lead, at in (("I", 2), ("II", 3)):
        for wave, tolerance in (("P", 0.08), ("R", 0.06), ("T", 0.06)):
            known = WAVES[wave][at]
            assert value(features, f"{wave}_Amp_{lead}") == pytest.approx(known, rel=tolerance)
        for wave in "QS":  # the R's flanks take a little off their peaks
            known = WAVES[wave][at]
            assert value(features, f"{wave}_Amp_{lead}") == pytest.approx(known, rel=0.25)


def test_known_intervals() -> None:
    """P and QRS edges at 2.5 standard deviations, the end of T, grown quiet, at 2.75."""
    (found,) = main_measurements(delineate(synthetic(500), 500))
    centres = {wave: numbers[0] for wave, numbers in WAVES.items()}
    widths = {wave: numbers[1] for wave, numbers in WAVES.items()}
    p_on, qrs_on, qrs_off, t_off = (
        1000 * (centres[wave] + side * widths[wave])
        for wave, side in (("P", -2.5), ("Q", -2.5), ("S", 2.5), ("T", 2.75))
    )
    assert found.rate_bpm == pytest.approx(75, abs=0.1)
    assert found.pr_ms == pytest.approx(qrs_on - p_on, abs=12)
    assert found.qrs_ms == pytest.approx(qrs_off - qrs_on, abs=12)
    assert found.qt_ms == pytest.approx(t_off - qrs_on, abs=12)
    assert found.qtc_ms == pytest.approx(found.qt_ms / 0.8 ** (1 / 3), rel=1e-3)


def test_qrs_area_is_the_integral_of_its_gaussians() -> None:
    area = value(extract(synthetic(500), 500), "QRS_Area_II")
    known = sum(
        1000 * height * width * np.sqrt(2 * np.pi)
        for _, width, _, height in (WAVES[wave] for wave in "QRS")
    )
    assert area == pytest.approx(known, rel=0.1)


def test_frontal_axis_of_known_vectors() -> None:
    """A dipole at an angle gives cos(angle) in I and sin(angle) * sqrt(3) / 2 in aVF."""
    angles = np.arange(-170, 180, 20.0)
    areas = np.zeros((len(angles), 12), np.float32)
    areas[:, LEADS.index("I")] = np.cos(np.radians(angles))
    areas[:, LEADS.index("aVF")] = np.sqrt(3) / 2 * np.sin(np.radians(angles))
    np.testing.assert_allclose(frontal_axis(areas), angles, atol=1e-4)


def test_amplitudes_scale_and_times_stay() -> None:
    one, two = extract(synthetic(100), 100), extract(2 * synthetic(100), 100)
    for lead in ("I", "II", "V4", "V5", "V6"):  # all waves above the smallest that is named
        for wave in ("P_Amp", "Q_Amp", "R_Amp", "S_Amp", "T_Amp", "QRS_Area", "T_Area"):
            name = f"{wave}_{lead}"
            assert value(two, name) == pytest.approx(2 * value(one, name), rel=0.02), name
        for wave in ("P_DurFull", "Q_Dur", "R_Dur", "S_Dur", "QRS_IntDefl"):
            name = f"{wave}_{lead}"
            assert value(two, name) == pytest.approx(value(one, name), abs=2), name


@pytest.mark.parametrize("shift", [0.003, 0.1, 0.37])
def test_a_shift_in_time_changes_little(shift: float) -> None:
    here, there = extract(synthetic(100), 100), extract(synthetic(100, shift=shift), 100)
    for name in ("R_Amp_II", "S_Amp_II", "T_Amp_V5", "P_Amp_II"):
        assert value(there, name) == pytest.approx(value(here, name), rel=0.04, abs=0.01)
    for name in ("PR_Int_Global", "QRS_Dur_Global", "QT_Int_Global"):
        assert value(there, name) == pytest.approx(value(here, name), abs=10)


@pytest.mark.parametrize("fs", [250, 360, 500, 1000])
def test_sampling_rates_agree(fs: int) -> None:
    slow, fast = extract(synthetic(100), 100), extract(synthetic(fs), fs)
    for lead in ("I", "II", "aVR", "V2", "V5"):
        for name in ("R_Amp", "S_Amp", "T_Amp", "P_Amp", "QRS_Area"):
            a, b = value(slow, f"{name}_{lead}"), value(fast, f"{name}_{lead}")
            assert a == pytest.approx(b, rel=0.06, abs=0.03, nan_ok=True), (name, lead)
    for name in ("HR__Global", "PR_Int_Global", "QRS_Dur_Global", "QT_Int_Global"):
        assert value(slow, name) == pytest.approx(value(fast, name), abs=8), name


def test_an_ectopic_beat_is_left_out() -> None:
    plain = synthetic(500)
    ectopic = plain.copy()
    wide = np.exp(-0.5 * ((np.arange(5000) / 500 - 4.9) / 0.04) ** 2)
    ectopic -= (2.0 * wide).astype(np.float32)
    found = delineate(ectopic, 500)
    assert (~found.kept[0]).sum() == 1
    assert found.r_peaks[0][~found.kept[0]] == pytest.approx(4.9, abs=0.05)
    for name in ("R_Amp_II", "S_Amp_V1", "T_Amp_II", "QRS_Dur_Global"):
        a, b = value(extract(plain, 500), name), value(extract(ectopic, 500), name)
        assert a == pytest.approx(b, rel=0.03), name


def test_a_record_measures_the_same_alone_and_in_a_batch() -> None:
    many = np.concatenate([synthetic(100, rr=rr) for rr in np.linspace(0.6, 1.2, 70)])
    together, alone = extract(many, 100), extract(many[41:42], 100)
    np.testing.assert_allclose(together[41:42], alone, rtol=1e-4, atol=1e-4)
    known = 60 / np.linspace(0.6, 1.2, 70)
    np.testing.assert_allclose(together[:, COLUMN["HR__Global"]], known, rtol=0.003)


def test_swapped_arms_and_spikes_are_told() -> None:
    plain = synthetic(500)
    swapped = plain.copy()
    swapped[:, 0] *= -1
    swapped[:, [1, 2, 3, 4]] = swapped[:, [2, 1, 4, 3]]
    paced = plain.copy()
    paced[:, :, np.round((np.arange(0.5, 10, 0.8) - 0.06) * 500).astype(int)] += 2.0
    told = [delineate(x, 500).warnings[0] for x in (plain, swapped, paced)]
    assert told[0] == ()
    assert told[1] == ("possible lead reversal: aVR is positive",)
    assert any("spikes" in sentence for sentence in told[2])
    a, b = extract(plain, 500), extract(paced, 500)
    for name in ("HR__Global", "R_Amp_II", "T_Amp_II", "QRS_Dur_Global"):
        assert value(a, name) == pytest.approx(value(b, name), rel=0.1), name


@pytest.mark.real
def test_rates_against_xqrs(real_ptbxl: Path) -> None:
    """Median RR within 10 ms of wfdb's own detector, which needs lead II at 250 Hz to be right."""
    signals, _ = read(real_ptbxl, 20)
    found = delineate(signals, 100)
    for signal, r_peaks in zip(signals, found.r_peaks, strict=True):
        lead_ii = resample_poly(signal[1].astype(float), 250, 100)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = xqrs_detect(lead_ii, 250, verbose=False) / 250
        assert abs(np.median(np.diff(theirs)) - np.median(np.diff(r_peaks))) < 0.010


@pytest.mark.real
def test_einthoven_on_real_records(real_ptbxl: Path) -> None:
    """II = I + III and aVR = -(I + II) / 2 hold in the QRS areas, which are linear."""
    features = extract(read(real_ptbxl, 20)[0], 100)
    area = {lead: features[:, COLUMN[f"QRS_Area_{lead}"]] for lead in LEADS}
    np.testing.assert_allclose(area["I"] + area["III"], area["II"], atol=2.0)
    np.testing.assert_allclose(-(area["I"] + area["II"]) / 2, area["aVR"], atol=2.0)


@pytest.mark.real
def test_golden_values_of_real_records(real_ptbxl: Path) -> None:
    signals, ecg_ids = read(real_ptbxl, 20)
    features = extract(signals, 100)
    columns = [COLUMN[name] for name in GOLDEN_NAMES]
    for ecg_id, golden in GOLDEN.items():
        found = features[ecg_ids.index(str(ecg_id)), columns]
        np.testing.assert_allclose(found[:4], golden[:4], atol=4.1)  # two samples
        np.testing.assert_allclose(found[4:], golden[4:], atol=0.01)
