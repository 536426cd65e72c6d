"""What a paired difference on few records can decide, and how many records a decision needs."""

import math

from heart_reader.evaluation.bootstrap import Difference

NEAREST = 1e-4  # of macro AUC: what is nearer to a limit is as good as on it


def half_width(difference: Difference) -> float:
    """Of the 95% interval."""
    low, high = difference.interval_95
    return (high - low) / 2


def is_lost(difference: Difference, allowed: float) -> bool:
    """Whether more than ``allowed`` is lost, and the draw of the records alone doesn't explain it.

    >>> is_lost(Difference(-0.0055, (-0.01, 0.0), (-0.012, 0.001), 0.1), 0.005)
    False
    >>> is_lost(Difference(-0.0055, (-0.007, -0.004), (-0.008, -0.003), 0.0), 0.005)
    True
    """
    return not difference.value >= -allowed and not difference.interval_95[1] >= 0


def records_needed(difference: Difference, allowed: float, n_records: int) -> int:
    """How many records would tell on which side of ``-allowed`` the difference lies.

    Its interval narrows with the root of their number, until it is no wider than the distance.
    To two digits: more isn't known.

    >>> records_needed(Difference(-0.01, (-0.03, 0.01), (-0.03, 0.01), 0.2), 0.005, 100)
    1600
    """
    distance = max(abs(difference.value + allowed), NEAREST)
    exact = n_records * (half_width(difference) / distance) ** 2
    if exact <= n_records:
        return n_records
    digits = max(math.floor(math.log10(exact)) - 1, 0)
    return int(math.ceil(exact / 10**digits) * 10**digits)
