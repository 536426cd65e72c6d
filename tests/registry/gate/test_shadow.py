"""The gate and the log: two pretrained models' real answers on fold 9, one as the other's shadow.

Covers: registry.gate.shadow, registry.watch.beside.
"""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import beta

from heart_reader.errors import ConfigError
from heart_reader.predictions.log import Log
from heart_reader.predictions.place import find_place
from heart_reader.tracking import ModelVersion
from registry.gate import promote, shadow
from registry.settings import GateConfig, load_settings
from registry.sync.plan import State, promote_due
from registry.sync.recorded import Followed
from registry.watch.beside import Agreed
from tests.predictions.test_log import answered
from tests.registry.compare.test_compare import evidence

OWN, OTHER = evidence("se_resnet1d"), evidence("inception1d")
CLASSES = OWN.classes
NAME = "heart-reader-ensemble"
CHAMPION, CANDIDATE = (ModelVersion(NAME, str(k), "", "") for k in (1, 2))
N = 250


def asked(share: float, n: int = 200) -> GateConfig:
    options = {"gate.min_shadow_agreement": str(share), "gate.n_shadow": str(n)}
    return load_settings(options)[0].gate


@pytest.fixture
def log(tmp_path: Path, monkeypatch):
    """Logs what both said of the first records; each bundle's digest is its version's number."""
    monkeypatch.setenv("HEART_READER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HEART_READER_LOG", f"sqlite:///{tmp_path}/log.db")
    monkeypatch.setattr(shadow, "_digest", lambda version: version.version * 64)
    place = find_place()
    assert place is not None

    def add(n: int, digest: str = "2" * 16, record: str | None = None, first: int = 0) -> None:
        kept = Log(place, background=False)
        for version, truth, role, mine in (
            (CHAMPION, OWN, "answer", "1" * 16),
            (CANDIDATE, OTHER, "shadow", digest),
        ):
            scores = truth.y_score[first : first + n]
            kept.add([
                answered(
                    10_000 * int(version.version) + first + k, model=f"{NAME}/{version.version}",
                    digest=mine, role=role, request=f"r{first + k}", record=record,
                    time=1_700_000_000 + first + k,
                    labels=[c for c, s in zip(CLASSES, row, strict=True) if s >= 0.5],
                )
                for k, row in enumerate(scores)
            ])  # fmt: skip
        kept.close()

    return add


def judged(config: GateConfig):
    (check,) = shadow.beside_champion(CANDIDATE, CHAMPION, CLASSES, config)
    return check


def test_each_class_is_held_by_the_lower_end_of_its_interval(log):
    log(N)
    own, other = (each.y_score[:N] >= 0.5 for each in (OWN, OTHER))
    same = (own == other).sum(axis=0)
    check = judged(asked(0.5))
    assert check.passed and check.values["n_shadow"] == N
    for c, name in enumerate(CLASSES):
        low = beta.ppf(0.025, same[c], N - same[c] + 1)  # of Clopper and Pearson
        assert check.values[f"agreement_{name}"] == pytest.approx(same[c] / N)
        assert check.values[f"agreement_{name}_low95"] == pytest.approx(low)
        alone = (own[:, c] & ~other[:, c]).sum(), (other[:, c] & ~own[:, c]).sum()
        assert check.values[f"champion_alone_{name}"] == alone[0]
        assert check.values[f"candidate_alone_{name}"] == alone[1]
    worst = min(check.values[f"agreement_{name}_low95"] for name in CLASSES)
    assert judged(asked(worst - 1e-9)).passed
    refused = judged(asked(worst + 1e-9))
    least = CLASSES[int(same.argmin())]
    assert not refused.passed and refused.text.startswith(f"{least} {same.min() / N:.1%} (95%")


def test_few_records_or_none_are_said(log):
    none = judged(asked(0.5))
    assert not none.passed and f"holds no record that {NAME}/2 answered as the shadow" in none.text
    log(40)
    few = judged(asked(0.5))
    assert not few.passed and "holds 40 records" in few.text and "200 are needed" in few.text
    assert "password" not in few.text


def test_other_bundles_of_the_same_name_and_the_same_patient_again_do_not_count(log):
    log(60, digest="f" * 16)  # of another registry
    log(30, record="one patient's", first=100)
    log(50, first=200)
    assert judged(asked(0.5)).values == {"n_shadow": 51}


def test_all_of_one_opinion_leave_an_interval():
    assert Agreed("MI", 100, 0, 0).interval == pytest.approx((0.025 ** (1 / 100), 1))


def test_it_is_off_unless_asked_for_and_needs_a_log(monkeypatch):
    monkeypatch.delenv("HEART_READER_LOG", raising=False)
    off = load_settings({})[0].gate
    assert shadow.beside_champion(CANDIDATE, CHAMPION, CLASSES, off) == []
    with pytest.raises(ConfigError, match=r"gate\.min_shadow_agreement reads the log of answers"):
        promote.read_request({"model": NAME, "gate.min_shadow_agreement": "0.9"})


def test_sync_waits_until_a_shadow_has_said_enough(log):
    followed = Followed(None, load_settings({})[0].sync, asked(0.5))  # type: ignore[arg-type]

    def state() -> State:
        found = State(None, None, early=followed.early)  # type: ignore[arg-type]
        backbones = [ModelVersion(f"heart-reader-{k}", "1", "", "") for k in ("a", "b")]
        members = "heart-reader-a/1,heart-reader-b/1"
        vars(found).update(_found=[(v, "") for v in [*backbones, CHAMPION]], candidate=CANDIDATE)
        found._tags = {CANDIDATE: {"members": members}}
        return found

    log(150)
    assert promote_due(state()) == []
    assert "isn't judged yet" in state().unripe and "holds 150 records" in state().unripe
    log(N, first=150)
    (step,) = promote_due(state())
    assert step.target == CANDIDATE.uri and state().unripe == ""
    assert np.isfinite(judged(asked(0.5)).values["agreement_MI"])
