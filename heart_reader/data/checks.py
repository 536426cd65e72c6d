"""Checks of signals that come from outside, before anything is computed on them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from heart_reader.data.ptbxl import LEADS, N_TIMES
from heart_reader.errors import DataError

# The largest sample in PTB-XL is 32 mV; microvolts give hundreds to thousands.
LARGEST_MEDIAN_PEAK = 50.0  # mV


def require_signals(signals: NDArray[Any]) -> None:
    """Refuses what no model here can read.

    Args:
        signals: should be mV (n_records, 12, 1000).

    Raises:
        DataError: another shape, samples that aren't finite, or another unit.
    """
    if signals.ndim != 3 or signals.shape[1:] != (len(LEADS), N_TIMES):
        raise DataError(
            f"signals must have the shape (n_records, {len(LEADS)}, {N_TIMES}) "
            f"(12 leads, 10 s at 100 Hz), but have {signals.shape}"
        )
    finite = np.isfinite(signals).all(axis=2)
    if not finite.all():
        record, lead = np.argwhere(~finite)[0]
        raise DataError(
            f"signal {record}: lead {LEADS[lead]} has samples that are NaN or infinite"
        )
    require_millivolts(signals)


def require_millivolts(signals: NDArray[Any]) -> None:
    """Refuses signals that can't be in mV; ``signals``: (n_records, n_leads, n_times)."""
    with np.errstate(invalid="ignore"):
        peaks = np.nanmax(np.abs(signals), axis=2, initial=0.0, where=np.isfinite(signals))
    medians = np.median(peaks, axis=1)  # (n_records,)
    if (medians > LARGEST_MEDIAN_PEAK).any():
        record = int(np.argmax(medians))
        raise DataError(
            f"signal {record}: half of its leads exceed {medians[record]:.0f} mV, which no heart "
            "gives; the unit must be mV (divide microvolts by 1000)"
        )
