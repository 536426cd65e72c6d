"""Stretches without a value: where they are, and a bridge over the short ones."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

LONGEST_BRIDGE = 0.2  # s; a QRS is half as long


def gaps_of(values: NDArray[np.floating[Any]]) -> list[tuple[int, int]]:
    """First and one past the last sample of each stretch that isn't finite, of (n_times,)."""
    return runs_of(~np.isfinite(values))


def runs_of(true: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and one past the last of each run of True, of (n,).

    >>> runs_of(np.array([True, False, True, True]))
    [(0, 1), (2, 4)]
    """
    edges = _edges(true).tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))


def longest_run(true: NDArray[np.bool_]) -> int:
    """Samples of the longest run of True, of (n,)."""
    edges = _edges(true)
    return int((edges[1::2] - edges[::2]).max(initial=0))


def _edges(true: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Where runs of True begin and end, in turn."""
    padded = np.zeros(len(true) + 2, np.bool_)
    padded[1:-1] = true
    return np.flatnonzero(padded[1:] != padded[:-1])


def bridged(values: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """A straight line through every gap, the nearest value at the ends; all NaN stay NaN."""
    there = np.isfinite(values)
    if there.all() or not there.any():
        return values
    times = np.arange(len(values))
    return np.asarray(np.interp(times, times[there], values[there]))


def longest(gaps: list[tuple[int, int]]) -> int:
    """Samples of the longest gap."""
    return max((stop - start for start, stop in gaps), default=0)


def describe(leads: Sequence[str], gap: tuple[int, int], fs: float) -> str:
    """``lead V1 has no value from 2.00 to 2.20 s``, or several leads."""
    who = f"lead {leads[0]} has" if len(leads) == 1 else f"leads {', '.join(leads)} have"
    return f"{who} no value from {gap[0] / fs:.2f} to {gap[1] / fs:.2f} s"
