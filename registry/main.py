"""Entry point ``main``: ``train``, then ``sync``.

python -m registry.main --data PATH --training.epochs 4 --gate.margin 0.005
"""

import os
import subprocess
from collections.abc import Sequence

from heart_reader.cli.app import command_line
from heart_reader.cli.entry import as_words, dotted_options, run_entry
from heart_reader.project import CONFIG_DEFAULTS
from registry.commands import DEFAULTS
from registry.settings import load_settings
from registry.sync import syncer

TRAIN = "train"  # the command; whose it is, this package needn't know


def main(words: Sequence[str]) -> None:
    """Gives ``train`` its options, in a process of its own, and `sync` the settings that it takes.

    Raises:
        SystemExit: the training ended with another code than 0; it has said why.
    """
    options = dotted_options(words)
    _, training = load_settings(options)
    settings = {key: value for key, value in options.items() if key not in training}
    code = run_to_end(command_line(TRAIN, as_words(training)))
    if code:
        raise SystemExit(code)
    os.environ.pop("MLFLOW_RUN_ID", None)  # the project's run was the training's
    syncer.sync(syncer.read_request(settings))


def run_to_end(command: Sequence[str]) -> int:
    """Runs a process and gives its exit code; a signal to us ends it in good order."""
    process = subprocess.Popen(command)
    try:
        return process.wait()
    finally:
        if process.poll() is None:
            process.terminate()  # it saves its checkpoint and ends its run as KILLED
            process.wait()


if __name__ == "__main__":
    raise SystemExit(run_entry(main, CONFIG_DEFAULTS, DEFAULTS))
