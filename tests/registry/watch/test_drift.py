"""When two samples of answers are called different.

Covers: registry.watch.sample.
"""

import math

import numpy as np
import pytest
from scipy import stats

from registry.watch.drift import Finding, Limits, compare_samples, fisher, judge, psi
from registry.watch.sample import Sample, bare_sample, sample_of
from tests.predictions.test_log import answered

LIMITS = Limits(0.01, 0.1, 0.05)


def sample(numbers: np.ndarray, share: float = 0.5) -> Sample:
    so = np.arange(len(numbers)) < share * len(numbers)
    return Sample(len(numbers), {"x": numbers}, {"so": so})


def test_the_stability_index_by_hand():
    then = np.arange(100.0)  # ten in each bin
    now = np.concatenate([np.arange(50.0), np.arange(50.0)])  # 20 in each of the lower five
    low, none, usual = 20.5 / 105, 0.5 / 105, 10.5 / 105
    by_hand = 5 * ((low - usual) * math.log(low / usual) + (none - usual) * math.log(none / usual))
    assert psi(now, then) == pytest.approx(by_hand, rel=1e-12)
    assert psi(then, then) == 0
    assert psi(np.ones(30), np.ones(30)) == 0


def test_shares_are_held_by_fishers_test():
    now, then = np.arange(20) < 8, np.arange(30) < 2
    table = stats.hypergeom(50, 10, 20)  # of 50, ten are so; twenty are drawn
    chances = table.pmf(np.arange(11))
    by_hand = chances[chances <= chances[8] * (1 + 1e-9)].sum()
    assert fisher(now, then) == pytest.approx(by_hand, rel=1e-9)


def test_what_is_large_and_sure_is_told():
    rng = np.random.default_rng(0)
    then = sample(rng.normal(size=2000))
    cases = {
        "same": (rng.normal(size=500), 0.5, []),
        "shifted": (rng.normal(1, 1, 500), 0.5, ["x"]),
        "share": (rng.normal(size=500), 0.8, ["so"]),
        "sure but small": (rng.normal(0.25, 1, 5000), 0.5, []),
        "large but few": (rng.normal(0.4, 1, 25), 0.5, []),
    }
    for name, (numbers, share, expected) in cases.items():
        found = judge(compare_samples(sample(numbers, share), then, "then"), LIMITS)
        assert [each.name for each in found if each.alert] == expected, name
        if name == "sure but small":
            assert [each.name for each in found if each.sure] == ["x"]


def test_where_nothing_changed_one_look_in_a_hundred_tells_at_most():
    rng = np.random.default_rng(1)
    then = Sample(500, {str(k): rng.normal(size=500) for k in range(10)}, {})
    told = 0
    for _ in range(100):
        now = Sample(200, {str(k): rng.normal(size=200) for k in range(10)}, {})
        told += judge(compare_samples(now, then, "then"), Limits(0.01, 0, 0.05))[0].alert
    assert told <= 4  # one expected; more than 4 of 100 in one of 250 such tests


def test_holm_judges_all_looks_together():
    def one(p: float) -> Finding:
        return Finding(f"{p}", "share", "x", 0, 0, 1.0, p)

    found = judge([one(0.03), one(0.0024), one(0.0033), one(0.0025)], LIMITS)
    # Of four: 0.0024 <= 0.01/4, 0.0025 <= 0.01/3, 0.0033 <= 0.01/2, 0.03 > 0.01.
    assert [each.p for each in found if each.sure] == [0.0024, 0.0025, 0.0033]
    assert not judge([one(0.0026)] * 4, LIMITS)[0].sure


def test_rows_become_columns():
    rows = [vars(answered(0, flags=["lead_reversal"], novelty=1.2, decade=None)),
            vars(answered(1, uncertain=["MI"], quality="doubtful", labels=[]))]  # fmt: skip
    found = sample_of(rows, ("MI", "NORM"))
    assert found.n == 2
    assert found.numbers["probability MI"].tolist() == [0.25, 0.25]
    assert "probability NORM" not in found.numbers  # nothing is known of it
    assert found.numbers["age decade"][1] == 60 and np.isnan(found.numbers["age decade"][0])
    so = {name: values.tolist() for name, values in found.shares.items()}
    assert so["lead reversal"] == [True, False] and so["novel"] == [True, False]
    assert so["uncertain"] == [False, True] and so["quality doubtful"] == [False, True]
    assert so["label MI"] == [True, False] and so["no P wave"] == [True, True]


def test_what_only_one_side_knows_is_not_compared():
    scores = np.array([[0.2, 0.8]] * 30, np.float32)
    bare = bare_sample(scores, scores > 0.5, scores < 0, ("MI", "NORM"))
    whole = sample_of([vars(answered(k)) for k in range(30)], ("MI", "NORM"))
    names = {each.name for each in compare_samples(whole, bare, "fold 9")}
    assert names == {"probability MI", "label MI", "label NORM", "uncertain"}
