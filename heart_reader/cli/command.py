"""One sub-command of the console command."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Command:
    """What is known of a command without importing what it does.

    Attributes:
        module: of the command's own package; its ``main`` takes the words of the command line.
        defaults: YAML files whose keys are options too, for ``--help``.
        parser: of a command whose options aren't dotted.
    """

    module: str
    defaults: tuple[Path, ...] = ()
    parser: Callable[[], argparse.ArgumentParser] | None = None
