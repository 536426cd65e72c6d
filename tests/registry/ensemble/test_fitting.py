"""An ensemble picks among unlike members, leaves out what brings nothing, and says what each does.

Covers: registry.ensemble.report.
"""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from heart_reader.tracking import ModelVersion
from registry.client import member_names
from registry.ensemble import report as written
from registry.ensemble.fitting import Member, fit
from registry.ground.fold9 import Fold9
from registry.settings import load_settings
from tests.edge.bundles import fresh_bundle
from tests.training.tiny import tiny_config

N = 400
NAMES = ("heart-reader-inception1d", "heart-reader-inception1d", "heart-reader-s4")


def versions() -> list[ModelVersion]:
    numbers = ("3", "5", "1")
    return [
        ModelVersion(name, number, f"run{number}", f"id{number}")
        for name, number in zip(NAMES, numbers, strict=True)
    ]


@pytest.fixture(scope="module")
def fold() -> Fold9:
    generator = np.random.default_rng(0)
    y_true = (generator.random((N, 5)) < 0.3).astype(np.uint8)
    numbers = np.arange(N)
    return Fold9(numbers, numbers, numbers // 2, y_true, "0" * 64, tuple("ABCDE"))


@pytest.fixture(scope="module")
def members(fold: Fold9) -> list[Member]:
    """A fused and a signal-only one with errors of their own, and one that knows nothing."""
    generator = np.random.default_rng(1)

    def seen(noise: float) -> np.ndarray:
        shifted = 2.0 * fold.y_true - 1 + noise * generator.normal(size=fold.y_true.shape)
        return (1 / (1 + np.exp(-shifted))).astype(np.float32)

    said = (seen(1.0), seen(1.2), generator.random(fold.y_true.shape).astype(np.float32))
    bundles = (fresh_bundle("inception1d"), fresh_bundle("inception1d", 0), fresh_bundle("s4"))
    task = replace(bundles[0].task, classes=fold.classes)
    rows = zip(member_names(versions()), versions(), bundles, said, strict=True)
    return [
        Member(name, version, replace(bundle, task=task), y_score)
        for name, version, bundle, y_score in rows
    ]


def fitted(members, fold, method):
    settings = load_settings({"ensemble.method": method})[0].ensemble
    run = SimpleNamespace(run_id="r")
    return fit(members, fold, tiny_config(evaluation__n_resamples=30), settings, run)


def auc(fold: Fold9, y_score) -> float:
    return float(roc_auc_score(fold.y_true, y_score))


def test_two_versions_of_one_model_have_names_of_their_own():
    assert member_names(versions()) == ["inception1d-3", "inception1d-5", "s4"]


def test_greedy_leaves_out_what_knows_nothing_and_the_bundle_answers_by_the_others(members, fold):
    found = fitted(members, fold, "greedy")
    assert found.bundle.names == ("inception1d-3", "inception1d-5")
    assert found.weights.shape == (3, 5) and not found.weights[2].any()
    np.testing.assert_array_equal(found.bundle.weights, found.weights[:2])
    mixed = np.einsum("mnc,mc->nc", [m.y_score for m in members], found.weights)
    mixed = found.bundle.trust.apply(mixed.astype(np.float32))
    np.testing.assert_allclose(found.own.y_score, mixed, atol=1e-6)
    made_of = found.bundle.provenance
    assert list(made_of["members"]) == ["inception1d-3", "inception1d-5"]
    assert made_of["left_out"] == {"s4": "models:/heart-reader-s4/1"}


def test_it_says_what_each_member_brings(members, fold):
    found = fitted(members, fold, "greedy")
    named = {member.name: member.y_score for member in members}
    table = written.comparisons(found.judged, named, found.without, 50)
    # Without one of two that know something, the other one is all there is.
    assert auc(fold, found.without["inception1d-5"]) == pytest.approx(
        auc(fold, members[0].y_score), abs=0.004
    )
    for name in ("inception1d-3", "inception1d-5"):
        expected = auc(fold, found.judged.y_score) - auc(fold, found.without[name])
        assert table[name].brings.value == pytest.approx(expected, abs=1e-6)
        assert table[name].brings.value > 0.02
    assert table["s4"].brings is None
    text = written.describe(members, found, dict(found.bundle.provenance["validation"]), table)
    (line,) = [each for each in text.splitlines() if "heart-reader-s4/1" in each]
    assert line.endswith("| left out |")
    assert "brings/inception1d-3/macro_auc" in written.flat(table, fold.classes)


def test_best_is_the_method_of_the_best_cross_fitted_score_and_names_the_others(members, fold):
    found = fitted(members, fold, "best")
    each = {name: fitted(members, fold, name) for name in found.tried}
    assert set(each) == {"weighted", "mean", "per_class", "greedy"}
    for name, alone in each.items():
        assert found.tried[name] == pytest.approx(auc(fold, alone.judged.y_score), abs=1e-6)
    chosen = max(found.tried, key=found.tried.get)
    assert found.bundle.provenance["method"] == chosen != "mean"
    np.testing.assert_array_equal(found.weights, each[chosen].weights)
    table = written.comparisons(found.judged, {}, {}, 10)
    values = dict(found.bundle.provenance["validation"])
    assert "best of these by cross-fitted macro AUC: weighted 0." in written.describe(
        [], found, values, table
    )
