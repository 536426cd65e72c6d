"""The C of the kit, called piece by piece, against numpy, scipy and our own Python.

Covers: nothing of ours alone: the files of heart_reader/edge/ckit/sources.
"""

import ctypes

import numpy as np
import pytest
from scipy.signal import resample_poly

from tests.edge.ckit.conftest import CALIBRATOR, at
from tests.edge.test_run import THRESHOLDS

OK, NOT_FINITE, FLAT = 0, 1, 2  # heart_reader.h


class Resampler(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int32) for name in ("up", "down", "half")] + [
        ("taps", ctypes.c_void_p)
    ]


class Factor(ctypes.Structure):
    _fields_ = [("mantissa", ctypes.c_int32), ("shift", ctypes.c_int32)]


NUMBERS = (
    *("n_in", "n_out", "width", "stride", "pad", "l_in", "l_out"),
    *("in_zero", "out_zero", "low", "high", "rounds_once"),
)
ARRAYS = ("weights", "bias", "mantissas", "shifts")


class Conv(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int32) for name in NUMBERS] + [
        (name, ctypes.c_void_p) for name in ARRAYS
    ]


@pytest.mark.parametrize("fs", [1000, 500, 360, 257, 250, 128, 100, 97, 50])
def test_resampling_is_scipys(lib, fs):
    """With an offset of 3 mV, which rings at the ends where the line isn't continued."""
    rng = np.random.default_rng(fs)
    lead = (3 + np.cumsum(rng.normal(0, 0.05, 2 * fs))).astype(np.float32)
    taps = np.empty(lib.hr_n_taps(fs), np.float32)
    by = Resampler()
    lib.hr_make_resampler(ctypes.byref(by), fs, at(taps))
    out = np.empty(lib.hr_n_resampled(ctypes.byref(by), len(lead)), np.float32)
    lib.hr_resample(ctypes.byref(by), len(lead), at(lead), at(out))
    divisor = np.gcd(100, fs)
    expected = resample_poly(
        lead.astype(np.float64), 100 // divisor, fs // divisor, padtype="line"
    )
    assert out.shape == expected.shape
    np.testing.assert_allclose(out, expected, atol=1e-5)


def test_quantising_is_numpys(lib):
    """Ties go away from 0, and codes end at -128 and 127."""
    values = np.concatenate([np.linspace(-9, 9, 4001), [0.125, -0.125, 1e9, -1e9]])
    values = values.astype(np.float32)
    out = np.empty(len(values), np.int8)
    lib.hr_quantise(ctypes.c_float(0.25), -7, len(values), at(values), at(out))
    scaled = values / np.float32(0.25)
    expected = np.clip(np.trunc(scaled + np.copysign(0.5, scaled)) - 7, -128, 127)
    np.testing.assert_array_equal(out, expected)
    back = np.empty(len(values), np.float32)
    lib.hr_dequantise(ctypes.c_float(0.25), -7, len(values), at(out), at(back))
    np.testing.assert_array_equal(back, (expected + 7) * 0.25)


def test_normalising_is_numpys(lib):
    rng = np.random.default_rng(0)
    signal = rng.normal(2, 0.5, (12, 1000)).astype(np.float32)
    scale, shift = (rng.uniform(0.5, 2, 12).astype(np.float32) for _ in range(2))
    out = np.empty((1000, 12), np.int8)
    code = ctypes.c_float(0.05)
    lib.hr_normalise(12, 1000, at(scale), at(shift), code, 3, at(signal), at(out))
    centred = signal - signal.mean(1, dtype=np.float64, keepdims=True)
    expected = (centred * scale[:, None] + shift[:, None]).T / 0.05 + 3
    assert np.abs(out - np.clip(expected, -128, 127)).max() < 0.501


@pytest.mark.parametrize(
    ("width", "stride", "pad", "l_in"), [(5, 1, 2, 9), (3, 2, 1, 8), (9, 1, 4, 3)]
)
def test_a_convolution_is_numpys_on_numbers_without_rounding(lib, width, stride, pad, l_in):
    """A factor of 1: the sums themselves, where they lie within codes."""
    rng = np.random.default_rng(width)
    n_in, n_out, zero = 5, 7, 3
    x = rng.integers(-6, 7, (l_in, n_in)).astype(np.int8)
    w = rng.integers(-1, 2, (n_out, width, n_in)).astype(np.int8)
    plain = rng.integers(-9, 9, n_out)
    l_out = (l_in + 2 * pad - width) // stride + 1
    padded = np.pad(x.astype(int) - zero, ((pad, pad), (0, 0)))
    windows = np.stack([padded[t * stride : t * stride + width] for t in range(l_out)])
    expected = np.clip(np.einsum("twc,owc->to", windows, w) + plain - 2, -128, 127)
    bias = (plain - zero * w.sum((1, 2), dtype=int)).astype(np.int32)
    mantissas, shifts = np.full(n_out, 1 << 30, np.int32), np.ones(n_out, np.int8)
    numbers = (n_in, n_out, width, stride, pad, l_in, l_out, zero, -2, -128, 127)
    for once in (0, 1):
        op = Conv(*numbers, once, at(w), at(bias), at(mantissas), at(shifts))
        out = np.empty((l_out, n_out), np.int8)
        lib.hr_conv(ctypes.byref(op), at(x), at(out))
        np.testing.assert_array_equal(out, expected)


