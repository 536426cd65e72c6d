"""Servers and folders that the tests of the searches share."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.postgres import programs
from heart_reader.errors import ConfigError
from tests.tracking.processes import Store
from tests.tuning.postgres import Postgres, free_port


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server, in a folder that its own user may enter."""
    try:
        programs()
    except ConfigError as error:
        pytest.skip(str(error))
    with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        server = Postgres(Path(name) / "data", free_port())
        server.make()
        server.start()
        yield server
        server.stop()


@pytest.fixture
def store(tmp_path: Path, cache: Path) -> Store:
    """A folder with a tracking store; its cache is the session's, so that data is made once."""
    made = Store(tmp_path / "store")
    made.folder.mkdir()
    made.cache.symlink_to(cache)
    return made
