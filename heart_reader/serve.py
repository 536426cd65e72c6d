"""Serves a registered model, or a bundle folder, as ``mlflow models serve`` does.

python -m heart_reader.serve --model heart-reader-ensemble@champion
python -m heart_reader.serve --model heart-reader-ensemble@champion \\
    --shadow heart-reader-ensemble@candidate

With ``HEART_READER_LOG`` set, what it answers is logged. A shadow is asked the same afterwards, in
a process of its own; what it says is logged beside, and nobody gets it.
"""

import argparse
import os
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import uvicorn

from heart_reader.cli.entry import run_entry
from heart_reader.errors import ConfigError
from heart_reader.files import user_path
from heart_reader.predictions.columns import ANSWER, SHADOW
from heart_reader.predictions.place import VARIABLE, find_place
from heart_reader.reading.models.found import looks_registered
from heart_reader.reading.options import serve_parser
from heart_reader.tracking import download_bundle, resolve_version, set_up_reading
from heart_reader.tracking.served.app import make_app, with_copies
from heart_reader.tracking.served.shadow import Shadow

LOWEST = 19  # priority


def main(words: Sequence[str]) -> None:
    """Serves until a signal comes."""
    options = serve_parser().parse_args(words)
    check_options(options)
    if options.as_shadow:
        os.nice(LOWEST)
        threading.Thread(target=_end_with_input, daemon=True).start()
    with ExitStack() as open_now:
        address, folder = open_now.enter_context(fetched(options.model))
        app = make_app(folder, SHADOW if options.as_shadow else ANSWER)
        if options.shadow:
            beside = resolved(options.shadow)
            shadow = open_now.enter_context(Shadow(shadow_words(beside)))
            app = with_copies(app, shadow.offer)
            print(f"{beside} is asked besides, for the log alone", file=sys.stderr)
        if not options.as_shadow:
            where = f"http://{options.host}:{options.port}/invocations"
            print(f"{address} answers at {where}", file=sys.stderr, flush=True)
        settings = uvicorn.Config(
            app, host=options.host, port=options.port, log_level="warning", lifespan="off"
        )
        uvicorn.Server(settings).run()


def check_options(options: argparse.Namespace) -> None:
    """Refuses what can't work, before anything is loaded.

    Raises:
        ConfigError: a shadow that nobody would hear of, or no port.
    """
    place = find_place()
    if (options.shadow or options.as_shadow) and place is None:
        raise ConfigError(f"a shadow's answers are logged and nothing else: set {VARIABLE}")
    if not 0 < options.port < 65536:
        raise ConfigError(f"--port must lie from 1 to 65535, but is {options.port}")


def shadow_words(address: str) -> list[str]:
    """The command line of a shadow's process."""
    return ["-m", "heart_reader.serve", "--model", address, "--as-shadow"]


def resolved(address: str) -> str:
    """A pinned address: an alias may move while both are served.

    Raises:
        ModelError: nothing is registered there.
    """
    if user_path(address).is_dir() or not looks_registered(address):
        return address
    set_up_reading()
    return resolve_version(address).uri


@contextmanager
def fetched(address: str) -> Iterator[tuple[str, Path]]:
    """A model's pinned address, and the folder of its bundle."""
    pinned = resolved(address)
    if user_path(pinned).is_dir() or not looks_registered(pinned):
        yield pinned, user_path(pinned)
        return
    with tempfile.TemporaryDirectory() as name:
        yield pinned, download_bundle(resolve_version(pinned), Path(name))


def _end_with_input() -> None:
    """A shadow's server holds the other end, and may be killed."""
    while os.read(0, 4096):
        pass
    os._exit(0)


if __name__ == "__main__":
    raise SystemExit(run_entry(main))
