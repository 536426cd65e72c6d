"""Reading ECGs with whatever says probabilities: options, records, findings."""

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from heart_reader.bundle.measuring import Features
from heart_reader.data import delineation
from heart_reader.data.checks import require_signals
from heart_reader.data.features import as_twelve
from heart_reader.data.formats import read_recording
from heart_reader.data.formats.person import checked_age, sex_of_word
from heart_reader.data.lead_sets import LeadSet
from heart_reader.data.ptbxl import LEADS
from heart_reader.data.quality import Quality, assess, assess_leads_there
from heart_reader.data.recordings.fewer_leads import with_fewer_leads
from heart_reader.data.recordings.model_input import seconds_wanted, to_model_input
from heart_reader.data.spec import SignalSpec
from heart_reader.errors import DataError
from heart_reader.evaluation.report import by_class
from heart_reader.tasks.task import Task


class Reader(Protocol):
    """What reads ECGs: a bundle of any kind, or a device's model file."""

    @property
    def task(self) -> Task:
        """What it answers."""

    @property
    def spec(self) -> SignalSpec:
        """What it reads."""

    @property
    def lead_sets(self) -> tuple[LeadSet, ...]:
        """The sets of leads that it serves, flat lines for the others; none: all are needed."""

    @property
    def thresholds(self) -> NDArray[np.float64]:
        """One for each class of the task; at or above means present."""

    def predict(
        self,
        signals: NDArray[np.floating[Any]],
        features: Features = "compute",
        age: Sequence[float] | None = None,
        sex: Sequence[float] | None = None,
    ) -> NDArray[np.float32]:
        """As `Bundle.predict`."""

    def labels(self, probabilities: NDArray[np.floating[Any]]) -> NDArray[np.bool_]:
        """Which classes are present, (n_records, n_classes)."""


@dataclass(frozen=True, eq=False)
class Record:
    """A recording as a model reads it.

    Attributes:
        name: as the user gave it.
        signal: float32 mV (n_leads, n_times).
        age, sex: years; 0 male, 1 female; NaN where unknown; those of the options first.
        notes: on the file, and on what was done to it.
    """

    name: str
    signal: NDArray[np.float32]
    age: float
    sex: float
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Refused:
    """A file that couldn't be read, and why in one line."""

    name: str
    reason: str


@dataclass(frozen=True)
class Recorded:
    """All recordings of a call.

    Attributes:
        recordings: as they were read; those that were refused aside.
        signals: mV (n_records, n_leads, n_times).
        age, sex: years; 0 male, 1 female; NaN where unknown.
        measured: by the delineation.
        quality: of each record; an unusable one gets no labels and no probabilities.
        read: everything in the order that it was asked for.
    """

    recordings: list[Record]
    signals: NDArray[np.floating[Any]]
    age: list[float]
    sex: list[float]
    measured: delineation.Delineation
    quality: list[Quality]
    read: list[Record | Refused]

    @property
    def refused(self) -> list[Refused]:
        """The files that couldn't be read."""
        return [each for each in self.read if isinstance(each, Refused)]


def read_recordings(
    options: argparse.Namespace, spec: SignalSpec, sets: Sequence[LeadSet] = ()
) -> Recorded:
    """Every record of the options, as a model of that spec reads it; one that can't be read is
    refused, the others are there.

    Raises:
        DataError: an option that isn't legal, or no record that can be read.
    """
    age = None if options.age is None else checked_age(options.age)
    sex = None if options.sex is None else sex_of_word(options.sex)
    if sex is not None and math.isnan(sex):
        raise DataError(f"sex must be m or f, but is {options.sex!r}")
    read = [_read_or_refuse(path, options, spec, age, sex, sets) for path in options.records]
    recordings = [each for each in read if isinstance(each, Record)]
    if not recordings:
        raise DataError("\n".join(each.reason for each in read if isinstance(each, Refused)))
    signals = np.stack([recording.signal for recording in recordings])
    measured = _of_those(
        delineation.delineate(as_twelve(signals, spec.leads), spec.fs), spec.leads
    )
    ages, sexes = [each.age for each in recordings], [each.sex for each in recordings]
    quality = (
        assess_leads_there(signals, spec.fs, spec.leads)
        if sets
        else (assess(signals, spec.fs, spec.leads))
    )
    return Recorded(recordings, signals, ages, sexes, measured, quality, read)


def _of_those(measured: delineation.Delineation, leads: Sequence[str]) -> delineation.Delineation:
    """The same without warnings of leads that the model doesn't read."""
    if tuple(leads) == LEADS:
        return measured
    # Leads that are missing for another reason stand in the notes on the file.
    kept = tuple(
        tuple(each for each in told if not each.startswith("not measurable"))
        for told in measured.warnings
    )
    return replace(measured, warnings=kept)


def _read_or_refuse(
    path: str,
    options: argparse.Namespace,
    spec: SignalSpec,
    age: float | None,
    sex: float | None,
    sets: Sequence[LeadSet],
) -> Record | Refused:
    try:
        wanted = seconds_wanted(spec)
        found = read_recording(path, options.fs, options.unit, options.gain, wanted)
        made = with_fewer_leads(found, spec, sets) or to_model_input(found, spec)
        require_signals(made.signal[None], spec, [f"record {path}"])
    except DataError as error:
        return Refused(path, " ".join(str(error).split()))
    return Record(
        name=path,
        signal=made.signal,
        age=found.age if age is None else age,
        sex=found.sex if sex is None else sex,
        notes=(*found.notes, *made.notes),
    )


def require_all_read(recorded: Recorded) -> None:
    """Ends a call that answered some of its records and refused others.

    Raises:
        DataError: some were refused; one line each.
    """
    if recorded.refused:
        raise DataError("\n".join(each.reason for each in recorded.refused))


def findings_of(reader: Reader, recorded: Recorded, probabilities: Any) -> list[dict[str, Any]]:
    """What is said of each record."""
    rows = zip(
        recorded.recordings,
        probabilities,
        delineation.main_measurements(recorded.measured),
        recorded.measured.warnings,
        recorded.quality,
        strict=True,
    )
    return [finding(reader, *row) for row in rows]


def finding(
    bundle: Reader,
    recording: Record,
    probabilities: Any,
    measured: delineation.MainMeasurements,
    warnings: Sequence[str],
    quality: Quality,
) -> dict[str, Any]:
    """What is said of one record, as JSON values; ``null`` where nothing could be measured, and
    no labels and probabilities where the record is unusable."""
    present, classes = bundle.labels(probabilities) & quality.usable, bundle.task.classes
    said = by_class(probabilities, classes) if quality.usable else dict.fromkeys(classes)
    return {
        "record": recording.name,
        "quality": quality.verdict,
        "quality_reasons": list(quality.reasons),
        "labels": [name for name, there in zip(classes, present, strict=True) if there],
        "probabilities": said,
        "thresholds": by_class(bundle.thresholds, classes),
        "measurements": {
            name: None if math.isnan(value) else round(value, 1)
            for name, value in vars(measured).items()
        },
        "notes": [*recording.notes, *warnings],
    }
