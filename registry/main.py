"""Entry point ``main``: ``train``, then ``sync``.

python -m registry.main --data PATH --training.epochs 4 --gate.margin 0.005
"""

import os
import subprocess
import sys

from heart_reader.cli.entry import dotted_options, run_entry
from heart_reader.config.load import CONFIG_DEFAULTS
from registry.settings import DEFAULTS, load_settings
from registry.sync import syncer as sync


def main() -> None:
    """Gives ``train`` its options, in a process of its own, and `sync` the settings that it takes.

    Raises:
        SystemExit: the training ended with another code than 0; it has said why.
    """
    options = dotted_options(sys.argv[1:])
    _, science = load_settings(options)
    settings = {key: value for key, value in options.items() if key not in science}
    # A search belongs to another package: it is reached by its command, as `mlflow run` does.
    code = run_module("tuning.train", as_words(science))
    if code:
        raise SystemExit(code)
    os.environ.pop("MLFLOW_RUN_ID", None)  # the project's run was the training's
    sys.argv = [sync.__name__, *as_words(settings)]
    sync.main()


def run_module(module: str, words: list[str]) -> int:
    """Runs a module to its end and gives its exit code; a signal to us ends it in good order."""
    process = subprocess.Popen([sys.executable, "-m", module, *words])
    try:
        return process.wait()
    finally:
        if process.poll() is None:
            process.terminate()  # it saves its checkpoint and ends its run as KILLED
            process.wait()


def as_words(options: dict[str, str]) -> list[str]:
    """Options as a command line has them."""
    return [word for key, value in options.items() for word in (f"--{key}", value)]


if __name__ == "__main__":
    raise SystemExit(run_entry(main, CONFIG_DEFAULTS, DEFAULTS))
