"""Files and folders: what a user means by a path, and how a file appears as a whole."""

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

from heart_reader.errors import ConfigError

LONGEST_NUMBER = 15  # digits of a word that stands for a whole number
_SQLITE = re.compile(r"sqlite(?:\+\w+)?:///([^?]*)")


def user_path(word: str | Path) -> Path:
    """A path as a user typed it; a shell leaves the ``~`` of ``data=~/ptbxl`` as it is.

    >>> user_path("~/ptbxl") == Path.home() / "ptbxl"
    True
    """
    return Path(word).expanduser()


def cache_folder() -> Path:
    """``$HEART_READER_CACHE``, or ``~/.cache/heart-reader``: packs, demo data, checkpoints.

    It is the one folder outside a run's own that anything is written to.
    """
    given = os.environ.get("HEART_READER_CACHE")
    return user_path(given) if given else Path.home() / ".cache" / "heart-reader"


def sqlite_file(uri: str) -> Path | None:
    """The file of an SQLite address, as SQLAlchemy reads it; ``None`` where it is no file.

    >>> sqlite_file("sqlite:///a%20folder/mlflow.db?mode=ro")
    PosixPath('a folder/mlflow.db')
    """
    found = _SQLITE.match(uri)
    path = "" if found is None else unquote(found[1]).removeprefix("file:")
    return None if path in {"", ":memory:"} else user_path(path)


def expanded_uri(uri: str) -> str:
    """A store's address; of ``sqlite:///~/x.db`` the file that is meant, else as it is."""
    return uri.replace("~", str(Path.home()), 1) if _begins_at_home(uri) else uri


def _begins_at_home(uri: str) -> bool:
    found = _SQLITE.match(uri)
    return found is not None and found[1].startswith("~/")


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A path beside ``path``, of the same suffix, that becomes it where all goes well.

    Whoever looks, and whoever comes after a kill, finds the old file or the new one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield beside
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def require_writable(option: str, path: Path, is_folder: bool) -> None:
    """Makes the folder that something is to be written to, before the work for it begins.

    Args:
        option: that names it, for the error.
        path: the folder, or a file in it.
        is_folder: which of the two.

    Raises:
        ConfigError: it is the other one, or can't be made or written.
    """
    if path.exists() and path.is_dir() != is_folder:
        kinds = ("a folder", "a file")
        is_one, must_be = kinds if path.is_dir() else kinds[::-1]
        raise ConfigError(f"{option} must be {must_be}, but {path} is {is_one}")
    folder = path if is_folder else path.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{option}: {folder} can't be made: {error.strerror}") from error
    if not os.access(folder, os.W_OK):
        raise ConfigError(f"{option}: {folder} can't be written")


def sha256_of(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def natural(word: str) -> int | None:
    """The number that a word of digits is, ``None`` where it is no such word, or of 16 and more.

    >>> natural("12"), natural("-1"), natural("²"), natural("9" * 5000)
    (12, None, None, None)
    """
    return int(word) if word.isdecimal() and len(word) <= LONGEST_NUMBER else None