class Pool(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_int32)
        for name in ("n_channels", "width", "stride", "pad", "l_in", "l_out", "low", "high")
    ]


@pytest.mark.parametrize(
    ("width", "stride", "pad", "l_out"), [(3, 1, 1, 7), (2, 2, 0, 4), (7, 1, 0, 1)]
)
def test_pools_leave_padding_out(lib, width, stride, pad, l_out):
    x = np.random.default_rng(width).integers(-128, 128, (7, 3)).astype(np.int8)
    op = Pool(3, width, stride, pad, 7, l_out, -100, 127)
    starts = [t * stride - pad for t in range(l_out)]
    windows = [x[max(start, 0) : start + width].astype(int) for start in starts]
    out = np.empty((l_out, 3), np.int8)
    lib.hr_max_pool(ctypes.byref(op), at(x), at(out))
    largest = np.array([each.max(0) for each in windows])
    np.testing.assert_array_equal(out, np.maximum(largest, -100))
    lib.hr_average_pool(ctypes.byref(op), at(x), at(out))
    means = np.array([each.mean(0) for each in windows])
    rounded = np.trunc(means + np.copysign(0.5, means))
    np.testing.assert_array_equal(out, np.maximum(rounded, -100))


def test_a_half_is_rounded_up_in_the_product_and_away_from_zero_in_the_shift(lib):
    """As gemmlowp's SaturatingRoundingDoublingHighMul and RoundingDivideByPOT do."""
    codes = np.arange(-128, 128, 2).astype(np.int8)
    out = np.empty(len(codes), np.int8)
    odd = codes + np.int8(1)
    lib.hr_recode(Factor(1 << 30, 0), 0, 0, len(codes), at(odd), at(out))  # times 0.5
    np.testing.assert_array_equal(out, np.floor(odd / 2 + 0.5))
    lib.hr_recode(Factor(1 << 30, -1), 0, 0, len(codes), at(codes), at(out))  # times 0.25
    quarters = codes / 4
    np.testing.assert_array_equal(out, np.trunc(quarters + np.copysign(0.5, quarters)))


def test_calibration_is_that_of_the_python_reader(lib):
    p = np.concatenate([np.linspace(0, 1, 401), [1e-9, 1 - 1e-9, 0.3, 0.6]]).astype(np.float32)
    expected = CALIBRATOR.apply(np.repeat(p[:, None], 5, axis=1))
    found = [[lib.hr_calibrated(k, ctypes.c_float(x)) for k in range(5)] for x in p.tolist()]
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)


def test_a_probability_at_its_threshold_is_present(lib):
    for k, threshold in enumerate(THRESHOLDS):
        above = np.nextafter(np.float32(threshold), np.float32(1))
        below = np.nextafter(np.float32(threshold), np.float32(0))
        at_it = np.float32(threshold)
        found = [lib.hr_present(k, ctypes.c_float(x)) for x in (below, at_it, above)]
        assert found == [0, int(float(at_it) >= threshold), 1]


def test_nothing_is_said_of_flat_lines_and_of_what_is_no_number(lib, raw):
    signal = raw[0][0].copy()
    answer = np.full(5, -1, np.float32)
    assert lib.hr_predict(at(signal), None, None, at(answer)) == OK
    assert ((answer > 0) & (answer < 1)).all()
    answer[:] = -1
    for spoilt, status in ((np.nan, NOT_FINITE), (np.inf, NOT_FINITE)):
        broken = signal.copy()
        broken[11, 999] = spoilt
        assert lib.hr_predict(at(broken), None, None, at(answer)) == status
    flat = signal.copy()
    flat[:7] = 1
    assert lib.hr_predict(at(flat), None, None, at(answer)) == FLAT
    flat[6] = signal[6]
    flat[:6] = 1
    heights = np.median(np.ptp(flat, axis=1))
    assert (lib.hr_predict(at(flat), None, None, at(answer)) == FLAT) == (heights < 0.05)
