"""Checks of signals that come from outside, before anything is computed on them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heart_reader.data.spec import SignalSpec
from heart_reader.errors import DataError

# The spread of an ECG is 0.05 to 1 mV on any lead; in microvolts it is 1000 times that.
LARGEST_STD_MV = 5.0


def require_signals(
    signals: NDArray[Any], spec: SignalSpec, names: Sequence[str] | None = None
) -> None:
    """Refuses what a model can't read.

    Args:
        signals: should be mV (n_records, n_leads, n_times).
        spec: of the model.
        names: of the records, for messages; ``None``: ``signal 0`` and so on.

    Raises:
        DataError: another shape, samples that aren't finite, or another unit.
    """
    if signals.ndim != 3 or signals.shape[1:] != spec.shape:
        raise DataError(
            f"signals must have the shape (n_records, {spec.n_leads}, {spec.n_times}) "
            f"({spec.n_leads} leads, {spec.seconds:g} s at {spec.fs} Hz), but have {signals.shape}"
        )
    finite = np.isfinite(signals).all(axis=2)
    if not finite.all():
        record, lead = np.argwhere(~finite)[0]
        raise DataError(
            f"{_named(names, record)}: lead {spec.leads[lead]} has samples that are NaN or "
            "infinite"
        )
    require_millivolts(signals.std(axis=2), finite, names)


def _named(names: Sequence[str] | None, record: int) -> str:
    return f"signal {record}" if names is None else names[record]


def require_millivolts(
    spread: NDArray[Any], present: NDArray[np.bool_], names: Sequence[str] | None = None
) -> None:
    """Refuses records that can't be in mV.

    Args:
        spread: standard deviation of each lead, (n_records, n_leads).
        present: which leads are there, (n_records, n_leads).
        names: of the records, for messages.

    Raises:
        DataError: more than half of a record's leads vary by more than any heart makes them.
    """
    n_present = np.maximum(present.sum(axis=1), 1)
    share = ((spread > LARGEST_STD_MV) & present).sum(axis=1) / n_present
    records = np.flatnonzero(share > 0.5)
    if records.size:
        raise DataError(
            f"{_named(names, records[0])} must be in mV, but has a standard deviation of "
            f"{np.median(spread[records[0]]):.0f}, which no heart gives: "
            + (
                "divide microvolts by 1000, or raw ADC counts by the gain in the header"
                if names is None
                else "its unit or gain must be wrong"
            )
        )
