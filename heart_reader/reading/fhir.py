"""What is said of ECGs as FHIR R4B: a bundle of `DiagnosticReport`s with their `Observation`s.

Written as resources of fhir.resources, which validates them (extra ``fhir``). A person is in it
only where it was asked for.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from heart_reader.data.delineation import Delineation
from heart_reader.data.delineation.extract import global_measurements
from heart_reader.data.delineation.measurements import lead_measurements
from heart_reader.data.formats.identity import Identity, identity_of
from heart_reader.errors import ConfigError
from heart_reader.files import written_whole
from heart_reader.reading.records import Recorded

LOINC, UCUM = "http://loinc.org", "http://unitsofmeasure.org"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
INTERPRETATION = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
MISSING = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
RESEARCH = "For research. Not a diagnosis."
SPACE = UUID("0f0c8e3a-5c0f-4f3e-9d53-6b8f0c1c7f0e")  # of the identifiers: ours, made once

STUDY = ("11524-6", "EKG study")
# Measurement: LOINC's code and name, UCUM's unit.
MEASURED = {
    "rate_bpm": ("8867-4", "Heart rate", "/min"),
    "pr_ms": ("8625-6", "P-R Interval", "ms"),
    "qrs_ms": ("8633-0", "QRS duration", "ms"),
    "qt_ms": ("8634-8", "Q-T interval", "ms"),
    "qtc_fridericia_ms": ("8636-3", "Q-T interval corrected", "ms"),
    "p_axis_degrees": ("8626-4", "P wave axis", "deg"),
    "qrs_axis_degrees": ("8632-2", "QRS axis", "deg"),
    "t_axis_degrees": ("8638-9", "T wave axis", "deg"),
}
FORMULA = "by Fridericia's formula"  # LOINC's code is of any
AXES = {"p_axis_degrees": "P_AxisFront_Global", "t_axis_degrees": "T_AxisFront_Global"}

Resource = dict[str, Any]


def require_fhir() -> None:
    """Refuses before anything is read where the library isn't there.

    Raises:
        ConfigError: it isn't.
    """
    if find_spec("fhir") is None:
        raise ConfigError("--fhir needs fhir.resources: pip install 'heart-reader[fhir]'")


def write_fhir(
    path: Path,
    model: str,
    recorded: Recorded,
    findings: Sequence[Mapping[str, Any]],
    identify: bool,
) -> None:
    """One ``Bundle`` of type collection, validated; records that were refused aren't in it.

    Args:
        path: of the JSON file.
        model: its name.
        recorded: what was read.
        findings: of each record, as `records.finding` has them.
        identify: say who each record is of.
    """
    from fhir.resources.R4B.bundle import Bundle

    made = datetime.now(UTC).isoformat(timespec="seconds")
    axes = _axes(recorded.measured)
    entries = []
    for record, finding in enumerate(findings):
        shown = recorded.shown[record]
        beside = {name: values[shown] for name, values in axes.items()}
        recording = recorded.recordings[record]
        person = identity_of(recording.name) if identify else None
        common = {**_when(recording.found.start), **_subject(person)}
        entries += report_of(f"{path.name} {record}", model, finding, beside, made, common)
    whole = {"resourceType": "Bundle", "type": "collection", "timestamp": made}
    validated = Bundle.model_validate({**whole, "entry": entries})
    with written_whole(path) as temporary:
        temporary.write_text(validated.model_dump_json(indent=1), encoding="utf-8")


def report_of(
    key: str,
    model: str,
    finding: Mapping[str, Any],
    beside: Mapping[str, float],
    made: str,
    common: Resource,
) -> list[Resource]:
    """A report and its observations, as entries of a bundle.

    Args:
        key: by which their identifiers differ from others'.
        model: its name.
        finding: of the record.
        beside: measurements that the finding lacks, NaN where there are none.
        made: when, as FHIR has it.
        common: what every resource says alike, such as when the record was made.
    """
    device = {"display": f"Heart Reader, {model}"}
    every = {**common, "status": "preliminary", "device": device, "category": [_procedure()]}
    values = {**finding["measurements"], **beside}
    observations = [{**every, **_measurement(name, values.get(name))} for name in MEASURED]
    observations += [{**every, **_probability(finding, name)} for name in finding["probabilities"]]
    entries = [
        _entry(f"{key} {k}", {"resourceType": "Observation", **each})
        for k, each in enumerate(observations)
    ]
    report = {
        "resourceType": "DiagnosticReport",
        "identifier": [{"value": Path(finding["record"]).name}],
        "status": "preliminary",
        "code": _code(*STUDY),
        "issued": made,
        "performer": [device],
        "result": [{"reference": each["fullUrl"]} for each in entries],
        "conclusion": conclusion(finding),
        **common,
    }
    return [_entry(key, report), *entries]


def conclusion(finding: Mapping[str, Any]) -> str:
    """The labels, the quality and what a reader must know, in a line."""
    labels = ", ".join(finding["labels"]) or "none of the classes"
    if finding["quality"] == "unusable":
        labels = "no answer"
    quality = "; ".join([f"quality {finding['quality']}", *finding["quality_reasons"]])
    notes = "".join(f" {note}." for note in finding["notes"])
    unsure = ", ".join(finding["uncertain"])
    trust = f" Uncertain: {unsure}." if unsure else ""
    trust += " Probabilities are calibrated." if finding["calibrated"] else ""
    return f"{labels}.{trust} {quality}.{notes} {RESEARCH}"


def _axes(measured: Delineation) -> dict[str, list[float]]:
    """Frontal axes of P and T between the printed edges, of each window."""
    printed = replace(measured, fiducials=measured.edges)
    leads = lead_measurements(measured.median_beats, measured.edges)
    found = global_measurements(printed, leads)
    return {name: [float(v) for v in found[column]] for name, column in AXES.items()}


def _measurement(name: str, value: float | None) -> Resource:
    code, title, unit = MEASURED[name]
    said: Resource = {"code": _code(code, title)}
    if name == "qtc_fridericia_ms":
        said["method"] = {"text": FORMULA}
    if value is None or math.isnan(value):
        absent = {"system": MISSING, "code": "unknown", "display": "Unknown"}
        return {**said, "dataAbsentReason": {"coding": [absent]}}
    quantity = {"value": round(value, 1), "unit": unit, "system": UCUM, "code": unit}
    return {**said, "valueQuantity": quantity}


def _probability(finding: Mapping[str, Any], name: str) -> Resource:
    value, limit = finding["probabilities"][name], finding["thresholds"][name]
    said: Resource = {"code": {"text": f"probability of {name}"}}
    if value is None:
        absent = {"system": MISSING, "code": "error", "display": "Error"}
        return {**said, "dataAbsentReason": {"coding": [absent]}}
    present = ("POS", "Positive") if name in finding["labels"] else ("NEG", "Negative")
    if name in finding["uncertain"]:
        present = ("IND", "Indeterminate")
    coding = {"system": INTERPRETATION, "code": present[0], "display": present[1]}
    return {
        **said,
        "valueQuantity": {"value": round(value, 4), "unit": "1", "system": UCUM, "code": "1"},
        "interpretation": [{"coding": [coding]}],
        "referenceRange": [{"text": f"present from {limit:.4f} on"}],
    }


def _code(code: str, title: str) -> Resource:
    return {"coding": [{"system": LOINC, "code": code, "display": title}], "text": title}


def _procedure() -> Resource:
    return {"coding": [{"system": CATEGORY, "code": "procedure", "display": "Procedure"}]}


def _when(start: datetime | None) -> Resource:
    """When it was recorded, to the day: FHIR wants a zone beside a time, and files have none."""
    return {} if start is None else {"effectiveDateTime": start.date().isoformat()}


def _subject(person: Identity | None) -> Resource:
    """A patient inside each resource; nobody, unless asked for."""
    if person is None or not str(person):
        return {}
    name = {"family": person.family or None, "given": [person.given] if person.given else None}
    patient = {
        "resourceType": "Patient",
        "id": "patient",
        "name": [{key: value for key, value in name.items() if value}],
        "identifier": [{"value": person.number}] if person.number else None,
        "birthDate": person.born or None,
    }
    contained = {key: value for key, value in patient.items() if value and value != [{}]}
    return {"contained": [contained], "subject": {"reference": "#patient"}}


def _entry(key: str, resource: Resource) -> Resource:
    identifier = str(uuid5(SPACE, f"{key} {resource.get('issued', '')}"))
    return {"fullUrl": f"urn:uuid:{identifier}", "resource": {**resource, "id": identifier}}
