"""From two candidates to an ensemble with a report: one story, told in the order of the tests.

Covers: registry.ensemble.report, registry.gate.clean_load, registry.gate.reproduce,
    registry.gate.rules, registry.model_card, registry.sync.plan, registry.ground.logged,
    registry.thresholds, registry.gate.texts.
"""

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from heart_reader import evaluate
from heart_reader.tracking.figures import flat
from registry.ensemble import make as ensemble
from registry.gate import promote
from registry.pretrained import import_bundle
from registry.sync import syncer as sync
from tests.registry.fleet import (
    ENSEMBLE,
    OPEN_GATE,
    SE,
    XRES,
    aliases,
    bundle_of,
    changed_bundle,
    frame,
    log_foreign,
    made_by_sync,
    running,
    version,
    versions,
)
from tests.tracking.processes import Store
from tests.tracking.trained import Call

pytest_plugins = ["tests.registry.fleet", "tests.tracking.trained"]
FEW = ("--evaluation.n_resamples", "20", "--evaluation.n_sheets", "0")
# An export without training and TFLite, whose gate 30 records of fold 9 can't decide.
QUICK_EXPORT = (
    "--stages", "prune,quantize", "--parity.max_auc_loss", "1", "--measure.n_runs", "3",
    "--measure.n_resamples", "20", "--quantize.n_calibrate", "16", "--quantize.n_judge", "16",
)  # fmt: skip


def figures_in(store: Store, run_id: str) -> dict[str, float]:
    return flat(store.artifact(run_id, "intervals.csv").read_text())


def refused(call: Call, store: Store, *arguments: str) -> None:
    with pytest.raises(SystemExit) as ended:
        call(promote.main, store, *arguments)
    assert ended.value.code == 2


# ---------------------------------------------------------------- the gate


def test_a_first_champion_must_reach_the_floors(call: Call, fleet: Store):
    refused(call, fleet, "--model", SE, "--gate.min_macro_auc", "1")
    tags = version(fleet, SE, "candidate").tags
    assert tags["gate"] == "refused" and "must start at 1.0000" in tags["gate_reason"]
    assert aliases(fleet, SE) == {"candidate": 1}


@pytest.mark.parametrize("name", [SE, XRES])
def test_it_becomes_champion(call: Call, fleet: Store, name: str):
    assert call(promote.main, fleet, "--model", name, *OPEN_GATE).code == 0
    assert aliases(fleet, name) == {"candidate": 1, "champion": 1}
    champion = version(fleet, name, "champion")
    assert champion.tags["gate"] == "promoted" and champion.tags["gate_against"] == "none"
    run = fleet.client.get_run(champion.tags["gate_run"])
    assert run.info.status == "FINISHED" and run.data.metrics["gate/difference"] < 1e-6
    for part in ("## Data", "## Training", "## Intended use", "## Lineage", champion.run_id):
        assert part in champion.description
    assert fleet.artifact(champion.run_id, "model_card.md").read_text() == champion.description
    again = call(promote.main, fleet, "--model", name)
    assert again.code == 0 and "is champion already" in again.out


# ---------------------------------------------------------------- the ensemble


