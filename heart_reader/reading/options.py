"""The command lines that read ECG files; nothing heavy is imported for them."""

import argparse
from typing import Any

from heart_reader.files import user_path

FORMATS = ("pdf", "svg", "png")
# Of evaluation/sheets/arrangement.py, which takes a second to import.
LAYOUTS = ("3x4", "6x2", "12x1")

PREDICT = """Reads ECGs with a registered model, or a bundle folder, and prints what it finds.

python -m heart_reader.predict --model heart-reader-se_resnet1d@candidate RECORD ...
"""

SERVE = """Serves a registered model, or a bundle folder, as `mlflow models serve` does.

python -m heart_reader.serve --model heart-reader-ensemble@champion
"""


def serve_parser() -> argparse.ArgumentParser:
    """Of ``serve``."""
    parser = argparse.ArgumentParser(
        prog="python -m heart_reader.serve",
        description=SERVE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", required=True, help="NAME@ALIAS or a bundle folder: it answers")
    parser.add_argument(
        "--shadow",
        metavar="MODEL",
        help="asked the same afterwards, in a process of its own, for the log alone",
    )
    parser.add_argument("--host", default="127.0.0.1", help="that it listens on")
    parser.add_argument("--port", type=int, default=5010, help="that it listens on")
    parser.add_argument("--as-shadow", action="store_true", help=argparse.SUPPRESS)
    return parser


def predict_parser() -> argparse.ArgumentParser:
    """Of ``predict``."""
    parser = argparse.ArgumentParser(
        prog="python -m heart_reader.predict",
        description=PREDICT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", required=True, help="NAME@ALIAS or a bundle folder")
    add_record_options(parser)
    add_drawing_options(parser)
    parser.add_argument(
        "--out",
        metavar="FILE",
        type=user_path,
        help="write a table (.parquet, .csv, .jsonl) of any number of files, folders, patterns "
        "and lists instead of printing; killed and started again it goes on",
    )
    parser.add_argument(
        "--fhir",
        metavar="FILE",
        type=user_path,
        help="write a FHIR R4B bundle of reports and observations (needs the extra fhir)",
    )
    parser.add_argument(
        "--windows",
        metavar="FILE",
        type=user_path,
        help="write a table (.csv, .parquet, .jsonl) of the windows of each record",
    )
    parser.add_argument(
        "--explain",
        metavar="FOLDER",
        type=user_path,
        help="write a sheet for each label found, with what moved its probability",
    )
    return parser


def add_record_options(parser: argparse.ArgumentParser) -> None:
    """Which records are read, with what beside them, and what is printed."""
    kinds = (
        "a file of any kind that is read, a WFDB record, a folder, a pattern or a list of files"
    )
    parser.add_argument("records", nargs="+", metavar="RECORD", help=kinds)
    parser.add_argument("--fs", type=float, help="Hz, of files that don't say it")
    parser.add_argument("--unit", help="mV, uV, V or nV, of files that don't say it")
    parser.add_argument("--gain", type=float, help="steps per mV, of uncalibrated files")
    parser.add_argument("--features", choices=("compute", "none"), default="compute")
    parser.add_argument("--age", type=float, help="years, for every record")
    parser.add_argument("--sex", help="m or f, for every record")
    parser.add_argument("--json", action="store_true", help="JSON instead of a table")


def add_drawing_options(parser: argparse.ArgumentParser) -> None:
    """Which pictures are written, and how they look."""
    folder: dict[str, Any] = {"metavar": "FOLDER", "type": user_path}
    parser.add_argument("--plot", **folder, help="write an ECG sheet for each record")
    parser.add_argument("--report", **folder, help="write a page to print for each record")
    parser.add_argument("--layout", choices=LAYOUTS, default="3x4", help="of the page")
    parser.add_argument("--report-format", choices=FORMATS, default="pdf", help="of the page")
    parser.add_argument(
        "--identify",
        action="store_true",
        help="say on the page, and in --fhir, who a hospital's file is of; otherwise nothing does",
    )
