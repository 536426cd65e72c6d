"""What several test files share: real records where they are, a small demo tree, quiet MLflow.

Also how they are spread over processes (`make test`), and which are quick (`make test-quick`).
"""

import contextlib
import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

# Before anything imports PyTorch: workers share the cores, and threads that spin keep them busy.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import pytest
from hypothesis import settings

from heart_reader.project import REPOSITORY

if TYPE_CHECKING:
    from heart_reader.edge.web.runtime import BrowserRuntime

# The packed PTB-XL lies beside the checkout, where somebody put it; it is never part of it.
PACKED_PTBXL = REPOSITORY.parent / "shared" / "ptbxl"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

# What owns ports or is made once for several files runs in one worker; else a file is a group.
GROUPS = {
    "deploy": ("tests/deploy/",),
    "edge": ("tests/edge/",),
    "trained": ("tests/test_train", "tests/test_evaluate", "tests/test_resume",
                "tests/tracking/test_models", "tests/registry/test_export"),
}  # fmt: skip
# The longest first, so that no worker begins one when the other has nothing left.
LONGEST = ("tests/deploy/", "tests/test_", "tests/registry/", "tests/tuning/", "tests/tracking/",
           "tests/edge/", "tests/house/")  # fmt: skip
# Whoever asks for one of these starts processes, or trains.
SLOW_FIXTURES = {
    "bundle", "ensemble", "fleet", "folder", "platform", "postgres", "prepared", "projects",
    "said", "editable", "scratch", "searched", "server", "store", "tflite", "trained", "worse",
}  # fmt: skip
SLOW_FILES = ("tests/deploy/", "tests/registry/test_", "tests/registry/sync/",
              "tests/registry/gate/test_iso", "tests/tuning/test_", "tests/tracking/",
              "tests/edge/", "tests/test_core_alone", "tests/test_full_run", "tests/test_resume",
              "tests/test_tasks", "tests/test_train", "tests/data/test_prepare",
              "tests/house/test_install",
              "tests/house/test_newcomer", "tests/house/test_readme",
              "tests/training/test_trainer")  # fmt: skip
# Files of those folders that do neither.
QUICK_FILES = ("tests/registry/test_settings", "tests/registry/test_claims",
               "tests/tuning/test_search_space", "tests/edge/test_choices")  # fmt: skip


@pytest.hookimpl(tryfirst=True)  # xdist's own hook, registered later, reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Groups for ``--dist loadgroup``, the order of files, and the mark ``slow``."""
    for item in items:
        path = item.path.relative_to(REPOSITORY).as_posix()
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(_group(path)))
        if _is_slow(path, set(getattr(item, "fixturenames", ()))):
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: _rank(item.path.relative_to(REPOSITORY).as_posix()))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Stops where xdist doesn't group: tests of one story would run in two processes."""
    grouped = session.config.getoption("loadgroup", False)  # xdist sets it in a worker
    lost = [item.nodeid for item in session.items if "@" not in item.nodeid]
    if grouped and lost:
        raise pytest.UsageError(
            f"pytest {pytest.__version__} and pytest-xdist don't group tests: {lost[0]} has no "
            "group in its ID; take the versions of requirements-dev.lock"
        )


def _group(path: str) -> str:
    return next((name for name, starts in GROUPS.items() if path.startswith(starts)), path)


def _is_slow(path: str, fixtures: set[str]) -> bool:
    if path.startswith(QUICK_FILES):
        return False
    return path.startswith(SLOW_FILES) or bool(fixtures & SLOW_FIXTURES)


def _rank(path: str) -> int:
    return next((n for n, start in enumerate(LONGEST) if path.startswith(start)), len(LONGEST))


# CI tries the same examples every time; at a desk each run tries others.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")


@pytest.fixture(scope="session")
def real_ptbxl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree of the first 20 real records of each of folds 1 to 9, for reading alone.

    Unpacking costs half a minute, so that all sessions and workers of a machine share one.
    """
    tool = PACKED_PTBXL / "ptbxl_pack.py"
    if not tool.exists():
        pytest.skip(f"no packed PTB-XL in {PACKED_PTBXL}")
    sums = hashlib.sha256((PACKED_PTBXL / "SHA256SUMS.txt").read_bytes()).hexdigest()[:12]
    root = Path(tempfile.gettempdir()) / f"ptbxl-first-20-{sums}"
    if not root.exists():
        own = tmp_path_factory.mktemp("ptbxl") / "tree"
        command = [sys.executable, str(tool), "unpack", str(own), "--limit", "20"]
        subprocess.run(command, check=True, capture_output=True)
        with contextlib.suppress(OSError):  # another session was first
            own.rename(root)
    return root


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder of this test session's own."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def demo_root(cache: Path) -> Path:
    """A demo tree of 200 records."""
    from heart_reader.data.demo.tree import demo_tree

    return demo_tree(cache, 200, 0)


RUNTIMES = Path(tempfile.gettempdir()) / "heart-reader-browser-runtime"


@pytest.fixture(scope="session")
def web_runtime() -> "BrowserRuntime":
    """What runs a model in a browser, fetched once for all sessions of a machine."""
    from heart_reader.edge.web.runtime import NoRuntimeError, browser_runtime

    try:
        return browser_runtime(RUNTIMES)
    except NoRuntimeError as error:
        pytest.skip(str(error))


def seed_web_runtime(cache: Path) -> None:
    """Lends a cache what runs a model in a browser, where it can be had."""
    from heart_reader.edge.web.runtime import PACKAGE, NoRuntimeError, browser_runtime

    with contextlib.suppress(NoRuntimeError):
        browser_runtime(RUNTIMES)
        (cache / PACKAGE).symlink_to(RUNTIMES / PACKAGE)
