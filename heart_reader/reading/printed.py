"""What was found in ECGs, as tables on the terminal or as JSON."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from heart_reader.data.quality import GOOD
from heart_reader.reading.read import Refused
from heart_reader.reading.records import Recorded
from heart_reader.tasks.task import MANY

N_LIKELY = 3  # classes that are shown of a record, of many, beside those that are present
# Titles of the measurements that the table shows. JSON has `qtc_ms` besides, the name that
# Fridericia's QTc had alone.
MEASUREMENTS = {
    "rate_bpm": "rate /min",
    "pr_ms": "PR ms",
    "qrs_ms": "QRS ms",
    "qt_ms": "QT ms",
    "qtc_fridericia_ms": "QTc ms (Fridericia)",
    "qtc_bazett_ms": "QTc ms (Bazett)",
    "qrs_axis_degrees": "QRS axis °",
}


def show(
    model: str, recorded: Recorded, findings: list[dict[str, Any]], options: argparse.Namespace
) -> None:
    """The findings as a table or JSON."""
    if options.json:
        print(json.dumps({"model": model, "records": in_order(recorded, findings)}, indent=1))
    else:
        print_findings(model, findings, recorded.refused)


def in_order(recorded: Recorded, findings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row for each record that was asked for: its findings, or why it was refused."""
    answered = iter(findings)
    return [
        {"record": each.name, "refused": each.reason}
        if isinstance(each, Refused)
        else next(answered)
        for each in recorded.read
    ]


def print_findings(
    model: str, findings: list[dict[str, Any]], refused: Sequence[Refused] = ()
) -> None:
    """One row a record: bold where a class is at or above its threshold.

    Of more than `MANY` classes only those of each record that are present or likeliest are said.
    """
    classes = list(findings[0]["probabilities"])
    if len(classes) > MANY:
        table = brief_table(model, findings, refused)
    else:
        table = whole_table(model, findings, refused, classes)
    console = Console()
    console.print(table)
    if len(classes) > MANY:
        console.print(
            f"the classes at or above their thresholds, and the {N_LIKELY} likeliest, of "
            f"{len(classes)}; all are in --json",
            highlight=False,
        )
    console.print(measurement_table(findings))
    for item in findings:
        if item["quality"] != GOOD:
            why = "; ".join(item["quality_reasons"])
            console.print(f"{item['record']}: {item['quality']}: {why}", highlight=False)
        if item["uncertain"]:
            unsure = escape(", ".join(item["uncertain"]))
            console.print(f"{item['record']}: uncertain: {unsure}", highlight=False)
        for note in item["notes"]:
            console.print(f"{item['record']}: {note}", highlight=False)


def brief_table(model: str, findings: list[dict[str, Any]], refused: Sequence[Refused]) -> Table:
    """A row for each record and each class that is present in it or among its likeliest."""
    table = Table("record", "class", "probability", "threshold", "quality", title=model)
    for item in findings:
        name, said = Path(item["record"]).name, item["probabilities"]
        if None in said.values():
            table.add_row(name, "-", "-", "-", item["quality"])
            continue
        likely = sorted(said, key=said.__getitem__, reverse=True)
        first = [c for c in likely if c in item["labels"]]
        for each in [*first, *[c for c in likely[:N_LIKELY] if c not in first]]:
            p, limit = f"{said[each]:.3f}", f"{item['thresholds'][each]:.3f}"
            bold = f"[bold]{p}[/bold]" if each in first else p
            table.add_row(name, escape(each), bold, limit, item["quality"])
        table.add_section()
    for each in refused:
        table.add_row(Path(each.name).name, "-", "-", "-", "refused")
    return table


def whole_table(
    model: str,
    findings: list[dict[str, Any]],
    refused: Sequence[Refused],
    classes: Sequence[str],
) -> Table:
    """A row a record and a column a class."""
    table = Table("record", *classes, "labels", "quality", title=model)
    for item in findings:
        cells = [
            "-" if p is None else f"[bold]{p:.3f}[/bold]" if name in item["labels"] else f"{p:.3f}"
            for name, p in item["probabilities"].items()
        ]
        labels = ", ".join(item["labels"]) or ("-" if "-" in cells else "none")
        table.add_row(Path(item["record"]).name, *cells, labels, item["quality"])
    for each in refused:
        table.add_row(Path(each.name).name, *("-" for _ in classes), "refused", "-")
    thresholds = findings[0]["thresholds"].values()
    table.add_section()
    table.add_row("threshold", *(f"{value:.3f}" for value in thresholds), "", "")
    return table


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
