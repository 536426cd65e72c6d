"""The old address of `registry.ensemble.make`; its commands go on working."""

from heart_reader.cli.entry import run_entry
from registry.commands import DEFAULTS
from registry.ensemble.make import main

raise SystemExit(run_entry(main, DEFAULTS))