def test_the_ensemble_and_its_lineage(call: Call, fleet: Store):
    called = call(ensemble.main, fleet, *FEW)
    assert called.code == 0, called.err
    made = version(fleet, ENSEMBLE, "candidate")
    members = {name: version(fleet, name, "champion") for name in (SE, XRES)}
    assert set(made.tags["members"].split(",")) == {f"{SE}/1", f"{XRES}/1"}
    assert set(made.tags["member_runs"].split(",")) == {m.run_id for m in members.values()}
    assert made.tags["data_digest"] == members[SE].tags["data_digest"]
    for name in (SE, XRES):
        assert f"(#/models/{name}/versions/1)" in made.description
    run = fleet.client.get_run(made.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags["fold9/se_resnet1d"] == "predictions_fold9.parquet"
    bundle = bundle_of(fleet, f"models:/{ENSEMBLE}@candidate")
    own_true, own = frame(fleet, made.run_id, "predictions_fold9.parquet")
    parts = {
        name: frame(fleet, m.run_id, "predictions_fold9.parquet") for name, m in members.items()
    }
    mixed = sum(
        parts[f"heart-reader-{name}"][1].to_numpy() * bundle.weights[k]
        for k, name in enumerate(bundle.names)
    )
    np.testing.assert_allclose(own.to_numpy(), mixed, atol=1e-6)
    y_true, crossed = frame(fleet, made.run_id, "predictions_fold9_crossfitted.parquet")
    auc = roc_auc_score(y_true, crossed)
    assert run.data.metrics["val/macro_auc"] == pytest.approx(auc, abs=1e-9)
    figures = figures_in(fleet, made.run_id)
    assert figures["fitted/macro_auc"] == pytest.approx(roc_auc_score(own_true, own))
    alone = roc_auc_score(*parts[SE])
    assert figures["member/se_resnet1d/macro_auc"] == pytest.approx(alone)
    assert figures["gain/se_resnet1d/macro_auc"] == pytest.approx(auc - alone)
    assert {name.partition("/")[0] for name in run.data.metrics} == {"val"}  # charts of one bar
    assert fleet.artifact(made.run_id, "plots/weights.png").read_bytes()[:4] == b"\x89PNG"


# ---------------------------------------------------------------- evaluation


def test_looks_at_fold_10_are_counted_and_subgroups_are_right(call: Call, fleet: Store):
    for look in (1, 2):
        called = call(evaluate.main, fleet, "--model", f"models:/{SE}@champion", *FEW)
        assert called.code == 0, called.err
        tags = version(fleet, SE, "champion").tags
        assert tags["test/evaluations"] == str(look)
    assert "Evaluation 2 of this version on fold 10" in called.out
    run = fleet.client.get_run(tags["test/run_id"])
    y_true, y_score = frame(fleet, run.info.run_id, "predictions_fold10.parquet")
    auc = roc_auc_score(y_true, y_score)
    assert tags["test/macro_auc"] == f"{auc:.4f}"
    table = figures_in(fleet, run.info.run_id)
    counts = [table[f"test/sex/{sex}/n_records"] for sex in ("male", "female")]
    assert not any(name.startswith("test/sex/") for name in run.data.metrics)
    assert sum(counts) == len(y_true) and min(counts) > 0
    assert "| sex/female |" in run.data.tags["mlflow.note.content"]


# ---------------------------------------------------------------- sync


def test_dry_run_prints_the_plan_and_does_nothing(call: Call, fleet: Store):
    before = len(fleet.runs())
    called = call(sync.main, fleet, "--dry_run", "true")
    for word in ("promote", "evaluate", "card", "export"):
        assert word in called.out
    assert len(fleet.runs()) == before


def test_two_syncs_one_killed_and_everything_is_there_once(fleet: Store):
    command = [
        sys.executable,
        "-m",
        "registry.sync.syncer",
        "--sync.claim_seconds",
        "6",
        *OPEN_GATE,
        *FEW,
        *QUICK_EXPORT,
    ]
    first = fleet.start(command)
    first.wait_until(lambda: bool(made_by_sync(fleet)))
    second = fleet.start(command)
    time.sleep(1)
    os.killpg(first.process.pid, signal.SIGKILL)  # sync and the step that it runs
    first.finish()
    assert second.finish(1200) == 0, second.output()
    assert running(fleet) == []
    done = made_by_sync(fleet)
    finished = [work for work, status in done if status == "FINISHED"]
    # The story's evaluation of se_resnet1d was by hand, as was the ensemble.
    assert finished == ["evaluate-1", "evaluate-1", "export-1", "export-1", "promote-1"]
    sources = [made.tags["source"] for made in versions(fleet, "heart-reader-edge")]
    assert sorted(sources) == [f"{SE}/1", f"{XRES}/1"]
    assert [status for _, status in done if status != "FINISHED"] in (["KILLED"], [])
    assert aliases(fleet, ENSEMBLE) == {"candidate": 1, "champion": 1}
    for name in (SE, XRES, ENSEMBLE):
        champion = version(fleet, name, "champion")
        assert f"Evaluated on fold 10 {2 if name == SE else 1} time" in champion.description
        claimed = [k for k in fleet.client.get_registered_model(name).tags if "claim" in k]
        assert claimed == []


def test_a_second_sync_does_nothing(call: Call, fleet: Store):
    before = len(fleet.runs())
    called = call(sync.main, fleet)
    assert called.code == 0 and called.out.splitlines()[-1] == "nothing to do"
    assert len(fleet.runs()) == before


# ---------------------------------------------------------------- worse, forced, back


@pytest.fixture(scope="module")
def worse(fleet: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    bundle = bundle_of(fleet, f"models:/{SE}/1")
    return changed_bundle(bundle, tmp_path_factory.mktemp("worse") / "bundle", {})


def test_a_worse_candidate_is_refused_forced_and_rolled_back(
    call: Call, fleet: Store, worse: Path
):
    assert call(import_bundle.main, fleet, "--bundle", str(worse)).code == 0
    refused(call, fleet, "--model", SE)
    tags = version(fleet, SE, "candidate").tags
    assert tags["gate"] == "refused" and tags["gate_against"] == f"{SE}/1"
    assert "macro AUC against the champion: -" in tags["gate_reason"]
    assert "no fold-9 predictions" in tags["gate_reason"]
    assert aliases(fleet, SE) == {"candidate": 2, "champion": 1}
    called = call(promote.main, fleet, "--model", f"{SE}/2", "--force", "a trial")
    assert called.code == 0
    assert version(fleet, SE, "champion").tags["gate_reason"].startswith("a trial (against: macro")
    assert aliases(fleet, SE) == {"candidate": 2, "champion": 2, "previous": 1}
    assert call(promote.main, fleet, "--model", SE, "--rollback", "true").code == 0
    assert aliases(fleet, SE) == {"candidate": 2, "champion": 1, "previous": 2}
    called = call(promote.main, fleet, "--model", XRES, "--rollback", "true")
    assert called.code == 1 and "no previous champion" in called.errors[0]


def test_predictions_that_were_never_logged_are_made_again(call: Call, fleet: Store):
    members = f"{SE}/2,{XRES}@champion"
    called = call(ensemble.main, fleet, "--members", members, "--method", "mean", *FEW)
    assert called.code == 0, called.err
    made = version(fleet, ENSEMBLE, "candidate")
    run = fleet.client.get_run(made.run_id)
    assert run.data.tags["fold9/se_resnet1d"] == "recomputed"
    upright = roc_auc_score(
        *frame(fleet, version(fleet, SE, "champion").run_id, "predictions_fold9.parquet")
    )
    # Upside down, every pair is in the wrong order.
    alone = figures_in(fleet, run.info.run_id)["member/se_resnet1d/macro_auc"]
    assert alone == pytest.approx(1 - upright, abs=1e-6)
    weights = bundle_of(fleet, f"models:/{ENSEMBLE}@candidate").weights
    np.testing.assert_array_equal(weights, np.full((2, 5), 0.5))


# ---------------------------------------------------------------- bad input

BAD = {
    "--members heart-reader-se_resnet1d/1": "needs at least 2 members, but there is",
    "--members heart-reader-se_resnet1d/1,heart-reader-se_resnet1d/1": "be different versions",
    "--members heart-reader-se_resnet1d@chapmion,heart-reader-xresnet1d18/1": "@chapmion",
    "--members heart-reader-ensemble/1,heart-reader-xresnet1d18/1": "is an ensemble itself",
    "--method median": "one of 'weighted', 'mean', 'per_class', 'greedy', 'best', but is 'median'",
    "--ensemble.n_group 3": "did you mean 'ensemble.n_groups'?",
    "--ensemble.n_groups 1000": "n_groups must lie from 2 to",
}


@pytest.mark.parametrize("typed", BAD)
def test_a_bad_ensemble_is_one_line_and_registers_nothing(call: Call, fleet: Store, typed: str):
    before = len(versions(fleet, ENSEMBLE))
    called = call(ensemble.main, fleet, *typed.split())
    assert called.code == 1
    (line,) = called.errors
    assert BAD[typed] in line
    assert len(versions(fleet, ENSEMBLE)) == before and running(fleet) == []


def test_members_of_other_data_and_foreign_models_are_refused(
    call: Call, fleet: Store, tmp_path: Path
):
    bundle = bundle_of(fleet, f"models:/{SE}/1")
    other = changed_bundle(bundle, tmp_path / "bundle", {"data_digest": "0" * 64})
    assert call(import_bundle.main, fleet, "--bundle", str(other)).code == 0
    foreign = log_foreign(fleet, XRES)
    before = len(versions(fleet, ENSEMBLE))
    for members, message in (
        (f"{SE}/3,{XRES}/1", f"{SE}/3 on 0000000000000000"),
        (f"{SE}/1,{XRES}/{foreign}", f"models:/{XRES}/{foreign} holds no bundle"),
    ):
        called = call(ensemble.main, fleet, "--members", members)
        assert called.code == 1
        (line,) = called.errors
        assert message in line
    called = call(promote.main, fleet, "--model", f"{XRES}/{foreign}")
    assert called.code == 1 and "holds no bundle" in called.errors[0]
    assert len(versions(fleet, ENSEMBLE)) == before and running(fleet) == []


def test_a_registry_without_models_and_a_server_that_is_away(call: Call, tmp_path: Path):
    empty = Store(tmp_path)
    called = call(ensemble.main, empty)
    assert called.code == 1 and "there is none" in called.errors[0]
    assert empty.runs() == []
    called = call(sync.main, empty)
    assert called.code == 0 and "nothing to do" in called.out
    called = call(promote.main, empty, "--model", SE, uri="http://127.0.0.1:9")
    (line,) = called.errors
    assert called.code == 1 and "tracking store http://127.0.0.1:9" in line


def test_main_needs_a_model(call: Call, fleet: Store):
    called = call(promote.main, fleet)
    assert called.errors == ["error: promote needs --model NAME@ALIAS, NAME/VERSION or NAME"]
