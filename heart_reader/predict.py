"""Reads ECGs with a registered model, or a bundle folder, and prints what it finds.

python -m heart_reader.predict --model models:/heart-reader-se_resnet1d@candidate RECORD ...
"""

import argparse
from collections.abc import Sequence

from heart_reader.cli.entry import run_entry
from heart_reader.errors import ConfigError
from heart_reader.files import require_writable, user_path
from heart_reader.reading.models.found import find_bundle
from heart_reader.reading.options import predict_parser
from heart_reader.reading.tables.files import require_suffix

FOLDERS, FILES = ("plot", "report", "explain"), ("windows", "fhir", "out")
# What is printed, drawn or explained is of a call that its memory can hold.
NOT_WITH_OUT = ("json", "plot", "report", "explain", "windows", "fhir")


def main(words: Sequence[str]) -> None:
    """Reads every record that can be read, predicts, and ends with an error for the others."""
    options = predict_parser().parse_args(words)
    check_options(options)
    bundle, model = find_bundle(options.model)
    # What draws and explains takes seconds to import, and each process of many would.
    if options.out:
        from heart_reader.reading.many.call import read_many

        read_many(options, bundle, model)
    else:
        from heart_reader.reading.few import read_few

        read_few(options, bundle, model)


def check_options(options: argparse.Namespace) -> None:
    """Refuses what doesn't go together, before anything is read.

    Raises:
        ConfigError: options that exclude each other; a place that can't be written to.
        DataError: a table of an unknown suffix.
    """
    for name in ("out", "windows"):
        if getattr(options, name):
            require_suffix(f"--{name}", getattr(options, name))
    if options.fhir:
        from heart_reader.reading.fhir import require_fhir

        require_fhir()
    beside = [f"--{name}" for name in NOT_WITH_OUT if getattr(options, name)]
    if options.out and beside:
        raise ConfigError(f"--out goes without {', '.join(beside)}: call it once more for those")
    for name in (*FOLDERS, *FILES):
        if path := getattr(options, name):
            require_writable(f"--{name}", user_path(path), name in FOLDERS)


if __name__ == "__main__":
    raise SystemExit(run_entry(main))
