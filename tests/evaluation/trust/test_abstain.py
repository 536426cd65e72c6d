"""Abstaining on real fold 9: sets keep their promise to others, and risk falls with doubt."""

import numpy as np
import pytest
from sklearn.metrics import roc_curve

from heart_reader.bundle.evidence import load_evidence
from heart_reader.evaluation.thresholds import Rule
from heart_reader.evaluation.trust.abstain import hold_out, uncertainty_table
from heart_reader.evaluation.trust.fit import groups_of
from heart_reader.project import REPOSITORY

YOUDEN = Rule("youden", 0.0)


@pytest.fixture(scope="module")
def said():
    return load_evidence(REPOSITORY / "pretrained" / "ensemble")


@pytest.fixture(scope="module")
def held(said):
    groups = groups_of(said.patient_id)
    return hold_out(said.y_true, said.y_judged, groups, YOUDEN, 0.1)


def test_sets_of_other_patients_hold_the_truth_as_often_as_promised(said, held):
    """2,146 records: two standard errors of 90% are 1.3% of a class that all have or lack."""
    for k in range(5):
        for kind in (held.truth[:, k], ~held.truth[:, k]):
            allowed = 2 * np.sqrt(0.09 / kind.sum())
            assert held.covered[kind, k].mean() > 0.9 - allowed


def test_errors_are_those_of_scikit_learns_thresholds(said, held):
    groups, k = groups_of(said.patient_id), 1
    wrong = np.zeros(len(groups), bool)
    for group in range(5):
        other = groups != group
        fpr, tpr, limits = roc_curve(
            said.y_true[other, k], said.y_judged[other, k], drop_intermediate=False
        )
        limit = limits[np.argmax(tpr - fpr)]
        wrong[~other] = (said.y_judged[~other, k] >= limit) != (said.y_true[~other, k] == 1)
    assert held.wrong[:, k].mean() == pytest.approx(wrong.mean(), abs=0.002)


def test_who_keeps_the_surest_errs_less(said, held):
    half = np.arange(len(said.y_true)) % 2 == 0
    table = uncertainty_table(held, said.classes, [("half", half), ("nobody", half & ~half)])
    mean = table[(table["group"] == "all") & (table["class"] == "mean")].iloc[0]
    assert mean["risk_70"] < mean["risk_80"] < mean["risk_90"] < mean["risk"] < 0.2
    assert mean["risk_sure"] < mean["risk"] and 0 < mean["uncertain"] < 0.3
    one = table[table["class"] == "MI"].iloc[0]
    order = np.argsort(held.doubt[:, 1], kind="stable")[: round(0.8 * len(half))]
    assert one["risk_80"] == pytest.approx(held.wrong[order, 1].mean())
    assert list(table["group"].unique()) == ["all", "half"]
    assert table[table["group"] == "half"].iloc[0]["n_records"] == half.sum()
