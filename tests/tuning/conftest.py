"""Servers and folders that the tests of the searches share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tracking.processes import Store
from tests.tuning.postgres import Postgres, running


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server."""
    with running() as server:
        yield server


@pytest.fixture
def store(tmp_path: Path, cache: Path) -> Store:
    """A folder with a tracking store; its cache is the session's, so that data is made once."""
    made = Store(tmp_path / "store")
    made.folder.mkdir()
    made.cache.symlink_to(cache)
    return made
