"""What few records can decide, against what is known of a mean's interval."""

import numpy as np
import pytest
from scipy.special import expit

from heart_reader.evaluation.bootstrap import Difference, compare, draw
from heart_reader.evaluation.paired.decision import half_width, is_lost, records_needed


def difference(value: float, low: float, high: float) -> Difference:
    return Difference(value, (low, high), (low, high), 0.5)


@pytest.mark.parametrize(
    ("value", "low", "high", "lost"),
    [
        (-0.005, -0.006, -0.004, False),  # all that is allowed
        (-0.0051, -0.006, -0.004, True),
        (-0.0055, -0.012, 0.001, False),  # the demo's 79 records
        (-0.02, -0.04, 0.0, False),
        (-0.02, -0.04, -1e-9, True),
        (float("nan"), float("nan"), float("nan"), True),  # nothing can be said for it
    ],
)
def test_a_loss_counts_where_it_is_too_large_and_no_chance(value, low, high, lost):
    assert is_lost(difference(value, low, high), 0.005) is lost


def test_the_number_of_records_is_that_at_which_the_interval_is_as_narrow_as_the_distance():
    """With `needed` records the half-width is the distance: it shrinks with the root of n."""
    found = difference(-0.012, -0.033, 0.009)
    needed = records_needed(found, 0.005, 79)
    assert half_width(found) * np.sqrt(79 / needed) == pytest.approx(0.007, rel=0.05)
    assert needed == 720  # 711, to two digits and up
    assert records_needed(difference(-0.02, -0.022, -0.018), 0.005, 79) == 79


def test_the_interval_of_real_resamples_narrows_so():
    rng = np.random.default_rng(0)
    widths = {}
    for n in (200, 3200):
        y = (rng.random((n, 3)) < 0.4).astype(np.uint8)
        a = y + rng.normal(0, 1, y.shape)
        b = a + rng.normal(0, 0.3, y.shape)
        found = compare(y, expit(a), expit(b), draw(y, 400, np.random.default_rng(1))).macro
        widths[n] = half_width(found)
    assert widths[200] / widths[3200] == pytest.approx(4, rel=0.35)
