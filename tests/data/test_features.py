"""The encoder against scipy and numpy, PTB-XL+ tables, and folds that may not be fitted on."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from heart_reader.data import delineation
from heart_reader.data.features import (
    DEMOGRAPHICS,
    FeatureTable,
    fit_encoder,
    require_training_folds,
    with_demographics,
)
from heart_reader.data.ptbxl import TRAIN_FOLDS
from heart_reader.errors import DataError

NAMES = ("a", "b", "c", *DEMOGRAPHICS)


@pytest.fixture
def table() -> FeatureTable:
    rng = np.random.default_rng(4)
    values = rng.lognormal(0, 1.5, (400, 5)).astype(np.float32)
    values[rng.random(values.shape) < 0.1] = np.nan
    values[7] = np.nan
    values[3, 1] = np.inf
    return FeatureTable("compute", NAMES, values)


def test_statistics_against_scipy(table):
    finite = replace(table, values=np.where(np.isinf(table.values), np.nan, table.values))
    encoder = fit_encoder(finite, np.arange(300), TRAIN_FOLDS)
    for k in range(5):
        known = finite.values[:300, k].astype(np.float64)
        known = known[~np.isnan(known)]
        assert encoder.median[k] == pytest.approx(np.median(known), rel=1e-6)
        low, high = stats.mstats.mquantiles(known, [0.005, 0.995], alphap=1, betap=1)
        assert (encoder.low[k], encoder.high[k]) == pytest.approx((low, high), rel=1e-5)
        winsorised = np.clip(known, low, high)
        assert encoder.scale[k] == pytest.approx(stats.tstd(winsorised, ddof=0), rel=1e-4)


def test_encoding_by_hand(table):
    encoder = fit_encoder(table, np.arange(300), TRAIN_FOLDS)
    encoded, present = encoder.encode(table.values)
    assert encoded.dtype == np.float32 and encoded.shape == (400, encoder.n_encoded) == (400, 10)
    for row, k in ((0, 0), (11, 2), (399, 4), (7, 3), (3, 1)):
        value = table.values[row, k]
        missing = not np.isfinite(value)
        value = encoder.median[k] if missing else min(max(value, encoder.low[k]), encoder.high[k])
        expected = (value - encoder.median[k]) / encoder.scale[k]
        assert encoded[row, k] == pytest.approx(expected, abs=1e-6)
        assert encoded[row, 5 + k] == missing
    assert np.isfinite(encoded).all()
    assert not present[7] and present[[0, 11, 3]].all()


def test_age_and_sex_alone_are_no_measurement(table):
    encoder = fit_encoder(table, np.arange(300), TRAIN_FOLDS)
    only_known = np.array([[np.nan, np.nan, np.nan, 60.0, 1.0]], np.float32)
    assert not encoder.encode(only_known)[1][0]
    one_value = np.array([[np.nan, 0.5, np.nan, np.nan, np.nan]], np.float32)
    assert encoder.encode(one_value)[1][0]


def test_columns_without_a_value_or_without_a_spread_stay_finite(table):
    values = table.values.copy()
    values[:, 0], values[:, 1] = np.nan, 5.0
    encoder = fit_encoder(replace(table, values=values), np.arange(300), TRAIN_FOLDS)
    encoded, _ = encoder.encode(values)
    assert np.isfinite(encoded).all()
    assert (encoded[:, :2] == 0).all()


@pytest.mark.parametrize("fold", [9, 10])
def test_folds_that_validate_or_test_are_refused(table, fold):
    with pytest.raises(DataError, match=rf"folds 1 to 8 alone, but was given fold \[{fold}\]"):
        fit_encoder(table, np.arange(300), (*TRAIN_FOLDS, fold))
    require_training_folds(TRAIN_FOLDS, "encoder")
    require_training_folds((3,), "encoder")


@pytest.mark.parametrize("shape", [(3, 4), (3, 6), (5,)])
def test_another_number_of_features_is_refused(table, shape):
    encoder = fit_encoder(table, np.arange(300), TRAIN_FOLDS)
    with pytest.raises(DataError, match=r"must have the shape \(n_records, 5\), but have"):
        encoder.encode(np.zeros(shape, np.float32))


def test_demographics_stand_last():
    measured = np.zeros((2, len(delineation.FEATURE_NAMES)), np.float32)
    table = with_demographics("compute", measured, [63.0, np.nan], [1, 0])
    assert table.names[-2:] == ("age", "sex")
    np.testing.assert_array_equal(table.values[:, -2:], [[63, 1], [np.nan, 0]])
