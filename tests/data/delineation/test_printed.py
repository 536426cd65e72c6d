"""What is printed: global intervals, QTc by two formulas, pacemakers and drift told."""

from dataclasses import fields, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from heart_reader.data.delineation import delineate, extract, features_of, main_measurements
from heart_reader.data.delineation.fiducials import Fiducials
from heart_reader.data.delineation.pacing import PACING
from tests.data.delineation.test_delineate import COLUMN, WAVES, synthetic

FS = 100

GOLDEN = {
    "HR__Global": 75.0000,
    "PR_Int_Global": 168.0000,
    "QRS_Dur_Global": 130.0000,
    "QT_Int_Global": 444.1448,
    "QT_IntFridericia_Global": 478.4405,
    "P_Dur_Global": 80.0000,
    "R_Amp_II": 1.1838,
    "T_Area_II": 33.1211,
    "P_Area_II": 7.2395,
    "QRS_Area_V2": -7.1072,
}


def paced(spike_mv: float) -> NDArray[np.float32]:
    """(1, 12, 1000) at 100 Hz: filtered spikes, 100 ms ahead of a slow QRS's peak."""
    times = np.arange(10 * FS) / FS
    peaks = np.arange(0.513, 10, 0.8)
    wide = np.exp(-0.5 * ((times[:, None] - peaks - 0.03) / 0.030) ** 2).sum(axis=1)
    wave = np.exp(-0.5 * ((times[:, None] - peaks - 0.32) / 0.050) ** 2).sum(axis=1)
    spike = np.sinc((times[:, None] - peaks + 0.07) * 0.74 * FS).sum(axis=1)
    sizes = np.array([-0.4, -1.2, -0.8, 0.8, 0.2, -1, -1, -1.5, -1.4, -1.2, -1, -0.8])[:, None]
    noise = np.random.default_rng(0).normal(0, 0.002, (12, len(times)))
    return (sizes * (wide - 0.3 * wave) + spike_mv * spike + noise).astype(np.float32)[None]


def test_features_read_no_printed_edge() -> None:
    """Pretrained models read the features: they don't move when what is printed does."""
    found = delineate(synthetic(FS), FS)
    nothing = Fiducials(*(np.full(1, np.nan) for _ in fields(Fiducials)))
    moved = features_of(replace(found, edges=nothing))
    assert moved.tobytes() == features_of(found).tobytes()


def test_features_are_what_they_were() -> None:
    """Measured before what is printed had edges of its own."""
    features = extract(synthetic(FS), FS)[0]
    for name, value in GOLDEN.items():
        assert features[COLUMN[name]] == pytest.approx(value, abs=1e-3), name


@pytest.mark.parametrize("fs", [100, 250, 500, 1000])
def test_intervals_run_from_foot_to_foot_at_any_rate(fs: int) -> None:
    """QRS at 2.5 standard deviations; P and T at 2.75, where a Gaussian's slope has died away."""
    (found,) = main_measurements(delineate(synthetic(fs), fs))
    p, q, s, t = (WAVES[wave][:2] for wave in "PQST")
    qrs_on, qrs_off = q[0] - 2.5 * q[1], s[0] + 2.5 * s[1]
    assert found.pr_ms == pytest.approx(1000 * (qrs_on - p[0] + 2.75 * p[1]), abs=12)
    assert found.qrs_ms == pytest.approx(1000 * (qrs_off - qrs_on), abs=12)
    assert found.qt_ms == pytest.approx(1000 * (t[0] + 2.75 * t[1] - qrs_on), abs=10)


def test_qtc_by_name() -> None:
    (found,) = main_measurements(delineate(synthetic(500, rr=0.64), 500))
    assert found.qtc_bazett_ms == pytest.approx(found.qt_ms / 0.8, rel=1e-3)
    assert found.qtc_fridericia_ms == pytest.approx(found.qt_ms / 0.8618, rel=1e-3)
    assert found.qtc_ms == found.qtc_fridericia_ms


def test_a_paced_qrs_begins_behind_its_spike() -> None:
    """178 ms were printed for 128: the spike and its ringing counted as QRS."""
    with_spikes, without = (delineate(paced(size), FS) for size in (1.0, 0.0))
    assert PACING in with_spikes.warnings[0]
    assert PACING not in without.warnings[0]
    a, b = (main_measurements(each)[0] for each in (with_spikes, without))
    assert a.qrs_ms == pytest.approx(150, abs=12)  # 2.5 standard deviations each side
    assert a.qt_ms == pytest.approx(b.qt_ms, abs=20)  # without, the QRS begins more slowly


def test_what_looks_paced_and_what_does_not() -> None:
    wide = paced(0.0)
    assert delineate(wide, FS).warnings[0] == (
        "possible pacemaker: a wide QRS, negative in II, aVF, V1 and V6",
    )
    wide[:, [1, 5, 11]] *= -1
    assert not any("pacemaker" in each for each in delineate(wide, FS).warnings[0])
    assert delineate(synthetic(FS), FS).warnings[0] == ()


@pytest.mark.parametrize(
    ("hz", "millivolts", "told"),
    [(0.2, 3.0, True), (0.2, 2.0, False), (1.0, 3.0, False), (0.0, 3.0, False)],
)
def test_slow_drift_is_told_with_its_size(hz: float, millivolts: float, told: bool) -> None:
    signals = synthetic(FS)
    times = np.arange(10 * FS) / FS
    signals[0, 8] += (millivolts / 2 * np.cos(2 * np.pi * hz * times)).astype(np.float32)
    notes = [each for each in delineate(signals, FS).warnings[0] if "drift" in each]
    wanted = "slow drift of 3.0 mV (below 0.5 Hz), most in V3: ST may be off"
    assert notes == ([wanted] if told else [])
