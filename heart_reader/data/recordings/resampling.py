"""Resampling as ``scipy.signal.resample_poly`` does it, three times as fast: by matrix products.

The filter is scipy's: a low pass of 10 periods of the slower rate either side, Kaiser window with
beta 5. A block of outputs depends on a stretch of inputs in the same way wherever it lies, so that
one product of matrices makes all blocks of all leads.
"""

from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray
from scipy.signal import firwin, resample_poly

BLOCK = 16  # outputs of a product, or more
LARGEST = 200_000  # numbers in a matrix; rates such as 997 Hz to 1 kHz go through scipy
PERIODS = 10  # of the slower rate, half of the filter's length

Floats = NDArray[np.float64]


def resampled(signal: NDArray[Any], fs: float, to: float) -> Floats:
    """Signals (n_rows, n_times) of ``fs`` Hz at ``to`` Hz.

    Beyond its ends a signal goes on along the line through its first and last sample: zeros would
    make a lead with an offset ring.
    """
    up, down = _ratio(fs, to)
    if signal.shape[1] < 2 or _size(up, down) > LARGEST:
        taps = _low_pass(max(up, down))
        return np.asarray(resample_poly(signal, up, down, axis=1, padtype="line", window=taps))
    return _by_blocks(np.asarray(signal, np.float64), up, down)


def n_resampled(n_times: int, fs: float, to: float) -> int:
    """How many samples `resampled` makes of so many."""
    up, down = _ratio(fs, to)
    return -(-n_times * up // down)


def _ratio(fs: float, to: float) -> tuple[int, int]:
    ratio = Fraction(to / fs).limit_denominator(1000)
    return ratio.numerator, ratio.denominator


def _by_blocks(signal: Floats, up: int, down: int) -> Floats:
    reach, n_in, matrix = _matrix(up, down)
    n_rows, n_times = signal.shape
    n_out = -(-n_times * up // down)
    n_blocks = -(-n_out // matrix.shape[1])
    whole = np.empty((n_rows, n_blocks * n_in + 2 * reach))
    inner, behind = slice(reach, reach + n_times), whole.shape[1] - reach - n_times
    whole[:, inner] = signal
    first, last = signal[:, :1], signal[:, -1:]
    slope = (last - first) / (n_times - 1)
    whole[:, :reach] = first + slope * np.arange(-reach, 0)
    whole[:, inner.stop :] = last + slope * np.arange(1, behind + 1)
    row, step = whole.strides
    shape = (n_rows, n_blocks, len(matrix))
    blocks = as_strided(whole, shape, (row, n_in * step, step), writeable=False)
    made: Floats = np.matmul(blocks, matrix).reshape(n_rows, -1)
    return made[:, :n_out]


def _shape(up: int, down: int) -> tuple[int, int]:
    """Inputs that the filter reaches either side, and how often ``up`` outputs make a block."""
    return -(-PERIODS * max(up, down) // up), -(-BLOCK // up)


def _size(up: int, down: int) -> int:
    reach, times = _shape(up, down)
    return (down * times + 2 * reach) * up * times


@lru_cache(maxsize=16)
def _matrix(up: int, down: int) -> tuple[int, int, Floats]:
    """How far the filter reaches, inputs of a block, and what makes its outputs of them.

    Output j is the sum of ``taps[half + j * down - i * up]`` times input i.
    """
    reach, times = _shape(up, down)
    n_in = down * times
    taps, half = _low_pass(max(up, down)) * up, PERIODS * max(up, down)
    inputs, outputs = np.arange(-reach, n_in + reach)[:, None], np.arange(up * times)
    place = half + outputs * down - inputs * up
    there = (place >= 0) & (place < len(taps))
    return reach, n_in, np.where(there, taps[place.clip(0, len(taps) - 1)], 0.0)


@lru_cache(maxsize=16)
def _low_pass(rate: int) -> Floats:
    """The filter that resample_poly would design anew for every recording."""
    return np.asarray(firwin(2 * PERIODS * rate + 1, 1.0 / rate, window=("kaiser", 5.0)))
