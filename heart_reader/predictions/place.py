"""Where answers are logged to, as the environment says it; nowhere unless it does.

``HEART_READER_LOG``        sqlite:///FILE, postgresql://..., or a folder for Parquet files
``HEART_READER_LOG_ROWS``   that are kept; the oldest go first
``HEART_READER_LOG_KEY``    makes hashes of records' names; without it, no record is told
"""

import hashlib
import hmac
import importlib.util
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from heart_reader.errors import ConfigError
from heart_reader.files import cache_folder, expanded_uri, natural, user_path

VARIABLE = "HEART_READER_LOG"
ROWS_VARIABLE, KEY_VARIABLE = f"{VARIABLE}_ROWS", f"{VARIABLE}_KEY"
MOST_ROWS = 1_000_000  # about 1 GB
SQLITE, POSTGRES, PARQUET = "sqlite", "postgresql", "parquet"
_ADDRESS = re.compile(r"([a-z0-9]+)(\+\w+)?://")


@dataclass(frozen=True)
class Place:
    """Where answers go.

    Attributes:
        kind: a database's, or "parquet".
        address: as SQLAlchemy has it, or a folder.
        most_rows: that are kept.
        key: of the hashes of records' names; empty: none are kept.
        journal: the folder on this machine in which answers wait for the table.
    """

    kind: str
    address: str
    most_rows: int
    key: bytes = field(repr=False)
    journal: Path

    def __str__(self) -> str:
        return re.sub(r"//[^/@]*@", "//", self.address)  # without who logs in, and how

    def hashed(self, record: str) -> str | None:
        """A record's name under the key: the file's, without folder and ending."""
        if not self.key or not record:
            return None
        name = PurePath(record).name.partition(".")[0]
        return hmac.new(self.key, name.encode(), hashlib.sha256).hexdigest()[:32]


def find_place(environment: Mapping[str, str] | None = None) -> Place | None:
    """The place that the environment names, or ``None``.

    Raises:
        ConfigError: an address of another kind, a driver that isn't installed, no number of rows.
    """
    given = os.environ if environment is None else environment
    address = given.get(VARIABLE, "").strip()
    if not address:
        return None
    kind, address = _kind_of(address)
    digest = hashlib.sha256(address.encode()).hexdigest()[:16]
    journal = cache_folder() / "predictions" / digest
    key = given.get(KEY_VARIABLE, "").encode()
    return Place(kind, address, _rows(given.get(ROWS_VARIABLE, "")), key, journal)


def require_place(who: str) -> Place:
    """The place that the environment names, for somebody who reads the log.

    Args:
        who: reads it.

    Raises:
        ConfigError: as of `find_place`, or it names none.
    """
    place = find_place()
    if place is None:
        raise ConfigError(f"{who} reads the log of answers: set {VARIABLE} as the server has it")
    return place


def _kind_of(address: str) -> tuple[str, str]:
    found = _ADDRESS.match(address)
    if found is None:
        return PARQUET, str(user_path(address).absolute())
    kind, driver = found[1], found[2] or ""
    if kind == "postgres":
        kind, address = POSTGRES, address.replace("postgres", POSTGRES, 1)
    if kind not in (SQLITE, POSTGRES):
        raise ConfigError(
            f"{VARIABLE} must be sqlite:///FILE, postgresql://... or a folder, but begins with "
            f"{found[0]}"
        )
    if kind == POSTGRES and not driver:
        if importlib.util.find_spec("psycopg2") is None:
            raise ConfigError(f"{VARIABLE}: {kind} needs the package psycopg2-binary")
        address = address.replace("postgresql:", "postgresql+psycopg2:", 1)
    return kind, expanded_uri(address)


def _rows(word: str) -> int:
    if not word:
        return MOST_ROWS
    rows = natural(word)
    if not rows:
        raise ConfigError(f"{ROWS_VARIABLE} must be a number of at least 1, but is {word!r}")
    return rows
