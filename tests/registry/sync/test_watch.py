"""The watch outlives whatever the registry holds: each failure is one step's, or one look's.

Covers: registry.sync.syncer, registry.claims, registry.model_card.
"""

import threading
import time
from dataclasses import replace

import pytest

from heart_reader.config.request import config_request
from registry import claims
from registry.client import Registry
from registry.model_card import weights_text
from registry.settings import load_settings
from registry.sync.plan import Step
from registry.sync.steps import STEPS, SyncRequest
from registry.sync.syncer import Syncer
from tests.tracking.processes import Store

MODEL = "heart-reader-ensemble"
CARD = Step("card", MODEL, "card-1", "a trial", f"models:/{MODEL}/1")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """One for all: MLflow takes seconds to make it."""
    return Store(tmp_path_factory.mktemp("watch"))


@pytest.fixture
def syncer(store: Store, monkeypatch: pytest.MonkeyPatch) -> Syncer:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    settings, left = load_settings({})
    settings = replace(settings, sync=replace(settings.sync, interval=1))
    return Syncer(Registry(), SyncRequest(settings, config_request(left), ()))


def broken(*_: object) -> int:
    raise ValueError("a tag that nobody can read")


def test_an_error_that_is_not_ours_is_that_of_its_step(syncer: Syncer, monkeypatch, capfd):
    monkeypatch.setitem(STEPS, "card", replace(STEPS["card"], run=broken))
    assert not syncer.run(CARD)
    assert "a tag that nobody can read" in capfd.readouterr().err
    assert list(syncer._failures) == [CARD.key]
    monkeypatch.setitem(STEPS, "card", replace(STEPS["card"], run=lambda *_: 0))
    assert syncer.run(CARD)
    assert not syncer._failures


def test_the_watch_goes_on_where_a_look_fails(syncer: Syncer, monkeypatch, capfd):
    looks = []

    def fails_first(*_: object) -> list[Step]:
        looks.append(time.monotonic())
        if len(looks) == 1:
            raise KeyError("a name that is too long")
        return []

    monkeypatch.setattr("registry.sync.syncer.due", fails_first)
    thread = threading.Thread(target=syncer.watch)
    thread.start()
    deadline = time.monotonic() + 30
    while len(looks) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    alive, looked = thread.is_alive(), syncer.looked
    syncer.stop.set()
    syncer.wake.set()
    thread.join(30)
    assert alive and len(looks) >= 2 and looked >= looks[0]
    assert "a name that is too long" in capfd.readouterr().err


def test_a_claim_by_hand_keeps_nobody_out(syncer: Syncer):
    client = syncer.registry.client
    client.create_registered_model(MODEL)
    for number, expiry in enumerate(("inf", "1e308", "nan", "99999999999", "soon", "")):
        key = f"{claims.TAG}ensemble/{number}"
        client.set_registered_model_tag(MODEL, key, f"{expiry} eve 1")
    assert [claim.live for claim in claims.claims(syncer.registry, MODEL)] == [False] * 6


@pytest.mark.parametrize("text", ["", "[1", "7", '{"a": 7}', '{"a": ["x"]}', "[" * 9999])
def test_weights_that_somebody_wrote_are_said_so(text: str):
    assert weights_text(text).endswith("which can't be read")
