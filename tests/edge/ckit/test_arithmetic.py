"""Constants of fixed-point arithmetic, against exact fractions and TensorFlow Lite's own file."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heart_reader.edge.ckit.arithmetic import code_range, factor_of, mean_factor, sigmoid_table
from heart_reader.edge.ckit.graph import Tensor
from heart_reader.errors import ModelError


def codes(scale: float, zero: int) -> Tensor:
    return Tensor(0, (4,), "int8", np.array([scale], np.float32), zero, None)


@given(st.floats(1e-8, 1e6))
def test_a_factor_is_the_nearest_of_31_bits(real):
    found = factor_of(real)
    assert 2**30 <= found.mantissa < 2**31
    exact = Fraction(real)
    made = Fraction(found.mantissa) * Fraction(2) ** (found.shift - 31)
    assert abs(made - exact) <= Fraction(2) ** (found.shift - 32)


def test_factors_of_nothing_and_of_almost_nothing():
    assert factor_of(2.0**-40).mantissa == 0
    assert (factor_of(1 - 2.0**-40).mantissa, factor_of(1 - 2.0**-40).shift) == (2**30, 1)
    for wrong in (0.0, -1.0, float("nan")):
        with pytest.raises(ModelError, match="must be above 0"):
            factor_of(wrong)


@pytest.mark.parametrize("n", [1, 3, 250, 1000, 1001])
def test_a_mean_divides_within_a_millionth(n):
    found = mean_factor(codes(0.02, 3), codes(0.013, -5), n)
    value = found.mantissa * 2.0 ** (found.shift - 31)
    assert value == pytest.approx(np.float32(0.02) / np.float32(0.013) / n, rel=2e-6)
    assert found.mantissa < 2**31


def test_activations_end_at_their_codes():
    assert code_range(0, codes(0.1, 5)) == (-128, 127)
    assert code_range(1, codes(0.1, 5)) == (5, 127)
    assert code_range(3, codes(0.1, 5)) == (5, 65)  # 6 / 0.1
    with pytest.raises(ModelError, match="activation 4 is none"):
        code_range(4, codes(0.1, 5))


def test_the_table_of_a_sigmoid_is_numpys():
    x, out = codes(0.05, 10), codes(1 / 256, -128)
    values = (np.arange(-128, 128) - 10) * 0.05
    expected = 256 / (1 + np.exp(-values)) - 128
    assert np.abs(sigmoid_table(x, out) - np.clip(expected, -128, 127)).max() < 0.5001
