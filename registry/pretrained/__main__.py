"""The old address of `registry.pretrained.all`; its commands go on working."""

from heart_reader.cli.entry import run_entry
from registry.commands import DEFAULTS
from registry.pretrained.all import main

raise SystemExit(run_entry(main, DEFAULTS))
