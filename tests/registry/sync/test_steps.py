"""A follow-on step as a newcomer adds one: its functions, and a line in `STEPS`."""

from pathlib import Path

import pytest
from mlflow import MlflowClient

from heart_reader.errors import DataError
from registry.sync import step as process
from registry.sync import syncer
from registry.sync.plan import Step
from registry.sync.steps import STEPS, StepKind
from tests.tracking.processes import Store

pytest_plugins = ("tests.tracking.trained",)
NOTE = Step("note", "heart-reader-x", "note-1", "nobody wrote it", "models:/heart-reader-x/1")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path)
    MlflowClient(store.uri).create_registered_model(NOTE.model)
    return store


def test_a_new_step_is_planned_and_done_under_a_claim(store, call, monkeypatch):
    done = []

    def write(registry, step, request) -> int:
        claimed = [key for key in registry.model(step.model).tags if key.startswith("claim/")]
        done.append((step, request.settings.gate.margin, len(claimed)))
        return 0

    monkeypatch.setitem(STEPS, "note", StepKind(lambda state: [] if done else [NOTE], write))
    planned = call(syncer.main, store, "--dry_run", "true")
    assert "nobody wrote it" in planned.out
    ended = call(process.main, store, "--step", NOTE.key, "--gate.margin", "0.25")
    assert (ended.code, done) == (0, [(NOTE, 0.25, 1)])
    (run,) = store.runs()
    assert (run.info.status, run.data.tags["follows"]) == ("FINISHED", NOTE.work)
    assert MlflowClient(store.uri).get_registered_model(NOTE.model).tags == {}
    assert "nothing to do" in call(syncer.main, store, "--dry_run", "true").out


@pytest.mark.parametrize(("code", "status"), [(0, "FINISHED"), (2, "FAILED")])
def test_a_steps_exit_code_is_its_processs(store, call, monkeypatch, code, status):
    monkeypatch.setitem(STEPS, "note", StepKind(lambda state: [NOTE], lambda *_: code))
    if code:
        with pytest.raises(SystemExit) as ended:
            call(process.main, store, "--step", NOTE.key)
        assert ended.value.code == code
    else:
        assert call(process.main, store, "--step", NOTE.key).code == 0
    assert [run.info.status for run in store.runs()] == [status]


def test_a_step_that_fails_says_why_and_gives_its_claim_back(store, call, monkeypatch):
    def fail(registry, step, request) -> int:
        raise DataError("no ink")

    monkeypatch.setitem(STEPS, "note", StepKind(lambda state: [NOTE], fail))
    ended = call(process.main, store, "--step", NOTE.key)
    assert (ended.code, ended.errors) == (1, ["error: no ink"])
    assert [run.info.status for run in store.runs()] == ["FAILED"]
    assert MlflowClient(store.uri).get_registered_model(NOTE.model).tags == {}


def test_a_step_that_needs_data_waits_for_them_unless_they_are_named(store, call, monkeypatch):
    kind = StepKind(lambda state: [NOTE], lambda *_: 0, needs_data=True)
    monkeypatch.setitem(STEPS, "note", kind)
    monkeypatch.setattr(syncer, "resolve_version", lambda address: address)
    monkeypatch.setattr(syncer, "data_root_of", lambda version: "/nowhere")
    assert "waits for data" in " ".join(call(syncer.main, store, "--dry_run", "true").out.split())
    named = call(syncer.main, store, "--dry_run", "true", "--data", "/here")
    assert "waits for data" not in " ".join(named.out.split())
