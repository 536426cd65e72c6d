"""The old address of `registry.sync.webhook`; its commands go on working."""

from heart_reader.cli.entry import run_entry
from registry.commands import DEFAULTS
from registry.sync.webhook import main

if __name__ == "__main__":
    raise SystemExit(run_entry(main, DEFAULTS))
