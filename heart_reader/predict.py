"""Reads ECGs with a registered model, or a bundle folder, and prints what it finds.

python -m heart_reader.predict --model models:/heart-reader-se_resnet1d@candidate RECORD ...
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from heart_reader.bundles import AnyBundle, open_bundle
from heart_reader.cli import run_entry
from heart_reader.data.ptbxl import SAMPLING_RATE, SUPERCLASSES
from heart_reader.data.recording import Recording, read_recording
from heart_reader.evaluation.ecg_sheet import ecg_sheet
from heart_reader.evaluation.figures import save
from heart_reader.evaluation.report import by_class


def main() -> None:
    """Reads the options and every record before it predicts, so that nothing is half-done."""
    options = parse_options()
    bundle, model = find_bundle(options.model)
    recordings = [read_recording(path, options.fs) for path in options.records]
    probabilities = bundle.predict(
        np.stack([r.signal for r in recordings]),
        features=None if options.features == "none" else options.features,
        age=[r.age if options.age is None else options.age for r in recordings],
        sex=[r.sex if options.sex is None else "mf".index(options.sex) for r in recordings],
    )
    findings = [
        finding(recording, row, bundle)
        for recording, row in zip(recordings, probabilities, strict=True)
    ]
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


def finding(recording: Recording, probabilities: Any, bundle: AnyBundle) -> dict[str, Any]:
    """What is said of one record, as JSON values."""
    present = bundle.labels(probabilities).tolist()
    return {
        "record": recording.name,
        "labels": [name for name, there in zip(SUPERCLASSES, present, strict=True) if there],
        "probabilities": by_class(probabilities),
        "thresholds": by_class(bundle.thresholds),
        "notes": list(recording.notes),
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
    for item in findings:
        for note in item["notes"]:
            console.print(f"{item['record']}: {note}", highlight=False)


def write_plots(
    folder: Path, recordings: list[Recording], probabilities: Any, bundle: AnyBundle
) -> None:
    """``NAME.png`` for each record."""
    folder.mkdir(parents=True, exist_ok=True)
    for recording, row in zip(recordings, probabilities, strict=True):
        figure = ecg_sheet(
            recording.signal,
            SAMPLING_RATE,
            Path(recording.name).name,
            by_class(row),
            by_class(bundle.thresholds),
            subtitle="; ".join(recording.notes),
        )
        print(save(figure, folder / f"{Path(recording.name).stem}.png"))


if __name__ == "__main__":
    raise SystemExit(run_entry(main))
