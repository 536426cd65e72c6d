"""Reading ECGs with whatever says probabilities: options, records, findings."""

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from heart_reader.bundle.measuring import Features
from heart_reader.data import delineation
from heart_reader.data.demo.marks import WARNING, is_synthetic
from heart_reader.data.features import as_twelve, with_demographics
from heart_reader.data.lead_sets import LeadSet
from heart_reader.data.ptbxl import LEADS
from heart_reader.data.quality import Quality, assess, assess_leads_there
from heart_reader.data.recordings.model_input import PADDED, REPEATED
from heart_reader.data.recordings.windows import span
from heart_reader.data.spec import SignalSpec
from heart_reader.errors import DataError
from heart_reader.evaluation.trust.trust import Trust
from heart_reader.reading.answers import Answer, answers_of
from heart_reader.reading.many.files import files_of
from heart_reader.reading.read import Record, Refused, read_files
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
    def padded(self) -> bool:
        """As of `Bundle.padded`."""

    @property
    def thresholds(self) -> NDArray[np.float64]:
        """One for each class of the task; at or above means present."""

    @property
    def provenance(self) -> Mapping[str, Any]:
        """What it was made from."""

    @property
    def trust(self) -> Trust:
        """Whether its probabilities are calibrated, and where it doesn't know."""

    def predict(
        self,
        signals: NDArray[np.floating[Any]],
        features: Features = "compute",
        age: Sequence[float] | None = None,
        sex: Sequence[float] | None = None,
        lengths: NDArray[np.int64] | None = None,
    ) -> NDArray[np.float32]:
        """As `Bundle.predict`."""

    def labels(self, probabilities: NDArray[np.floating[Any]]) -> NDArray[np.bool_]:
        """Which classes are present, (n_records, n_classes)."""


