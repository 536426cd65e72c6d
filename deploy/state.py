"""The one folder in which a platform without containers lives."""

import fcntl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from heart_reader.errors import ConfigError

DEFAULT = ".platform"


def state_folder(options: Mapping[str, str]) -> Path:
    """``--state``, absolute; other options are refused.

    Raises:
        ConfigError: an unknown option.
    """
    unknown = set(options) - {"state"}
    if unknown:
        raise ConfigError(f"unknown option --{min(unknown)}: there is --state FOLDER")
    return Path(options.get("state", DEFAULT)).resolve()


@contextmanager
def only_one(state: Path) -> Iterator[None]:
    """Holds the folder's lock: one platform at a time.

    Raises:
        ConfigError: somebody else has it.
    """
    with (state / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigError(f"the platform in {state} is running already") from error
        yield


def locked(state: Path) -> bool:
    """Whether a platform is running in the folder."""
    try:
        with only_one(state):
            return False
    except ConfigError:
        return True
