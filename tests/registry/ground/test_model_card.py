"""A card: the same of runs of before and of today, and every run in it a link; and CHAI's form.

Covers: registry.ground.said, registry.trust.applied_card.
"""

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import mlflow
import pytest

from heart_reader.tracking import ModelVersion
from heart_reader.tracking.figures import log_figures
from heart_reader.tracking.fresh import make_store
from heart_reader.tracking.run import Run
from registry.model_card import render
from registry.trust.applied_card import NAMESPACE, Facts, applied_card

VALIDATED = {
    "val/macro_auc": 0.9, "val/macro_auc_low95": 0.85, "val/macro_auc_high95": 0.94,
    "val/auc_MI": 0.8, "val/auc_MI_low95": 0.7, "val/auc_MI_high95": 0.88,
    "val/auc_MI_low90": 0.71, "val/auc_MI_high90": 0.87,
    "val/f_max": 0.7, "val/ece": 0.05, "val/brier": 0.1,
}  # fmt: skip
TESTED = {key.replace("val/", "test/"): value - 0.01 for key, value in VALIDATED.items()}
PARTS = {
    "test/sex/male/n_records": 40.0, "test/sex/male/macro_auc": 0.8,
    "test/sex/male/macro_auc_low95": 0.75, "test/sex/male/macro_auc_high95": 0.86,
    "test/sex/female/n_records": 3.0,
}  # fmt: skip


@pytest.fixture
def client(tmp_path: Path) -> mlflow.MlflowClient:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    make_store(uri)
    mlflow.set_tracking_uri(uri)
    made = mlflow.MlflowClient()
    made.create_experiment("cards", artifact_location=(tmp_path / "files").as_uri())
    yield made
    mlflow.set_tracking_uri(None)


def run_of(client: mlflow.MlflowClient) -> Run:
    return Run(client.create_run("1").info.run_id)


def card_of(trained: Run, tested: Run) -> str:
    version = ModelVersion("heart-reader-se_resnet1d", "1", "", trained.run_id)
    tags = {
        "test/run_id": tested.run_id, "test/evaluations": "1", "gate": "promoted",
        "gate_run": "0" * 32,  # of a store that isn't this one
        "members": "heart-reader-a/2", "member_runs": trained.run_id,
    }  # fmt: skip
    return render(version, tags, sites=True)


def test_runs_of_before_and_of_today_have_the_same_card(client: mlflow.MlflowClient):
    before, today = ([run_of(client), run_of(client)] for _ in range(2))
    before[0].log_metrics(VALIDATED, 0)
    before[1].log_metrics(TESTED | PARTS, 0)
    log_figures(today[0], VALIDATED, 0)
    log_figures(today[1], TESTED, 0, parts=PARTS)
    cards = [re.sub(r"\b[0-9a-f]{32}\b", "RUN", card_of(*runs)) for runs in (before, today)]
    assert cards[0] == cards[1]
    assert "| AUC MI | 0.8000 (0.7000 to 0.8800) | 0.7900 (0.6900 to 0.8700) |" in cards[1]
    assert "| sex/male | 40 | 0.8000 (0.750 to 0.860) |" in cards[1]
    assert "| sex/female | 3 | too few of a class |" in cards[1]


def test_runs_are_links_where_the_store_has_them(client: mlflow.MlflowClient):
    trained, tested = run_of(client), run_of(client)
    log_figures(trained, VALIDATED, 0)
    log_figures(tested, TESTED, 0)
    card = card_of(trained, tested)
    links = re.findall(r"\[`(\w{32})`\]\(#/experiments/1/runs/(\w{32})\)", card)
    assert links == [(each, each) for each in (tested.run_id, trained.run_id, trained.run_id)]
    assert f"Gate: promoted, run `{'0' * 32}`" in card


# ---------------------------------------------------------------- in CHAI's form

FACTS = Facts(
    "heart-reader-x", "3", "2026-11-28", "Gate: promoted.", "Five <classes> & \x0bmore", "limits",
    "recipe", "PTB-XL.", "a 12-lead ECG", ("NORM", "MI"), "se_resnet1d", False,
    VALIDATED | TESTED | PARTS,
)  # fmt: skip
# What the schema v0.2 demands, in its order (it was validated against it when it was written).
DEMANDED = {
    "": "BasicInfo ReleaseInfo ModelSummary UsesAndDirections Warnings TrustIngredients "
        "KeyMetrics Resources Bibliography",
    "BasicInfo": "ModelName ModelDeveloper DeveloperContact",
    "ReleaseInfo": "ReleaseStage ReleaseDate ReleaseVersion GlobalAvailability",
    "ModelSummary": "Summary Keywords",
    "UsesAndDirections": "IntendedUseAndWorkflow PrimaryIntendedUsers HowToUse "
        "TargetedPatientPopulation CautionedOutOfScopeSettings",
    "Warnings": "KnownRisksAndLimitations KnownBiasesOrEthicalConsiderations ClinicalRiskLevel",
    "TrustIngredients": "AISystemFacts TransparencyInformation",
    "TrustIngredients/AISystemFacts": "OutcomesAndOutputs ModelType InputDataSource "
        "OutputAndInputDataTypes DevelopmentDataCharacterization BiasMitigationApproaches "
        "OngoingMaintenance",
    "TrustIngredients/TransparencyInformation": "FundingSource StakeholdersConsulted",
    "KeyMetrics": "UsefulnessUsabilityEfficacy FairnessEquity SafetyReliability",
    "Resources": "PeerReviewedPublications PatientConsentOrDisclosure",
}  # fmt: skip
OPTIONAL = {"RegulatoryApproval", "Security", "ThirdPartyInformation", "EvaluationReferences"}


def found(root: ET.Element, path: str) -> ET.Element:
    for name in filter(None, path.split("/")):
        child = root.find(f"{{{NAMESPACE}}}{name}")
        assert child is not None, path
        root = child
    return root


@pytest.mark.parametrize("path", DEMANDED)
def test_chais_card_has_what_the_schema_demands(path):
    inner = found(ET.fromstring(applied_card(FACTS)), path)
    names = [child.tag.removeprefix(f"{{{NAMESPACE}}}") for child in inner]
    assert [name for name in names if name not in OPTIONAL] == DEMANDED[path].split()


def test_chais_card_holds_the_figures():
    root = ET.fromstring(applied_card(FACTS))
    assert found(root, "ModelSummary/Summary").text == "Five <classes> & more"
    told = {}
    for kind in ("UsefulnessUsabilityEfficacy", "FairnessEquity", "SafetyReliability"):
        for result in found(root, f"KeyMetrics/{kind}/Results"):
            label, value = (child.text or "" for child in result)
            told[label] = json.loads(value)
    assert told["macro AUC, fold 9 (95% 0.8500 to 0.9400)"]["value"] == 0.9
    assert told["AUC MI, fold 10 (95% 0.6900 to 0.8700)"]["value"] == 0.79
    assert told["macro AUC, sex/male, fold 10 (95% 0.7500 to 0.8600)"]["value"] == 0.8
    assert told["calibration error, fold 9"] == {"kind": "single", "value": 0.05, "unit": ""}
