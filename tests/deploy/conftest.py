"""One platform for all tests of it, and what was trained there."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from deploy.stores.postgres import programs
from heart_reader.errors import ConfigError
from tests.deploy.running import Platform, User, family
from tests.tracking.processes import SMALL, words

BACKBONES = ("se_resnet1d", "xresnet1d18", "inception1d")


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """A folder that PostgreSQL's own user may enter."""
    try:
        programs()
    except ConfigError as error:
        pytest.skip(str(error))
    with tempfile.TemporaryDirectory(prefix="platform", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="session")
def platform(folder: Path, cache: Path, demo_root: Path) -> Iterator[Platform]:
    """A running platform; at the end all of its processes must be gone."""
    made = Platform(folder / "state")
    made.prepare()
    (made.state / "cache").symlink_to(cache)
    started = made.start()
    yield made
    processes = family(started.process.pid)
    started.process.terminate()
    assert started.process.wait(120) == 128 + 15
    _, alive = psutil.wait_procs(processes, timeout=10)
    assert alive == []


@pytest.fixture(scope="session")
def ada(platform: Platform) -> User:
    """A member who may promote."""
    return platform.user("ada", "promoter")


@pytest.fixture(scope="session")
def trained(platform: Platform, ada: User, demo_root: Path) -> list[str]:
    """IDs of the runs of three trainings, which ran at once."""
    started = [
        ada.start(
            platform.state / "work" / backbone / "log",
            "-m",
            "heart_reader.train",
            *words(SMALL | {"backbone": backbone}),
            HEART_READER_CACHE=str(platform.state / "cache"),
        )
        for backbone in BACKBONES
    ]
    for each in started:
        assert each.process.wait(900) == 0, each.output() + platform.logs()
    body = {"experiment_ids": ["1"], "filter": "tags.backbone != 'none'"}
    found = ada.ask("POST", "api/2.0/mlflow/runs/search", body).json()["runs"]
    return [run["info"]["run_id"] for run in found]


@pytest.fixture(scope="session")
def people(platform: Platform, ada: User) -> dict[str, User]:
    """One user of each kind."""
    return {
        "nobody": User(platform, "", ""),
        "none": platform.user("roles-none", "none"),
        "reader": platform.user("roles-reader", "reader"),
        "member": platform.user("roles-member", "member"),
        "owner": platform.user("roles-owner", "member"),
        "promoter": platform.user("roles-promoter", "promoter"),
        "admin": platform.admin,
    }
