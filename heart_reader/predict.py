"""Reads ECGs with a registered model, or a bundle folder, and prints what it finds.

python -m heart_reader.predict --model models:/heart-reader-se_resnet1d@candidate RECORD ...
"""

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from heart_reader.bundles import AnyBundle, open_bundle
from heart_reader.cli import run_entry
from heart_reader.data import delineation
from heart_reader.data.ptbxl import SAMPLING_RATE, SUPERCLASSES
from heart_reader.data.recording import Recording, read_recording
from heart_reader.evaluation.ecg_sheet import ecg_sheet
from heart_reader.evaluation.explained_sheet import N_NAMED, explained_sheet
from heart_reader.evaluation.explanation import Explanation, as_json, waves
from heart_reader.evaluation.figures import save
from heart_reader.evaluation.report import by_class
from heart_reader.explaining import explain_all, features_to_explain

# Titles of the measurements that the table shows; QTc is Fridericia's.
MEASUREMENTS = {
    "rate_bpm": "rate /min",
    "pr_ms": "PR ms",
    "qrs_ms": "QRS ms",
    "qt_ms": "QT ms",
    "qtc_ms": "QTc ms",
    "qrs_axis_degrees": "QRS axis °",
}


def main() -> None:
    """Reads the options and every record before it predicts, so that nothing is half-done."""
    options = parse_options()
    bundle, model = find_bundle(options.model)
    recordings = [read_recording(path, options.fs) for path in options.records]
    signals = np.stack([recording.signal for recording in recordings])
    features = None
    if options.features == "compute":
        age = [r.age if options.age is None else options.age for r in recordings]
        sex = [r.sex if options.sex is None else "mf".index(options.sex) for r in recordings]
        features = features_to_explain(bundle, signals, age, sex)
    probabilities = bundle.predict(signals, features)
    measured = delineation.delineate(signals, SAMPLING_RATE)
    rows = zip(
        recordings,
        probabilities,
        delineation.main_measurements(measured),
        measured.warnings,
        strict=True,
    )
    findings = [finding(bundle, *row) for row in rows]
    if options.explain:
        explained = explain_all(bundle, signals, features, probabilities)
        for record, item in enumerate(findings):
            spans = waves(measured, record)
            item["explanations"] = {
                each.class_name: as_json(each, spans, N_NAMED) for each in explained[record]
            }
        write_explanations(
            Path(options.explain), recordings, probabilities, bundle, explained, measured
        )
    if options.json:
        print(json.dumps({"model": model, "records": findings}, indent=1))
    else:
        print_findings(model, findings)
    if options.plot:
        write_plots(Path(options.plot), recordings, probabilities, bundle)


def parse_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m heart_reader.predict", description=__doc__)
    parser.add_argument("--model", required=True, help="models:/NAME@ALIAS or a bundle folder")
    parser.add_argument("records", nargs="+", metavar="RECORD", help="WFDB record, or CSV in mV")
    parser.add_argument("--fs", type=float, help="sampling rate of CSV files in Hz")
    parser.add_argument("--features", choices=("compute", "none"), default="compute")
    parser.add_argument("--age", type=float, help="years, for every record")
    parser.add_argument("--sex", choices=("m", "f"), help="for every record")
    parser.add_argument("--json", action="store_true", help="JSON instead of a table")
    parser.add_argument("--plot", metavar="FOLDER", help="write an ECG sheet for each record")
    parser.add_argument(
        "--explain",
        metavar="FOLDER",
        help="write a sheet for each label found, with what moved its probability",
    )
    return parser.parse_args()


def find_bundle(address: str) -> tuple[AnyBundle, str]:
    """The bundle of a folder or of the registry, and its pinned name."""
    if not address.startswith("models:"):
        return open_bundle(Path(address)), address
    # Only here: a bundle folder is read without MLflow.
    from heart_reader.tracking import load_registered, resolve_version, set_up_tracking

    set_up_tracking()
    version = resolve_version(address)
    return load_registered(version), version.uri


def finding(
    bundle: AnyBundle,
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
    folder: Path, recordings: list[Recording], probabilities: Any, bundle: AnyBundle
) -> None:
    """``NAME.png`` for each record; the paths go to stderr, so that JSON stays JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    for stem, recording, row in zip(stems(recordings), recordings, probabilities, strict=True):
        drawn = _drawn(recording, row, bundle)
        figure = ecg_sheet(*drawn, subtitle="; ".join(recording.notes))
        print(save(figure, folder / f"{stem}.png"), file=sys.stderr)


def write_explanations(
    folder: Path,
    recordings: list[Recording],
    probabilities: Any,
    bundle: AnyBundle,
    explained: list[list[Explanation]],
    measured: delineation.Delineation,
) -> None:
    """``NAME_CLASS.png`` for each class that is explained; the paths go to stderr."""
    folder.mkdir(parents=True, exist_ok=True)
    for record, (stem, recording) in enumerate(zip(stems(recordings), recordings, strict=True)):
        for each in explained[record]:
            drawn = _drawn(recording, probabilities[record], bundle)
            notes = "; ".join(recording.notes)
            figure = explained_sheet(*drawn, each, measured, record, subtitle=notes)
            print(save(figure, folder / f"{stem}_{each.class_name}.png"), file=sys.stderr)


def stems(recordings: list[Recording]) -> list[str]:
    """A file name for each; records of one name in several folders keep theirs apart by their
    whole path."""
    names = [Path(recording.name).stem for recording in recordings]
    if len(set(names)) < len(names):
        names = [recording.name.strip("./").replace("/", "_") for recording in recordings]
    return names


Drawn = tuple[Any, float, str, dict[str, float], dict[str, float]]


def _drawn(recording: Recording, row: Any, bundle: AnyBundle) -> Drawn:
    return (
        recording.signal,
        SAMPLING_RATE,
        Path(recording.name).name,
        by_class(row),
        by_class(bundle.thresholds),
    )


if __name__ == "__main__":
    raise SystemExit(run_entry(main))
