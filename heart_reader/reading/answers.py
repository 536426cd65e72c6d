"""One answer for each record, of all its windows."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heart_reader.data.delineation import Delineation, MainMeasurements, main_measurements
from heart_reader.data.quality import DOUBTFUL, GOOD, UNUSABLE, Quality

AXIS = "qrs_axis_degrees"  # goes in a circle: -179 and 179 degrees are neighbours


@dataclass(frozen=True)
class Answer:
    """What is said of a record, before it is words.

    Attributes:
        used: rows of the windows that it is made from; all of them where none is usable.
        first: row of the record's first window.
        unusable: why the other windows are of no use, by their number within the record.
        quality: of the record.
        measured: the middle of the windows' measurements.
        warnings: of the delineation.
    """

    used: tuple[int, ...]
    first: int
    unusable: Mapping[int, str]
    quality: Quality
    measured: MainMeasurements
    warnings: tuple[str, ...]

    @property
    def shown(self) -> int:
        """The window that is drawn and explained."""
        return self.used[0]

    @property
    def within(self) -> tuple[int, ...]:
        """The windows that it is made from, by their number within the record."""
        return tuple(row - self.first for row in self.used)

    def mean(self, values: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
        """Of rows of windows (n_windows, ...), the mean of those that count."""
        if len(self.used) == 1:
            return np.asarray(values[self.used[0]])
        return np.asarray(values[list(self.used)].mean(axis=0))


def answers_of(
    rows: Sequence[range], measured: Delineation, quality: Sequence[Quality]
) -> list[Answer]:
    """An answer for each record.

    Args:
        rows: the windows of each record, one behind the other.
        measured: of all windows.
        quality: of all windows.
    """
    printed = main_measurements(measured)
    found = []
    for windows in rows:
        usable = tuple(row for row in windows if quality[row].usable)
        used = usable or tuple(windows)
        found.append(
            Answer(
                used,
                windows.start,
                {
                    row - windows.start: "; ".join(quality[row].reasons)
                    for row in windows
                    if row not in used
                },
                _quality([quality[row] for row in windows]),
                _middle([printed[row] for row in used]),
                _counted([measured.warnings[row] for row in used]),
            )
        )
    return found


def _quality(windows: Sequence[Quality]) -> Quality:
    """Of a record: that of its usable windows, unusable where it has none."""
    if len(windows) == 1:
        return windows[0]
    used = [each for each in windows if each.usable] or list(windows)
    doubts = [each for each in used if each.verdict != GOOD]
    verdict = GOOD if not doubts else DOUBTFUL if used[0].usable else UNUSABLE
    leads = {lead: what for each in used for lead, what in each.leads.items()}
    sizes = [each.qrs_mv for each in used if not math.isnan(each.qrs_mv)]
    size = float(np.median(sizes)) if sizes else math.nan
    return Quality(verdict, _counted([each.reasons for each in used]), leads, size)


def _counted(windows: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Each sentence once, with how many windows it is said of where that isn't all."""
    n_said: dict[str, int] = {}
    for sentences in windows:
        for sentence in dict.fromkeys(sentences):
            n_said[sentence] = n_said.get(sentence, 0) + 1
    n = len(windows)
    return tuple(
        sentence if count == n else f"{sentence} (in {count} of {n} windows)"
        for sentence, count in n_said.items()
    )


def _middle(windows: Sequence[MainMeasurements]) -> MainMeasurements:
    """The median of what the windows measure, of the axis the mean direction."""
    if len(windows) == 1:
        return windows[0]
    columns = {name: [getattr(each, name) for each in windows] for name in vars(windows[0])}
    middle = {name: _median(values) for name, values in columns.items()}
    middle[AXIS] = _direction(columns[AXIS])
    return MainMeasurements(**middle)


def _median(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return float(np.median(known)) if known else math.nan


def _direction(degrees: Sequence[float]) -> float:
    known = np.radians([value for value in degrees if not math.isnan(value)])
    if not len(known):
        return math.nan
    return float(np.degrees(np.arctan2(np.sin(known).sum(), np.cos(known).sum())))
