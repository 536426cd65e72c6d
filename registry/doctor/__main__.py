"""The old address of `registry.doctor.examine`; its commands go on working."""

from heart_reader.cli.entry import run_entry
from registry.doctor.examine import main

raise SystemExit(run_entry(main))
