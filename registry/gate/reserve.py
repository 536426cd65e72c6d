"""Entry point ``models``: makes the registered models of a task, empty, where they aren't there.

python -m registry.gate.reserve --task rhythm

On a team's platform a model whose name begins with ``heart-reader-`` is made by promoters and
admins; members then register versions. Those of the default task are there from the start.
"""

from collections.abc import Sequence
from pathlib import Path

from heart_reader.cli.entry import dotted_options, run_entry
from heart_reader.errors import ConfigError, TrackingError
from heart_reader.tasks.file import read_task
from heart_reader.tasks.ptbxl import is_file
from heart_reader.tracking import make_model, registered_name
from heart_reader.tracking import runs as tracking
from heart_reader.tracking.delivery.outage import RefusedError, who
from registry.client import KINDS

DEFAULT = "default"


def main(words: Sequence[str]) -> None:
    """Reads the options, makes the models, and says which."""
    options = dotted_options(words)
    task = options.pop("task", DEFAULT)
    if options or not task:
        raise ConfigError(
            "models takes --task, a name or a FILE.yaml, and nothing else, but was given "
            f"{', '.join(sorted(options)) or 'an empty task'}"
        )
    tracking.set_up_tracking()
    made = reserve(names_for(task))
    print(f"made, and still empty: {', '.join(made)}" if made else "all of them were there")


def names_for(task: str) -> list[str]:
    """The registered names that a task's models have.

    Raises:
        ConfigError: a file that can't be read.
    """
    name = read_task(Path(task)).task.name if is_file(task) else task
    return [registered_name(kind, None if name == DEFAULT else name) for kind in KINDS]


def reserve(names: Sequence[str]) -> list[str]:
    """Makes each that isn't there, and gives those.

    Raises:
        TrackingError: the user may not, or the store can't be reached.
    """
    try:
        return [name for name in names if make_model(name)]
    except RefusedError as error:
        raise TrackingError(
            f"{who()} may not make models of these names: that takes a promoter's role"
        ) from error


if __name__ == "__main__":
    raise SystemExit(run_entry(main))
