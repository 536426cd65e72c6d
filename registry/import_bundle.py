"""The old address of `registry.pretrained.import_bundle`; its commands go on working."""

from heart_reader.cli.entry import run_entry
from registry.pretrained.import_bundle import main

if __name__ == "__main__":
    raise SystemExit(run_entry(main))
