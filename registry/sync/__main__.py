"""The old address of `registry.sync.syncer`; its commands go on working."""

from heart_reader.cli.entry import run_entry
from registry.commands import DEFAULTS
from registry.sync.syncer import main

raise SystemExit(run_entry(main, DEFAULTS))
