"""Reports as FHIR: read back by fhir.resources, with the numbers of the findings."""

import json
import math

from fhir.resources.R4B.bundle import Bundle

from heart_reader.reading.fhir import MEASURED, conclusion, report_of

FINDING = {
    "record": "folder/x.dcm",
    "quality": "doubtful",
    "quality_reasons": ["flat: V4"],
    "calibrated": False,
    "uncertain": [],
    "novelty": None,
    "labels": ["MI"],
    "probabilities": {"NORM": 0.1, "MI": 0.7},
    "thresholds": {"NORM": 0.5, "MI": 0.2},
    "measurements": {"rate_bpm": 63.9, "pr_ms": None, "qrs_ms": 90.0, "qt_ms": 410.0,
                     "qtc_fridericia_ms": 418.8, "qrs_axis_degrees": -17.5},
    "notes": ["resampled from 500 to 100 Hz"],
}  # fmt: skip
BESIDE = {"p_axis_degrees": 44.4, "t_axis_degrees": math.nan}


def read_back(**changes: object) -> list:
    start = {"effectiveDateTime": "2020-02-03"}
    entries = report_of("key", "m", {**FINDING, **changes}, BESIDE, "2026-01-01T00:00:00Z", start)
    text = json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries})
    return [each.resource for each in Bundle.model_validate_json(text).entry]


def by_code(resources: list) -> dict:
    return {
        (each.code.coding[0].code if each.code.coding else each.code.text): each
        for each in resources
    }


def test_each_measurement_has_its_code_value_and_unit():
    """The codes as LOINC has them, by the names that it gives them."""
    found = by_code(read_back())
    said = {
        "8867-4": (63.9, "/min"), "8633-0": (90.0, "ms"), "8634-8": (410.0, "ms"),
        "8636-3": (418.8, "ms"), "8632-2": (-17.5, "deg"), "8626-4": (44.4, "deg"),
    }  # fmt: skip
    for code, (value, unit) in said.items():
        quantity = found[code].valueQuantity
        assert (float(quantity.value), quantity.code) == (value, unit)
        assert quantity.system == "http://unitsofmeasure.org"
    for code in ("8625-6", "8638-9"):  # what couldn't be measured
        assert found[code].valueQuantity is None
        assert found[code].dataAbsentReason.coding[0].code == "unknown"


def test_the_report_refers_to_all_observations_and_says_the_labels():
    report, *observations = read_back()
    assert report.get_resource_type() == "DiagnosticReport"
    assert len(report.result) == len(observations) == len(MEASURED) + 2
    assert {each.reference for each in report.result} == {f"urn:uuid:{o.id}" for o in observations}
    assert len({each.id for each in observations}) == len(observations)
    assert report.conclusion.startswith("MI. quality doubtful; flat: V4. resampled")
    assert report.conclusion.endswith("For research. Not a diagnosis.")
    assert report.status == "preliminary" and report.identifier[0].value == "x.dcm"
    assert str(report.effectiveDateTime) == "2020-02-03"


def test_a_probability_says_whether_its_class_is_present():
    found = by_code(read_back())
    mi, norm = found["probability of MI"], found["probability of NORM"]
    assert float(mi.valueQuantity.value) == 0.7 and mi.interpretation[0].coding[0].code == "POS"
    assert norm.interpretation[0].coding[0].code == "NEG"


def test_an_unusable_record_has_no_probabilities():
    nothing = {"quality": "unusable", "labels": [], "probabilities": {"NORM": None, "MI": None}}
    report, *observations = read_back(**nothing)
    assert report.conclusion.startswith("no answer. quality unusable")
    absent = by_code(observations)["probability of MI"]
    assert absent.valueQuantity is None and absent.dataAbsentReason.coding[0].code == "error"


def test_nothing_found_is_said():
    assert conclusion({**FINDING, "labels": []}).startswith("none of the classes. ")


def test_an_uncertain_class_is_indeterminate_and_named():
    changes = {"calibrated": True, "uncertain": ["MI"]}
    entries = report_of("key", "m", {**FINDING, **changes}, BESIDE, "2026-01-01T00:00:00Z", {})
    said = [each["resource"] for each in entries]
    text = next(each["conclusion"] for each in said if "conclusion" in each)
    assert "Uncertain: MI. Probabilities are calibrated." in text
    of_mi = next(each for each in said if each["code"].get("text") == "probability of MI")
    assert of_mi["interpretation"][0]["coding"][0]["code"] == "IND"
