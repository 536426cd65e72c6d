"""Reads ECGs with an exported model file, ONNX or TFLite, and prints what it finds.

python -m heart_reader.edge.run FILE RECORD ...
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from heart_reader.cli.entry import run_entry
from heart_reader.edge.device.reader import open_device
from heart_reader.reading.drawing import read_with
from heart_reader.reading.options import add_drawing_options, add_record_options


def main(words: Sequence[str]) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m heart_reader.edge.run", description=__doc__)
    parser.add_argument("file", metavar="FILE", help="model file in a device folder")
    add_record_options(parser)
    add_drawing_options(parser)
    options = parser.parse_args(words)
    read_with(open_device(Path(options.file)), options.file, options)


if __name__ == "__main__":
    raise SystemExit(run_entry(main))
