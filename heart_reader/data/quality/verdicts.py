"""Good, doubtful or unusable, and why in words.

Every limit was fixed on folds 1 to 8 of PTB-XL (17,418 records); how many of them a rule meets
stands beside it. `benchmarks/quality.py` counts again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heart_reader.data.quality.measures import USUAL_QRS_MV, Bools, Floats, Measures, measure
from heart_reader.errors import DataError

GOOD, DOUBTFUL, UNUSABLE = "good", "doubtful", "unusable"
VERDICTS = (GOOD, DOUBTFUL, UNUSABLE)

FLAT_MV, STILL_SECONDS = 0.05, 1.0  # 3 records; no other lead spans less than 0.17 mV
AT_RAIL = 0.02  # 30 records
SAME_MV, SAME_CORRELATION = 0.006, 0.99999  # none: the nearest differ by 0.009 mV, or by 3e-5
TONE = 0.9  # none: the purest lead has 0.87
MAINS_HZ = (50.0, 60.0)
MAINS_TOLERANCE_HZ = 1.5
# A lead that shows none of the beats that the others show, and what it shows instead.
UNLIKE, FAST_MV = 0.5, 0.03  # 4 records
MORE_UNLIKE, WIDE_MV = 0.4, 1.0  # 22 records
LOUD_MV = 0.15  # above 35 Hz, whatever the beats: 4 records
RECORD_ALIKE = 0.7  # below, beats differ among themselves, and a lead can't be told by them
LARGEST_LEAD_MV = 8.0  # QRS of one lead: 7 records

# No QRS: nothing rises above the rest, or little does and each time it looks different. None.
NOTHING_RISES = 1.6
LITTLE_RISES, BEATS_DIFFER = 4.0, 0.7
SECONDS_FOR_TWO_BEATS = 4.0
LEAST_SHARE_OF_LEADS = 0.5

# mV, geometric mean over leads of the QRS's size.
SIZES = (0.36, 2.4)  # outside: doubtful, 36 records
LIMITS = (0.15, 3.0)  # outside: unusable, 3 records
# The median of a data set moves less than a record's size.
DATA_SET_FACTOR = 2.0
# Usual mistakes: factor on the size, and what it comes from.
MISTAKES = (
    (1e-3, "are the values volts, not mV?"),
    (0.2, "is the gain 1000 where 200 is right?"),
    (5.0, "is the gain 200 where 1000 is right?"),
    (1e3, "are the values µV, not mV?"),
)


@dataclass(frozen=True)
class Quality:
    """What is to be thought of a record.

    Attributes:
        verdict: one of ``VERDICTS``.
        reasons: sentences; none where the record is good.
        leads: what is wrong with a lead, by its name; only leads that something is wrong with.
        qrs_mv: the QRS's size over the leads that can be read, mV; NaN without a QRS.
    """

    verdict: str
    reasons: tuple[str, ...]
    leads: Mapping[str, str]
    qrs_mv: float

    @property
    def usable(self) -> bool:
        """Whether labels may be given."""
        return self.verdict != UNUSABLE


def assess(signals: NDArray[np.floating], fs: float, leads: Sequence[str]) -> list[Quality]:
    """The quality of each record.

    Args:
        signals: mV (n_records, n_leads, n_times).
        fs: Hz.
        leads: their names, in order.

    Raises:
        DataError: another shape, too short, or sampled too slowly.
    """
    if signals.ndim != 3 or signals.shape[1] != len(leads):
        raise DataError(
            f"signals must be (n_records, {len(leads)} leads, n_times), not {signals.shape}"
        )
    measured = measure(signals, fs)
    verdicts = lead_verdicts(measured, fs)
    no_qrs = without_qrs(measured)
    found = []
    for record in range(len(signals)):
        bad = {what: mask[record] for what, mask in verdicts.items()}
        found.append(_quality(record, measured, bad, bool(no_qrs[record]), leads))
    return found


def assess_leads_there(
    signals: NDArray[np.floating], fs: float, leads: Sequence[str]
) -> list[Quality]:
    """As `assess`, each record by those of its leads that aren't 0 throughout: a model of several
    sets of leads reads those as not there. A record without any is judged as it is."""
    found = []
    for signal in signals:
        there = np.flatnonzero((signal != 0).any(axis=1))
        rows = there if there.size else np.arange(len(leads))
        found += assess(signal[None, rows], fs, [leads[row] for row in rows.tolist()])
    return found


def without_labels(present: NDArray[np.bool_], quality: Sequence[Quality]) -> NDArray[np.bool_]:
    """Labels (n_records, n_classes), with none left where a record is unusable."""
    usable = np.array([each.usable for each in quality], bool)
    return np.asarray(present & usable[:, None])


def scale_note(sizes: NDArray[np.floating[Any]], usual: float = USUAL_QRS_MV) -> str | None:
    """A sentence where a whole data set's amplitudes are far from PTB-XL's, else nothing.

    Args:
        sizes: ``qrs_mv`` of its records, NaN where a record has none.
        usual: what its median should be near to.
    """
    known = np.asarray(sizes)[np.isfinite(sizes)]
    if not known.size:
        return None
    factor = float(np.median(known)) / usual
    if 1 / DATA_SET_FACTOR < factor < DATA_SET_FACTOR:
        return None
    return (
        f"the median QRS of these records is {factor * usual:.3g} mV, {factor:.3g} times "
        f"PTB-XL's{_mistake(factor)}"
    )


# ---------------------------------------------------------------- leads


def lead_verdicts(it: Measures, fs: float) -> dict[str, Bools]:
    """What is wrong with which leads: (n_records, n_leads) each, at most one for a lead."""
    flat = (it.span < FLAT_MV) | (it.still >= STILL_SECONDS)
    told = (it.beats_alike > RECORD_ALIKE)[:, None]
    unlike = it.lead_beats_alike < UNLIKE
    far_unlike = it.lead_beats_alike < MORE_UNLIKE
    empty = told & ((unlike & (it.fast > FAST_MV)) | (far_unlike & (it.span > WIDE_MV)))
    tone = it.tone > TONE
    masks = {
        "missing or infinite samples": it.missing,
        "flat": flat,
        "mains hum alone": tone & _is_mains(it.tone_hz, fs),
        "noise alone": tone | empty | (it.fast > LOUD_MV),
        "saturated": it.at_rail > AT_RAIL,
        "QRS beyond physiology": it.qrs > LARGEST_LEAD_MV,
        "repeats another lead": _repeats(it),
    }
    taken = np.zeros_like(flat)
    for what, mask in masks.items():
        masks[what] = mask & ~taken
        taken = taken | mask
    return masks


def _is_mains(hz: Floats, fs: float) -> Bools:
    """Whether a tone is that of the mains, which a slow sampling rate folds back."""
    folded = [abs(mains - fs * round(mains / fs)) for mains in MAINS_HZ]
    near = [np.abs(hz - each) <= MAINS_TOLERANCE_HZ for each in folded]
    return np.asarray(near[0] | near[1])


def _repeats(it: Measures) -> Bools:
    same = (it.difference <= SAME_MV) | (it.alike > SAME_CORRELATION)
    return np.asarray(np.tril(same, -1).any(axis=2))  # of an earlier one


def without_qrs(it: Measures) -> Bools:
    """(n,): records in which nothing looks like a heartbeat that comes again."""
    differ = (it.peakedness < LITTLE_RISES) & (it.beats_alike < BEATS_DIFFER)
    alone = (it.n_beats < 2) & (it.seconds >= SECONDS_FOR_TWO_BEATS)
    return np.asarray((it.peakedness < NOTHING_RISES) | differ | alone)


# ---------------------------------------------------------------- a record


def _quality(
    record: int, it: Measures, bad: Mapping[str, Bools], no_qrs: bool, names: Sequence[str]
) -> Quality:
    leads = {names[int(k)]: what for what, mask in bad.items() for k in np.flatnonzero(mask)}
    n_read = len(names) - len(leads)
    # Where no lead can be read, since all are tiny or huge, the size of all says why.
    read = np.array([name not in leads or n_read == 0 for name in names])
    size = float("nan") if no_qrs else _size(it.qrs[record][read])
    reasons = [
        f"{what}: {'all leads' if mask.all() else ', '.join(np.array(names)[mask])}"
        for what, mask in bad.items()
        if mask.any()
    ]
    fatal = []
    if n_read < LEAST_SHARE_OF_LEADS * len(names):
        fatal.append(f"only {n_read} of {len(names)} leads can be read")
    if no_qrs:
        fatal.append("no QRS found")
    if _outside(size, SIZES):
        (fatal if _outside(size, LIMITS) else reasons).append(_size_reason(size))
    reasons = fatal + reasons
    verdict = UNUSABLE if fatal else DOUBTFUL if reasons else GOOD
    return Quality(verdict, tuple(reasons), leads, size)


def _size(qrs: Floats) -> float:
    """Geometric mean over leads; NaN where there is none."""
    known = qrs[np.isfinite(qrs) & (qrs > 0)]
    return float(np.exp(np.log(known).mean())) if known.size else float("nan")


def _outside(size: float, limits: tuple[float, float]) -> bool:
    return size < limits[0] or size > limits[1]  # NaN isn't


def _size_reason(size: float) -> str:
    factor = size / USUAL_QRS_MV
    return f"QRS of {size:.2g} mV, {factor:.2g} times a usual one{_mistake(factor)}"


def _mistake(factor: float) -> str:
    """The usual mistake that comes nearest, within a factor of 2.5."""
    distance = [abs(np.log(factor / each)) for each, _ in MISTAKES]
    nearest = int(np.argmin(distance))
    return f": {MISTAKES[nearest][1]}" if distance[nearest] < np.log(2.5) else ""
