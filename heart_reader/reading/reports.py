"""A page for each recording, to be printed: `predict --report`."""

import argparse
import sys
from pathlib import Path
from typing import Any

from heart_reader.evaluation.plots.figures import save
from heart_reader.evaluation.sheets.layout import LAYOUTS
from heart_reader.evaluation.sheets.page import report_page
from heart_reader.reading.records import Reader, Recorded, abouts, drawn_of, notes_of, stems

FORMATS = ("pdf", "svg", "png")


def add_report_options(parser: argparse.ArgumentParser) -> None:
    """Whether pages are written, and how they look."""
    parser.add_argument("--report", metavar="FOLDER", help="write a page to print for each record")
    parser.add_argument("--layout", choices=tuple(LAYOUTS), default="3x4", help="of the page")
    parser.add_argument("--report-format", choices=FORMATS, default="pdf", help="of the page")


def write_reports(
    options: argparse.Namespace,
    model: str,
    recorded: Recorded,
    probabilities: Any,
    reader: Reader,
) -> None:
    """``NAME.pdf`` for each record; the paths go to stderr, so that JSON stays JSON."""
    folder = Path(options.report)
    folder.mkdir(parents=True, exist_ok=True)
    every = zip(stems(recorded.recordings), abouts(recorded, model), probabilities, strict=True)
    for record, (stem, about, row) in enumerate(every):
        drawn = drawn_of(recorded.recordings[record], row, reader)
        page = report_page(*drawn, about, options.layout, notes_of(recorded, record))
        print(save(page, folder / f"{stem}.{options.report_format}"), file=sys.stderr)