@dataclass(frozen=True)
class Recorded:
    """All recordings of a call.

    Attributes:
        recordings: as they were read; those that were refused aside.
        signals: mV (n_windows, n_leads, n_times), the windows of all records behind each other.
        lengths: samples of each window that are the record's own.
        age, sex: of each record: years; 0 male, 1 female; NaN where unknown.
        measured: by the delineation, of each window.
        quality: of each window.
        rows: the windows of each record.
        answers: of each record; an unusable one gets no labels and no probabilities.
        read: everything in the order that it was asked for.
    """

    recordings: list[Record]
    signals: NDArray[np.floating[Any]]
    lengths: NDArray[np.int64]
    age: list[float]
    sex: list[float]
    measured: delineation.Delineation
    quality: list[Quality]
    rows: list[range]
    answers: list[Answer]
    read: list[Record | Refused]

    @property
    def refused(self) -> list[Refused]:
        """The files that couldn't be read."""
        return [each for each in self.read if isinstance(each, Refused)]

    @property
    def shown(self) -> list[int]:
        """The window of each record that is drawn and explained."""
        return [answer.shown for answer in self.answers]

    def of_windows(self, values: Sequence[float]) -> list[float]:
        """A record's value for each of its windows."""
        return [v for v, rows in zip(values, self.rows, strict=True) for _ in rows]

    def features(self, source: str) -> NDArray[np.float32] | None:
        """What a bundle of a ``feature_source`` reads beside the windows, if it measures that."""
        if source != "compute":
            return None
        age, sex = self.of_windows(self.age), self.of_windows(self.sex)
        return with_demographics(source, delineation.features_of(self.measured), age, sex).values

    def means(self, scores: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
        """Of what a model said of all windows, each record's mean: (n_records, n_classes)."""
        return np.stack([answer.mean(scores) for answer in self.answers])


def read_recordings(
    options: argparse.Namespace, spec: SignalSpec, sets: Sequence[LeadSet] = ()
) -> Recorded:
    """Every record of the options, as a model of that spec reads it; one that can't be read is
    refused, the others are there.

    Raises:
        DataError: an option that isn't legal, or no record that can be read.
    """
    read = read_files(files_of(options.records), options, spec, sets)
    if not any(isinstance(each, Record) for each in read):
        raise DataError("\n".join(each.reason for each in read if isinstance(each, Refused)))
    return recorded_of(read, spec, sets)


def recorded_of(
    read: list[Record | Refused], spec: SignalSpec, sets: Sequence[LeadSet] = ()
) -> Recorded:
    """Everything that is measured on what was read, at least one record."""
    recordings = [each for each in read if isinstance(each, Record)]
    signals = np.concatenate([each.windows.signals for each in recordings])
    ends = np.cumsum([len(each.windows.signals) for each in recordings]).tolist()
    rows = [range(a, b) for a, b in zip([0, *ends[:-1]], ends, strict=True)]
    measured = _of_those(
        delineation.delineate(as_twelve(signals, spec.leads), spec.fs), spec.leads
    )
    judge = assess_leads_there if sets else assess
    quality = judge(signals, spec.fs, spec.leads)
    return Recorded(
        recordings=recordings,
        signals=signals,
        lengths=np.array([n for each in recordings for n in each.windows.lengths], np.int64),
        age=[each.age for each in recordings],
        sex=[each.sex for each in recordings],
        measured=measured,
        quality=quality,
        rows=rows,
        answers=answers_of(rows, measured, quality),
        read=read,
    )


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


def told_of_model(recorded: Recorded, provenance: Mapping[str, Any]) -> Recorded:
    """The same; of a model trained on synthetic ECGs each record's notes say so first."""
    if not is_synthetic(provenance):
        return recorded
    told = [replace(each, notes=(WARNING, *each.notes)) for each in recorded.recordings]
    return replace(recorded, recordings=told)


def require_all_read(recorded: Recorded) -> None:
    """Ends a call that answered some of its records and refused others.

    Raises:
        DataError: some were refused; one line each.
    """
    if recorded.refused:
        raise DataError("\n".join(each.reason for each in recorded.refused))


def findings_of(
    reader: Reader, recorded: Recorded, probabilities: Any, novelty: Any = None
) -> list[dict[str, Any]]:
    """What is said of each record.

    Args:
        reader: that says it.
        recorded: the records.
        probabilities: (n_records, n_classes).
        novelty: of every window, (n_windows,); ``None`` where the reader can't tell.
    """
    told: Any = [None] * len(recorded.recordings)
    if novelty is not None:
        told = recorded.means(np.asarray(novelty)).tolist()
    rows = zip(recorded.recordings, probabilities, recorded.answers, told, strict=True)
    return [finding(reader, *row) for row in rows]


def finding(
    reader: Reader,
    recording: Record,
    probabilities: Any,
    answer: Answer,
    novelty: float | None = None,
) -> dict[str, Any]:
    """What is said of one record, as JSON values; ``null`` where nothing could be measured, and
    no labels and probabilities where the record is unusable."""
    quality, classes = answer.quality, reader.task.classes
    labels = reader.labels(probabilities)
    present = labels & quality.usable
    unsure = reader.trust.uncertain(probabilities, labels) & quality.usable
    said = by_class(probabilities, classes) if quality.usable else dict.fromkeys(classes)
    return {
        "record": recording.name,
        "quality": quality.verdict,
        "quality_reasons": list(quality.reasons),
        "labels": [name for name, there in zip(classes, present, strict=True) if there],
        "probabilities": said,
        "thresholds": by_class(reader.thresholds, classes),
        "calibrated": reader.trust.calibrated,
        "uncertain": [name for name, there in zip(classes, unsure, strict=True) if there],
        "novelty": None if novelty is None else round(novelty, 3),
        "measurements": {
            name: None if math.isnan(value) else round(value, 1)
            for name, value in vars(answer.measured).items()
        },
        "windows": len(answer.used),
        "notes": [
            *input_notes(recording, reader),
            *window_notes(recording, answer, reader.spec),
            *answer.warnings,
            *novelty_notes(novelty),
        ],
    }


def novelty_notes(novelty: float | None) -> list[str]:
    """That a record is unlike all that the model learned from, where it is."""
    if novelty is None or novelty <= 1:
        return []
    return [f"unlike the ECGs that the model was trained on: novelty {novelty:.2f}, above 1"]


def input_notes(recording: Record, reader: Reader) -> list[str]:
    """What was assumed and what is odd, in the words for what the model does with a short one."""
    if not reader.padded:
        return list(recording.notes)
    return [note.replace(REPEATED, PADDED) for note in recording.notes]


def by_class(values: Any, classes: Sequence[str]) -> dict[str, float]:
    """Numbers by the names of the task's classes."""
    return {name: float(value) for name, value in zip(classes, values, strict=True)}


def window_notes(recording: Record, answer: Answer, spec: SignalSpec) -> list[str]:
    """That an answer is a mean, or of a part, where it is; and which windows were of no use."""
    starts = recording.windows.starts
    if len(starts) == 1 and not recording.windows.left_out:
        return []
    told = [
        f"{span(starts[row], spec)} left out: {reason}" for row, reason in answer.unusable.items()
    ]
    if len(answer.used) == 1:
        return [f"the answer is that of {span(starts[answer.within[0]], spec)}", *told]
    return [f"the mean of {len(answer.used)} windows of {spec.seconds:g} s", *told]
