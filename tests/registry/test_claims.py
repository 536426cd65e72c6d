"""Claims against a real store, by processes that want the same work at once."""

import subprocess
import sys
import time
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

from registry import claims
from registry.client import Registry
from tests.tracking.processes import Store

MODEL = "heart-reader-ensemble"
# Each waits for the same moment, so that all write at once, and says whether it got the claim.
RACER = """
import sys, time
from registry import claims
from registry.client import Registry
registry = Registry()
registry.model("x")
time.sleep(max(0, float(sys.argv[1]) - time.time()))
for work in range(6):
    claim = claims.acquire(registry, "heart-reader-ensemble", f"work-{work}", 60)
    print(work if claim else "", end=" ")
"""


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    uri = Store(tmp_path).uri
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    return Registry()


def test_of_processes_at_once_never_two_get_it(registry: Registry, tmp_path: Path):
    claims.acquire(registry, MODEL, "first", 60)  # makes the model
    start = str(time.time() + 8)
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, start],
            env=Store(tmp_path).environment(),
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    got = [word for racer in racers for word in racer.communicate(timeout=120)[0].split()]
    assert [racer.returncode for racer in racers] == [0, 0, 0]
    assert len(got) == len(set(got)), got
    assert len(got) >= 1
    kept = [claim.work for claim in claims.claims(registry, MODEL)]
    assert sorted(kept) == sorted(["first", *(f"work-{word}" for word in got)])


def test_a_claim_is_refused_to_others_until_it_expires(registry: Registry):
    mine = claims.acquire(registry, MODEL, "ensemble", 1.5)
    assert mine is not None and mine.live
    assert claims.acquire(registry, MODEL, "ensemble", 60) is None
    assert claims.acquire(registry, MODEL, "evaluate-1", 60) is not None
    time.sleep(1.6)
    theirs = claims.acquire(registry, MODEL, "ensemble", 60)
    assert theirs is not None and theirs.token != mine.token
    works = sorted(claim.work for claim in claims.claims(registry, MODEL))
    assert works == ["ensemble", "evaluate-1"]
    claims.release(registry, theirs)
    claims.release(registry, theirs)  # what is gone already is no error
    assert claims.acquire(registry, MODEL, "ensemble", 60) is not None


def test_the_run_of_a_dead_owner_is_closed_and_no_other(registry: Registry):
    client = MlflowClient()
    dead = claims.acquire(registry, MODEL, "ensemble", 0.1)
    alive = claims.acquire(registry, MODEL, "promote-1", 60)
    runs = {
        name: client.create_run("0", tags={claims.RUN_TAG: token}).info.run_id
        for name, token in (("dead", dead.token), ("alive", alive.token), ("other", "x"))
    }
    time.sleep(0.2)
    claims.sweep(registry, [MODEL, "heart-reader-nothing"])
    status = {name: client.get_run(run_id).info.status for name, run_id in runs.items()}
    assert status == {"dead": "KILLED", "alive": "RUNNING", "other": "RUNNING"}
    assert "died" in client.get_run(runs["dead"]).data.tags["error"]
    assert [claim.work for claim in claims.claims(registry, MODEL)] == ["promote-1"]


def test_a_claim_that_is_renewed_outlives_its_seconds(registry: Registry):
    claim = claims.acquire(registry, MODEL, "ensemble", 3)
    with claims.renewed(registry, claim, 3):
        time.sleep(4)
        assert [c.live for c in claims.claims(registry, MODEL)] == [True]
    assert claims.claims(registry, MODEL) == []


def test_who_loses_its_claim_is_stopped(registry: Registry, tmp_path: Path):
    code = (
        "import time\n"
        "from registry import claims\n"
        "from registry.client import Registry\n"
        "registry = Registry()\n"
        "claim = claims.acquire(registry, 'heart-reader-ensemble', 'ensemble', 3)\n"
        "with claims.renewed(registry, claim, 3):\n"
        "    registry.client.delete_registered_model_tag(claim.model, claim.key)\n"
        "    time.sleep(30)\n"
    )
    started = Store(tmp_path).start([sys.executable, "-c", code])
    begun = time.monotonic()
    assert started.finish() == -15
    assert time.monotonic() - begun < 25
    assert "lost the claim on ensemble" in started.output()


def test_a_claim_that_nobody_could_have_written_counts_as_expired(registry: Registry):
    registry.client.create_registered_model(MODEL)
    registry.client.set_registered_model_tag(MODEL, "claim/ensemble/x", "soon")
    assert claims.acquire(registry, MODEL, "ensemble", 60) is not None
    assert mlflow.active_run() is None
