"""The old address of `registry.migrate.move`; its commands go on working."""

from heart_reader.cli.entry import run_entry
from registry.migrate.move import main

raise SystemExit(run_entry(main))
