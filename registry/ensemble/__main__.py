"""The old address of `registry.ensemble.make`; its commands go on working."""

from heart_reader.cli.entry import run_entry
from registry.ensemble.make import main
from registry.settings import DEFAULTS

raise SystemExit(run_entry(main, DEFAULTS))
