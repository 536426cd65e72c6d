"""What several test files share: real records where they are, a small demo tree, quiet MLflow."""

import contextlib
import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

from heart_reader.project import REPOSITORY

# The packed PTB-XL lies beside the checkout, where somebody put it; it is never part of it.
PACKED_PTBXL = REPOSITORY.parent / "shared" / "ptbxl"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
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
