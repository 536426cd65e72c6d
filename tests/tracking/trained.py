"""Fixtures that several test files share (`pytest_plugins`): a trained store, calls of entries."""

import subprocess
import sys
from collections.abc import Callable, Sequence

import mlflow
import pytest

from heart_reader.bundle.single import Bundle
from heart_reader.cli.entry import run_entry
from heart_reader.tracking import load_registered, resolve_version
from tests.tracking.processes import (
    MODEL,
    REPOSITORY,
    SMALL,
    Call,
    Called,
    Store,
    Trained,
    forget_mlflow,
    words,
)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """One real training with features, in its own process."""
    store = Store(tmp_path_factory.mktemp("trained"))
    head = ["git", "-C", str(REPOSITORY), "rev-parse", "HEAD"]
    commit = subprocess.run(head, capture_output=True, text=True, check=False).stdout.strip()
    started = store.train(*words(SMALL | {"backbone": "se_resnet1d"}))
    if started.finish():
        raise AssertionError(started.output())
    (run,) = store.runs()
    return Trained(store, run, commit or "unknown")


@pytest.fixture(scope="session")
def bundle(trained: Trained) -> Bundle:
    """The registered bundle, in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", trained.store.uri)
        return load_registered(resolve_version(MODEL))


@pytest.fixture(scope="session")
def scratch(tmp_path_factory: pytest.TempPathFactory, trained: Trained) -> Store:
    """A store for what fails; it shares the cache, so that data is made once."""
    store = Store(tmp_path_factory.mktemp("scratch"))
    store.cache.symlink_to(trained.store.cache)
    return store


def enter(
    patch: pytest.MonkeyPatch,
    main: Callable[[Sequence[str]], None],
    store: Store,
    arguments: Sequence[str],
    uri: str,
) -> int:
    """Runs an entry point's ``main`` in this process, in a store; gives the exit code."""
    patch.setenv("MLFLOW_TRACKING_URI", uri)
    patch.setenv("HEART_READER_CACHE", str(store.cache))
    patch.setattr(sys, "argv", ["entry", *arguments])
    patch.chdir(store.folder)
    with pytest.MonkeyPatch.context() as foreign:
        forget_mlflow(foreign)
        return run_entry(main)


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Calls an entry point's ``main`` as its module would, in a store."""

    def run(
        main: Callable[[Sequence[str]], None], store: Store, *arguments: str, uri: str = ""
    ) -> Called:
        capsys.readouterr()
        code = enter(monkeypatch, main, store, arguments, uri or store.uri)
        written = capsys.readouterr()
        assert mlflow.active_run() is None
        return Called(code, written.out, written.err)

    return run
