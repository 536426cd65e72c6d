"""Entry point ``main``: ``train``, then ``sync``.

python -m registry.main --data PATH --training.epochs 4 --gate.margin 0.005
"""

import sys

from heart_reader import train
from heart_reader.cli import dotted_options, run_entry
from registry import sync
from registry.settings import load_settings


def main() -> None:
    """Gives `train` its options and `sync` the settings of the follow-on runs."""
    options = dotted_options(sys.argv[1:])
    _, science = load_settings(options)
    settings = {key: value for key, value in options.items() if key not in science}
    for module, given in ((train, science), (sync, settings)):
        words = (word for key, value in given.items() for word in (f"--{key}", value))
        sys.argv = [module.__name__, *words]
        module.main()


if __name__ == "__main__":
    raise SystemExit(run_entry(main))
