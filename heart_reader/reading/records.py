"""Reading ECGs with whatever says probabilities: options, findings, tables, sheets."""

import argparse
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from heart_reader.bundle.single import Features
from heart_reader.data import delineation
from heart_reader.data.ptbxl import SAMPLING_RATE, SUPERCLASSES
from heart_reader.data.recording import Recording, read_recording
from heart_reader.evaluation.plots.figures import save
from heart_reader.evaluation.report import by_class
from heart_reader.evaluation.sheets.ecg import ecg_sheet

# Titles of the measurements that the table shows; QTc is Fridericia's.
MEASUREMENTS = {
    "rate_bpm": "rate /min",
    "pr_ms": "PR ms",
    "qrs_ms": "QRS ms",
    "qt_ms": "QT ms",
    "qtc_ms": "QTc ms",
    "qrs_axis_degrees": "QRS axis °",
}


class Reader(Protocol):
    """What reads ECGs: a bundle of any kind, or a device's model file."""

    @property
    def thresholds(self) -> NDArray[np.float64]:
        """One for each class of ``SUPERCLASSES``; at or above means present."""

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


@dataclass(frozen=True)
class Recorded:
    """All recordings of a call.

    Attributes:
        recordings: as they were read.
        signals: mV (n_records, 12, 1000).
        age, sex: years; 0 male, 1 female; NaN where unknown; those of the options first.
        measured: by the delineation.
    """

    recordings: list[Recording]
    signals: NDArray[np.floating[Any]]
    age: list[float]
    sex: list[float]
    measured: delineation.Delineation


def read_recordings(options: argparse.Namespace) -> Recorded:
    """Every record of the options."""
    recordings = [read_recording(path, options.fs) for path in options.records]
    signals = np.stack([recording.signal for recording in recordings])
    age = [r.age if options.age is None else options.age for r in recordings]
    sex = [r.sex if options.sex is None else "mf".index(options.sex) for r in recordings]
    measured = delineation.delineate(signals, SAMPLING_RATE)
    return Recorded(recordings, signals, age, sex, measured)


def findings_of(reader: Reader, recorded: Recorded, probabilities: Any) -> list[dict[str, Any]]:
    """What is said of each record."""
    rows = zip(
        recorded.recordings,
        probabilities,
        delineation.main_measurements(recorded.measured),
        recorded.measured.warnings,
        strict=True,
    )
    return [finding(reader, *row) for row in rows]


def show(
    model: str,
    reader: Reader,
    recorded: Recorded,
    probabilities: Any,
    findings: list[dict[str, Any]],
    options: argparse.Namespace,
) -> None:
    """The findings as a table or JSON, and the sheets that were asked for."""
    if options.json:
        print(json.dumps({"model": model, "records": findings}, indent=1))
    else:
        print_findings(model, findings)
    if options.plot:
        write_plots(Path(options.plot), recorded.recordings, probabilities, reader)


def read_with(reader: Reader, model: str, options: argparse.Namespace) -> None:
    """What `main` does but for explanations, with any reader."""
    recorded = read_recordings(options)
    features: Features = "compute" if options.features == "compute" else None
    probabilities = reader.predict(recorded.signals, features, recorded.age, recorded.sex)
    findings = findings_of(reader, recorded, probabilities)
    show(model, reader, recorded, probabilities, findings, options)


def finding(
    bundle: Reader,
    recording: Recording,
    probabilities: Any,
    measured: delineation.MainMeasurements,
    warnings: Sequence[str],
) -> dict[str, Any]:
    """What is said of one record, as JSON values; ``null`` where nothing could be measured."""
    present = bundle.labels(probabilities).tolist()
    return {
        "record": recording.name,
        "labels": [name for name, there in zip(SUPERCLASSES, present, strict=True) if there],
        "probabilities": by_class(probabilities),
        "thresholds": by_class(bundle.thresholds),
        "measurements": {
            name: None if math.isnan(value) else round(value, 1)
            for name, value in vars(measured).items()
        },
        "notes": [*recording.notes, *warnings],
    }


def print_findings(model: str, findings: list[dict[str, Any]]) -> None:
    """One row a record: bold where a class is at or above its threshold."""
    table = Table("record", *SUPERCLASSES, "labels", title=model)
    for item in findings:
        cells = [
            f"[bold]{p:.3f}[/bold]" if name in item["labels"] else f"{p:.3f}"
            for name, p in item["probabilities"].items()
        ]
        table.add_row(Path(item["record"]).name, *cells, ", ".join(item["labels"]) or "none")
    thresholds = findings[0]["thresholds"].values()
    table.add_section()
    table.add_row("threshold", *(f"{value:.3f}" for value in thresholds), "")
    console = Console()
    console.print(table)
    console.print(measurement_table(findings))
    for item in findings:
        for note in item["notes"]:
            console.print(f"{item['record']}: {note}", highlight=False)


def measurement_table(findings: list[dict[str, Any]]) -> Table:
    """What an ECG machine prints beside its diagnosis."""
    table = Table("record", *MEASUREMENTS.values())
    for column in table.columns[1:]:
        column.justify = "right"
    for item in findings:
        values = [item["measurements"][name] for name in MEASUREMENTS]
        cells = ["-" if value is None else f"{value:.0f}" for value in values]
        table.add_row(Path(item["record"]).name, *cells)
    return table


def write_plots(
    folder: Path, recordings: list[Recording], probabilities: Any, bundle: Reader
) -> None:
    """``NAME.png`` for each record; the paths go to stderr, so that JSON stays JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    for stem, recording, row in zip(stems(recordings), recordings, probabilities, strict=True):
        drawn = drawn_of(recording, row, bundle)
        figure = ecg_sheet(*drawn, subtitle="; ".join(recording.notes))
        print(save(figure, folder / f"{stem}.png"), file=sys.stderr)


def stems(recordings: list[Recording]) -> list[str]:
    """A file name for each; records of one name in several folders keep theirs apart by their
    whole path."""
    names = [Path(recording.name).stem for recording in recordings]
    if len(set(names)) < len(names):
        names = [recording.name.strip("./").replace("/", "_") for recording in recordings]
    return names


Drawn = tuple[Any, float, str, dict[str, float], dict[str, float]]


def drawn_of(recording: Recording, row: Any, bundle: Reader) -> Drawn:
    """What every sheet of a recording begins with."""
    return (
        recording.signal,
        SAMPLING_RATE,
        Path(recording.name).name,
        by_class(row),
        by_class(bundle.thresholds),
    )
