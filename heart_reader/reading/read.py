"""Files of ECGs as a model reads them, each by itself: windows, or why it is refused."""

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from heart_reader.data.formats import read_recording
from heart_reader.data.formats.limits import LONGEST_WORK, TooMuchError, time_limit
from heart_reader.data.formats.person import checked_age, sex_of_word
from heart_reader.data.lead_sets import LeadSet
from heart_reader.data.recordings.fewer_leads import with_fewer_leads
from heart_reader.data.recordings.model_input import MissingLeadsError, seconds_wanted
from heart_reader.data.recordings.recording import Recording
from heart_reader.data.recordings.windows import LONGEST_READ, Windows, windows_of
from heart_reader.data.spec import SignalSpec
from heart_reader.errors import DataError
from heart_reader.reading.models.other_models import who_would


@dataclass(frozen=True, eq=False)
class Record:
    """A recording as a model reads it.

    Attributes:
        name: as the user gave it.
        windows: float32 mV (n_windows, n_leads, n_times), where each starts, what was left out.
        age, sex: years; 0 male, 1 female; NaN where unknown; those of the options first.
        found: what the file gave, without its samples.
        notes: on the file, and on what was done to it.
    """

    name: str
    windows: Windows
    age: float
    sex: float
    found: Recording
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Refused:
    """A file that couldn't be read, and why in one line."""

    name: str
    reason: str


def read_files(
    names: Sequence[str],
    options: argparse.Namespace,
    spec: SignalSpec,
    sets: Sequence[LeadSet] = (),
) -> list[Record | Refused]:
    """Each file as a model of that spec reads it, or why it can't be read.

    Args:
        names: of the files.
        options: what is said of them.
        spec: of the model.
        sets: of leads, any of which are enough for it.

    Raises:
        DataError: an option that isn't legal.
    """
    age, sex = checked_person(options)
    return [_read_or_refuse(path, options, spec, age, sex, sets) for path in names]


def checked_person(options: argparse.Namespace) -> tuple[float | None, float | None]:
    """Age and sex of the options, ``None`` where they don't say it.

    Raises:
        DataError: an age or a sex that nobody has.
    """
    age = None if options.age is None else checked_age(options.age)
    sex = None if options.sex is None else sex_of_word(options.sex)
    if sex is not None and math.isnan(sex):
        raise DataError(f"sex must be m or f, but is {options.sex!r}")
    return age, sex


def record_of(
    found: Recording,
    spec: SignalSpec,
    age: float | None,
    sex: float | None,
    sets: Sequence[LeadSet] = (),
) -> Record:
    """A recording as a model of that spec reads it; age and sex that are given count first.

    Any of the sets of leads is enough.

    Raises:
        DataError: as of `windows_of`.
    """
    windows = with_fewer_leads(found, spec, sets) or windows_of(found, spec)
    return Record(
        name=found.name,
        windows=windows,
        age=found.age if age is None else age,
        sex=found.sex if sex is None else sex,
        found=replace(found, signal=found.signal[:, :0]),
        notes=(*found.notes, *windows.notes),
    )


def _read_or_refuse(
    path: str,
    options: argparse.Namespace,
    spec: SignalSpec,
    age: float | None,
    sex: float | None,
    sets: Sequence[LeadSet],
) -> Record | Refused:
    try:
        with time_limit(LONGEST_WORK, path):
            found = _as_long_as_can_be(path, options, spec)
            return record_of(found, spec, age, sex, sets)
    except MissingLeadsError as error:
        return Refused(path, f"{error}{who_would(error.found)}")
    except DataError as error:
        return Refused(path, " ".join(str(error).split()))


def _as_long_as_can_be(path: str, options: argparse.Namespace, spec: SignalSpec) -> Recording:
    """As much as is averaged; of a file of too many channels or samples for that one window."""
    asked = (options.fs, options.unit, options.gain)
    try:
        return read_recording(path, *asked, max(LONGEST_READ, seconds_wanted(spec)))
    except TooMuchError:
        return read_recording(path, *asked, seconds_wanted(spec))
