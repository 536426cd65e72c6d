"""Where backups stand: a folder of folders, named by the time, of which the newest are kept."""

import re
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from heart_reader.cli.entry import dotted_options
from heart_reader.errors import ConfigError, did_you_mean
from heart_reader.files import natural

MANIFEST = "manifest.json"  # written last: a folder that has it is whole
AUTO, LATEST = "auto", "latest"  # what stands for a folder that nobody named
NAME = re.compile(r"\d{8}-\d{6}")  # as UTC, 20261127-181500
DAY = 86400.0  # seconds


class Shelf:
    """A folder of backups.

    Args:
        folder: where, or "" where there is none.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder

    @property
    def folder(self) -> Path:
        """Its path.

        Raises:
            ConfigError: none was given.
        """
        if not self._folder:
            raise ConfigError("where the backups are must be said: --folder FOLDER")
        return Path(self._folder).resolve()

    def next(self) -> Path:
        """A backup that is made now."""
        return self.folder / time.strftime("%Y%m%d-%H%M%S", time.gmtime())

    def whole(self) -> list[Path]:
        """Those that are there, the oldest first; none that a user named."""
        found = self.folder.glob(f"*/{MANIFEST}")
        return sorted(each.parent for each in found if NAME.fullmatch(each.parent.name))

    def newest(self) -> Path:
        """The last one.

        Raises:
            ConfigError: there is none.
        """
        if not self.whole():
            raise ConfigError(f"there is no backup in {self.folder}: make backup, or FROM=FOLDER")
        return self.whole()[-1]

    def rotate(self, keep: int) -> list[Path]:
        """Removes the oldest, and what a backup left behind that died days ago.

        Args:
            keep: how many stay; 0 keeps all.
        """
        old = self.whole()[:-keep] if keep else []
        dead = [p for p in self.folder.glob("*.partial") if p.stat().st_mtime < time.time() - DAY]
        for each in [*old, *dead]:
            shutil.rmtree(each)
        return old


def how_many(word: str) -> int:
    """``KEEP``.

    Raises:
        ConfigError: another word than a number.
    """
    number = natural(word)
    if number is None:
        raise ConfigError(f"KEEP must be a number of backups, 0 for all, but is {word!r}")
    return number


def shelf_options(words: Sequence[str], one: str, others: Sequence[str]) -> dict[str, str]:
    """The options of ``backup`` or ``restore``.

    Args:
        one: the option that names a single backup; a word alone is that one, too.
        others: further ones.

    Raises:
        ConfigError: an unknown option.
    """
    if len(words) == 1 and not words[0].startswith("--"):
        words = [f"--{one}", *words]
    options = dotted_options(words)
    legal = ["folder", one, *others]
    for name in set(options) - set(legal):
        hint = did_you_mean(name, legal)
        raise ConfigError(f"unknown option --{name}{hint}: there are --{', --'.join(legal)}")
    return {"folder": "", one: AUTO if one == "to" else LATEST, **options}
