"""Which commit a run comes from, with a working tree and without."""

import subprocess
from pathlib import Path

import pytest

from heart_reader.bundle.provenance import COMMIT_VARIABLE, git_commit


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository of one commit."""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=n", "-c", "user.email=e@example.org"]
    subprocess.run([*git[:3], "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "m"], check=True)
    return tmp_path


def test_an_image_says_the_commit_that_it_was_built_from(tmp_path, monkeypatch):
    monkeypatch.setenv(COMMIT_VARIABLE, "0123456789")
    assert git_commit(tmp_path) == "0123456789"
    monkeypatch.setenv(COMMIT_VARIABLE, "")
    assert git_commit(tmp_path) == "unknown"


def test_a_working_tree_speaks_for_itself(tree: Path, monkeypatch):
    monkeypatch.setenv(COMMIT_VARIABLE, "0123456789")
    head = subprocess.run(
        ["git", "-C", str(tree), "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert git_commit(tree) == head
