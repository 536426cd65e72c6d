"""Bad input: NaN and a warning, or one clear error; never numpy's own, never a wrong number.

Covers: heart_reader.data.delineation.warnings.
"""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from heart_reader.data.delineation import FEATURE_NAMES, delineate, extract, main_measurements
from heart_reader.data.ptbxl import LEADS
from heart_reader.errors import DataError
from tests.data.delineation.test_delineate import COLUMN, synthetic, value

QUICK = settings(max_examples=25, deadline=None)
PLAIN = extract(synthetic(100), 100)


def of_lead(features: NDArray[np.float32], lead: str) -> NDArray[np.float32]:
    """The 16 measurements of one lead of the first record."""
    return features[0, [at for name, at in COLUMN.items() if name.endswith(f"_{lead}")]]


def quiet_extract(signals: NDArray[np.floating], fs: int = 100) -> NDArray[np.float32]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return extract(signals, fs)


@pytest.mark.parametrize(
    ("signals", "fs", "told"),
    [
        (np.zeros((12, 1000)), 100, r"\(n_records, 12, n_times\), got shape \(12, 1000\)"),
        (np.zeros((1, 11, 1000)), 100, r"got shape \(1, 11, 1000\)"),
        (np.zeros((1, 12, 1000)), 99, "from 100 to 1000, got 99"),
        (np.zeros((1, 12, 1000)), 1001, "from 100 to 1000, got 1001"),
        (np.zeros((1, 12, 1000)), 125.5, "whole number of Hz"),
        (np.zeros((1, 12, 1000)), float("nan"), "got nan"),
        (np.zeros((1, 12, 99)), 100, "at least 1 s, got 99 samples at 100 Hz"),
        (np.zeros((1, 12, 1000), complex), 100, "got dtype complex128"),
        (1000 * synthetic(100), 100, "divide microvolts by 1000, or raw ADC counts"),
    ],
)
def test_refusals(signals: NDArray[np.floating], fs: float, told: str) -> None:
    with pytest.raises(DataError, match=told):
        extract(signals, fs)


@pytest.mark.parametrize("fs", [100, 1000])
def test_the_edges_of_the_legal_rates(fs: int) -> None:
    assert value(extract(synthetic(fs), fs), "HR__Global") == pytest.approx(75, abs=0.5)


def test_no_records_give_no_rows() -> None:
    assert quiet_extract(np.zeros((0, 12, 1000), np.float32)).shape == (0, len(FEATURE_NAMES))


@pytest.mark.parametrize("bad", [0.0, 1.7, np.nan, np.inf, -np.inf, 1e30])
@pytest.mark.parametrize("lead", ["aVL", "V3"])
def test_a_bad_lead_is_nan_and_the_rest_stays(bad: float, lead: str) -> None:
    signals = synthetic(100)
    signals[0, LEADS.index(lead)] = bad
    features = quiet_extract(signals)
    assert np.isnan(of_lead(features, lead)).all()
    for other in ("I", "II", "V5"):
        np.testing.assert_allclose(of_lead(features, other), of_lead(PLAIN, other), rtol=0.1)
    assert value(features, "HR__Global") == pytest.approx(75, abs=0.5)
    (told,) = delineate(signals, 100).warnings[0]
    assert told.endswith(f": {lead}")


def test_without_lead_i_there_is_no_axis() -> None:
    signals = synthetic(100)
    signals[0, LEADS.index("I")] = 0
    features = quiet_extract(signals)
    assert np.isnan(value(features, "QRS_AxisFront_Global"))
    assert np.isfinite(value(features, "QRS_Dur_Global"))


@pytest.mark.parametrize("seconds", [3, 10, 60])
def test_short_and_long_records(seconds: int) -> None:
    features = quiet_extract(synthetic(100, seconds=seconds))
    assert value(features, "HR__Global") == pytest.approx(75, abs=0.5)
    assert value(features, "R_Amp_II") == pytest.approx(value(PLAIN, "R_Amp_II"), rel=0.05)
    assert value(features, "QT_Int_Global") == pytest.approx(value(PLAIN, "QT_Int_Global"), abs=8)


@pytest.mark.parametrize("rr", [6.0, 20.0])
def test_fewer_than_two_beats_measure_nothing(rr: float) -> None:
    signals = synthetic(100, rr=rr)[:, :, :500]
    assert np.isnan(quiet_extract(signals)).all()
    assert "nothing was measured" in delineate(signals, 100).warnings[0][-1]
    assert np.isnan(main_measurements(delineate(signals, 100))[0].rate_bpm)


@pytest.mark.parametrize("rail", [0.4, 0.8])
def test_clipped_leads_are_not_measured(rail: float) -> None:
    signals = np.clip(synthetic(500), -rail, rail)
    told = delineate(signals, 500).warnings[0]
    assert told[0].startswith("saturated: ")
    assert "II" in told[0]
    assert np.isnan(of_lead(quiet_extract(signals, 500), "II")).all()


@given(seed=st.integers(0, 2**32 - 1), sd=st.floats(0.001, 3.0))
@QUICK
def test_noise_has_no_measurements(seed: int, sd: float) -> None:
    noise = np.random.default_rng(seed).normal(0, sd, (1, 12, 1000))
    assert np.isnan(quiet_extract(noise)).all()


@given(
    hnp.arrays(
        np.float64,
        st.tuples(st.integers(0, 2), st.just(12), st.integers(100, 400)),
        elements=st.floats(allow_nan=True, allow_infinity=True, width=64),
        fill=st.floats(allow_nan=True, allow_infinity=True, width=64),
    )
)
@QUICK
def test_any_numbers_give_a_matrix_or_one_error(signals: NDArray[np.float64]) -> None:
    try:
        features = quiet_extract(signals)
    except DataError as error:
        assert "millivolt" in str(error) or "mV" in str(error)
        return
    assert features.shape == (len(signals), len(FEATURE_NAMES))
    assert features.dtype == np.float32
    assert not np.isinf(features).any()


@given(
    seed=st.integers(0, 2**32 - 1),
    holes=st.integers(1, 5),
    fs=st.sampled_from([100, 128, 250, 333, 500]),
)
@QUICK
def test_holes_in_some_leads_leave_the_others_right(seed: int, holes: int, fs: int) -> None:
    """Any samples of up to five leads missing: those are NaN, lead II is as it was."""
    rng = np.random.default_rng(seed)
    signals = synthetic(fs)
    leads = rng.choice([at for at, lead in enumerate(LEADS) if lead != "II"], holes, replace=False)
    for lead in leads:
        start, stop = sorted(rng.integers(0, signals.shape[2], 2))
        signals[0, lead, start : stop + 1] = np.nan
    features = quiet_extract(signals, fs)
    for lead in leads:
        assert np.isnan(of_lead(features, LEADS[lead])).all()
    for name in ("R_Amp_II", "T_Amp_II"):
        assert value(features, name) == pytest.approx(value(PLAIN, name), rel=0.1)


@given(st.floats(-50, 50), st.floats(-0.02, 0.02))
@QUICK
def test_offset_and_drift_change_nothing(offset: float, per_second: float) -> None:
    drift = offset + per_second * np.arange(1000) / 100
    features = quiet_extract(synthetic(100) + drift.astype(np.float32))
    for name in ("R_Amp_II", "S_Amp_II", "T_Amp_V5", "QRS_Dur_Global", "PR_Int_Global"):
        assert value(features, name) == pytest.approx(value(PLAIN, name), rel=0.06, abs=0.01)
