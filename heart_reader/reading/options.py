"""The command lines that read ECG files; nothing heavy is imported for them."""

import argparse

from heart_reader.files import user_path

PREDICT = """Reads ECGs with a registered model, or a bundle folder, and prints what it finds.

python -m heart_reader.predict --model heart-reader-se_resnet1d@candidate RECORD ...
"""


def predict_parser() -> argparse.ArgumentParser:
    """Of ``predict``."""
    parser = argparse.ArgumentParser(
        prog="python -m heart_reader.predict",
        description=PREDICT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", required=True, help="NAME@ALIAS or a bundle folder")
    add_record_options(parser)
    parser.add_argument(
        "--explain",
        metavar="FOLDER",
        type=user_path,
        help="write a sheet for each label found, with what moved its probability",
    )
    return parser


def add_record_options(parser: argparse.ArgumentParser) -> None:
    """Which records are read, with what beside them, and what is printed."""
    kinds = "a file of any kind that is read, or a WFDB record"
    parser.add_argument("records", nargs="+", metavar="RECORD", help=kinds)
    parser.add_argument("--fs", type=float, help="Hz, of files that don't say it")
    parser.add_argument("--unit", help="mV, uV, V or nV, of files that don't say it")
    parser.add_argument("--gain", type=float, help="steps per mV, of uncalibrated files")
    parser.add_argument("--features", choices=("compute", "none"), default="compute")
    parser.add_argument("--age", type=float, help="years, for every record")
    parser.add_argument("--sex", help="m or f, for every record")
    parser.add_argument("--json", action="store_true", help="JSON instead of a table")
    parser.add_argument(
        "--plot", metavar="FOLDER", type=user_path, help="write an ECG sheet for each record"
    )
