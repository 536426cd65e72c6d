import numpy as np
import pytest

from heart_reader.data.checks import LARGEST_STD_MV, require_millivolts, require_signals
from heart_reader.data.spec import default_spec
from heart_reader.errors import DataError


@pytest.fixture
def signals() -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.3, (3, 12, 1000))


def test_an_ecg_in_millivolts_passes_in_any_float_and_one_beyond_any_heart_does_not(signals):
    loudest = LARGEST_STD_MV / signals.std(axis=2).max()
    for dtype in (np.float32, np.float64):
        require_signals((0.99 * loudest * signals).astype(dtype), default_spec())
        with pytest.raises(DataError, match="must be in mV"):
            require_signals((1.1 * loudest * signals).astype(dtype), default_spec())


@pytest.mark.parametrize("shape", [(12, 1000), (3, 1000, 12), (3, 12, 999), (3, 8, 1000)])
def test_other_shapes(shape):
    with pytest.raises(DataError, match=r"must have the shape \(n_records, 12, 1000\)") as raised:
        require_signals(np.zeros(shape), default_spec())
    assert str(raised.value).endswith(f"but have {shape}")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_sample_that_is_not_finite_is_located(signals, value):
    signals[2, 3, 10] = value
    with pytest.raises(DataError, match=r"^signal 2: lead aVR has samples that are NaN or inf"):
        require_signals(signals, default_spec())


def test_microvolts_are_noticed_with_the_remedy(signals):
    signals[1] *= 1000
    with pytest.raises(DataError, match=r"^signal 1 must be in mV.*divide microvolts by 1000"):
        require_signals(signals, default_spec())


def test_a_single_lead_with_an_artefact_is_no_unit(signals):
    signals[0, :5, 7] = 400.0  # five electrodes off for a sample
    require_signals(signals, default_spec())
    signals[0, :7] *= 100  # seven of twelve leads
    with pytest.raises(DataError, match="signal 0 must be in mV"):
        require_signals(signals, default_spec())


def test_leads_that_are_not_there_are_no_unit():
    spread = np.full((1, 12), 0.3)
    spread[0, :7] = 300.0
    present = np.ones((1, 12), bool)
    present[0, :7] = False
    require_millivolts(spread, present)
    with pytest.raises(DataError, match="signal 0 must be in mV"):
        require_millivolts(spread, np.ones((1, 12), bool))
