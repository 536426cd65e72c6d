"""A card in the form of CHAI's Applied Model Card, beside the one in Markdown.

XML after the schema v0.2 of the Coalition for Health AI, https://mc.chai.org/v0.2/schema.xsd .
What nobody but its user can say of a model stands there as not stated, never as good.
"""

import json
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from heart_reader.data.demo.marks import SYNTHETIC

FILE = "applied_model_card.xml"
NAMESPACE = "https://mc.chai.org/v0.2/schema.xsd"
NOT_STATED = "Not stated by the developer."
LOCAL = "To be stated by whoever uses it."
WHOLE = {"macro AUC": "macro_auc", "F_max": "f_max"}
SAFE = {"calibration error": "ece", "Brier score": "brier"}
Tree = Mapping[str, "Tree | str | Sequence[Tree | str]"]


@dataclass(frozen=True)
class Facts:
    """What is known of a version.

    Attributes:
        name, version: in the registry.
        made: the day, as YYYY-MM-DD; "" where it isn't known.
        stage: the gate's word, or that it is a candidate.
        about, limits, recipe, data: as the Markdown card has them.
        signal: that it reads, in words.
        classes: that it answers.
        kind: the backbone.
        synthetic: it was trained on synthetic ECGs.
        figures: of fold 9 and fold 10, as ``val/...`` and ``test/...``.
    """

    name: str
    version: str
    made: str
    stage: str
    about: str
    limits: str
    recipe: str
    data: str
    signal: str
    classes: Sequence[str]
    kind: str
    synthetic: bool
    figures: Mapping[str, float]


def applied_card(facts: Facts) -> str:
    """The document."""
    ET.register_namespace("", NAMESPACE)
    root = ET.Element(f"{{{NAMESPACE}}}AppliedModelCard")
    _fill(root, _tree(facts))
    ET.indent(root)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"
    )


def _fill(parent: ET.Element, tree: Tree) -> None:
    for name, value in tree.items():
        for each in [value] if isinstance(value, str | Mapping) else value:
            child = ET.SubElement(parent, f"{{{NAMESPACE}}}{name}")
            if isinstance(each, str):
                child.text = _legal(each)
            else:
                _fill(child, each)


def _legal(text: str) -> str:
    """Without control characters, which XML can't hold."""
    return "".join(c for c in text if c in "\n\t" or c >= " ")


def _tree(facts: Facts) -> Tree:
    """In the order that the schema asks for."""
    return {
        "BasicInfo": {
            "ModelName": f"{facts.name} ({SYNTHETIC})" if facts.synthetic else facts.name,
            "ModelDeveloper": "The users of Heart Reader who trained it",
            "DeveloperContact": LOCAL,
        },
        "ReleaseInfo": {
            "ReleaseStage": f"Research. {facts.stage}",
            "ReleaseDate": facts.made or NOT_STATED,
            "ReleaseVersion": facts.version,
            "GlobalAvailability": "None: not a medical device, for research alone.",
            "RegulatoryApproval": "None.",
        },
        "ModelSummary": {
            "Summary": facts.about,
            "Keywords": {"Keyword": ["electrocardiography", *facts.classes]},
        },
        "UsesAndDirections": {
            "IntendedUseAndWorkflow": "Research: support for reading ECGs, never a diagnosis.",
            "PrimaryIntendedUsers": "Researchers who can read an ECG.",
            "HowToUse": f"Reads {facts.signal}; answers with a probability and a label for each "
            "class, whether the answer is uncertain, and whether the signal can be read.",
            "TargetedPatientPopulation": f"{facts.data} Others aren't proven.",
            "CautionedOutOfScopeSettings": "Any clinical decision without a physician's reading.",
        },
        "Warnings": {
            "KnownRisksAndLimitations": facts.limits,
            "KnownBiasesOrEthicalConsiderations": "Labels are statements by readers, not "
            "outcomes. How it does for parts of the patients stands under FairnessEquity.",
            "ClinicalRiskLevel": "Not assessed: not for clinical use.",
        },
        "TrustIngredients": {
            "AISystemFacts": _system(facts),
            "TransparencyInformation": {
                "FundingSource": NOT_STATED,
                "ThirdPartyInformation": "Every package around it: sbom.cdx.json of the same run.",
                "StakeholdersConsulted": NOT_STATED,
            },
        },
        "KeyMetrics": _metrics(facts),
        "Resources": {
            "EvaluationReferences": "The runs that the Markdown card names.",
            "PeerReviewedPublications": "None of this version.",
            "PatientConsentOrDisclosure": LOCAL,
        },
        "Bibliography": "",
    }


def _system(facts: Facts) -> Tree:
    return {
        "OutcomesAndOutputs": f"Probabilities of {', '.join(facts.classes)}, several at once.",
        "ModelType": f"{facts.kind}: a neural network, supervised, locked after training.",
        "InputDataSource": "ECG recorders' files, or samples with rate, leads and unit.",
        "OutputAndInputDataTypes": f"In: {facts.signal}. Out: numbers from 0 to 1, and words.",
        "DevelopmentDataCharacterization": f"{facts.data}\n\n{facts.recipe}",
        "BiasMitigationApproaches": "Measured, not mitigated: the gate refuses a successor "
        "that is surely worse for a part of the patients.",
        "OngoingMaintenance": "Answers may be logged, and held against fold 9 (monitor).",
        "Security": "Bundles hold JSON and safetensors, no code; promotions are signed.",
    }


def _metrics(facts: Facts) -> Tree:
    names = {**WHOLE, **{f"AUC {c}": f"auc_{c}" for c in facts.classes}}
    parts = sorted(
        key.removesuffix("/macro_auc").removeprefix("test/")
        for key in facts.figures
        if key.startswith("test/") and key.endswith("/macro_auc") and key.count("/") > 1
    )
    return {
        "UsefulnessUsabilityEfficacy": _metric(
            "To rank records with a class above those without it.", _results(facts, names)
        ),
        "FairnessEquity": _metric(
            "No part of the patients for whom it is much worse.",
            _results(facts, {f"macro AUC, {part}": f"{part}/macro_auc" for part in parts}),
        ),
        "SafetyReliability": _metric("Probabilities that keep their word.", _results(facts, SAFE)),
    }


def _metric(goal: str, results: Sequence[Tree | str]) -> Tree:
    return {
        "MetricGoal": goal,
        "Results": {"MetricResult": results},
        "Interpretation": "Intervals are of bootstrap resamples. " + LOCAL,
        "TestType": "Internal: records of the same source, of other patients.",
        "TestingDataDescription": "Fold 9 chose epochs and thresholds; fold 10 was kept apart.",
        "ValidationProcessAndJustification": "No external validation.",
    }


def _results(facts: Facts, names: Mapping[str, str]) -> Sequence[Tree | str]:
    found: list[Tree | str] = []
    for label, key in names.items():
        for prefix, fold in (("test", "fold 10"), ("val", "fold 9")):
            value = facts.figures.get(f"{prefix}/{key}")
            if value is not None:
                ends = _interval(facts.figures, f"{prefix}/{key}")
                told = json.dumps({"kind": "single", "value": round(value, 4), "unit": ""})
                found.append({"Label": f"{label}, {fold}{ends}", "ValueJson": told})
    none: Tree = {"Label": "not measured", "ValueJson": json.dumps({"kind": "none"})}
    return found or [none]


def _interval(figures: Mapping[str, float], key: str) -> str:
    low, high = figures.get(f"{key}_low95"), figures.get(f"{key}_high95")
    return "" if low is None or high is None else f" (95% {low:.4f} to {high:.4f})"
