"""A software bill of materials: the model, its weights, its data, and every package around it.

CycloneDX 1.6, https://cyclonedx.org/docs/1.6/json/ ; ``MATERIALS`` lies among the artifacts of the
run that logged a version.
"""

import hashlib
import importlib.metadata
import json
import re
import uuid
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from heart_reader.bundle.folders import PARTS, folder_digest
from heart_reader.bundle.kinds import AnyBundle
from heart_reader.files import sha256_of

MATERIALS = "sbom.cdx.json"
VERSION = "1.6"
SPACE = uuid.UUID("7f1c7d4e-4c68-4d53-9c53-2f0c6f4b1a11")  # of our serial numbers
Tree = dict[str, Any]


def bill_of_materials(folder: Path, bundle: AnyBundle, name: str, version: str) -> str:
    """The document of a bundle's folder, as JSON; the same for the same bundle and environment.

    Args:
        folder: of the bundle.
        bundle: that is in it.
        name, version: in the registry.
    """
    files, data, packages = _files(folder), _data(bundle.provenance), _packages()
    digest = folder_digest(folder)
    made = hashlib.sha256(json.dumps([digest, name, version, packages]).encode()).hexdigest()
    model = {
        "type": "machine-learning-model",
        "bom-ref": "model",
        "name": name,
        "version": version,
        "hashes": [{"alg": "SHA-256", "content": digest}],
        "properties": _properties(bundle.provenance),
        "modelCard": _card(bundle, data),
    }
    tree = {
        "bomFormat": "CycloneDX",
        "specVersion": VERSION,
        "serialNumber": f"urn:uuid:{uuid.uuid5(SPACE, made)}",
        "version": 1,
        "metadata": {"component": model},
        "components": [*files, *data, *packages],
        "dependencies": [
            {
                "ref": "model",
                "dependsOn": [each["bom-ref"] for each in (*files, *data, *packages)],
            }
        ],
    }
    return json.dumps(tree, indent=1)


def _files(folder: Path) -> list[Tree]:
    """Weights and descriptions, an ensemble's members among them."""
    found = sorted(path for part in PARTS for path in folder.rglob(part) if path.is_file())
    return [
        {
            "type": "file",
            "bom-ref": f"file:{path.relative_to(folder).as_posix()}",
            "name": path.relative_to(folder).as_posix(),
            "hashes": [{"alg": "SHA-256", "content": sha256_of(path)}],
        }
        for path in found
    ]


def _data(provenance: Mapping[str, Any]) -> list[Tree]:
    """The records that it learned from; a path of this machine says only its last part."""
    digest = str(provenance.get("data_digest", ""))
    root = str(dict(provenance.get("data") or {}).get("root", "unknown"))
    hashes = {"hashes": [{"alg": "SHA-256", "content": digest}]} if len(digest) == 64 else {}
    folds = ", ".join(map(str, provenance.get("train_folds", [])))
    about = f"records with labels; trained on folds {folds}, judged on fold 9" if folds else ""
    return [
        {
            "type": "data",
            "bom-ref": "data:records",
            "name": Path(root).name or root,
            **({"description": about} if about else {}),
            **hashes,
            "data": [{"type": "dataset", "name": Path(root).name or root}],
        }
    ]


def _card(bundle: AnyBundle, data: list[Tree]) -> Tree:
    spec, judged = bundle.spec, dict(bundle.provenance.get("validation") or {})
    figures = [
        {"type": key, "value": f"{judged[key]:.4f}", "slice": "fold 9"}
        for key in ("macro_auc", "f_max", "ece")
        if key in judged
    ]
    return {
        "modelParameters": {
            "approach": {"type": "supervised"},
            "task": f"multi-label classification: {', '.join(bundle.task.classes)}",
            "datasets": [{"ref": each["bom-ref"]} for each in data],
            "inputs": [
                {"format": f"{len(spec.leads)} leads, {spec.fs} Hz, {spec.seconds:g} s, mV"}
            ],
            "outputs": [{"format": "a probability for each class"}],
        },
        **({"quantitativeAnalysis": {"performanceMetrics": figures}} if figures else {}),
    }


def _properties(provenance: Mapping[str, Any]) -> list[Tree]:
    told = {key: provenance.get(key) for key in ("git_commit", "config_hash", "run_id", "seed")}
    return [
        {"name": f"heart-reader:{key}", "value": str(value)}
        for key, value in told.items()
        if value is not None
    ]


@cache
def _packages() -> tuple[Tree, ...]:
    """Everything that is installed, by name; one that is there twice counts once."""
    # A property that reads and parses a file each time.
    read = (each.metadata for each in importlib.metadata.distributions())
    found = {about["Name"]: about for about in read}
    return tuple(_package(found[name]) for name in sorted((n for n in found if n), key=str.lower))


def _package(about: importlib.metadata.PackageMetadata) -> Tree:
    name, version = about["Name"], about["Version"]
    return {
        "type": "library",
        "bom-ref": f"pkg:pypi/{_normal(name)}@{version}",
        "name": name,
        "version": version,
        "purl": f"pkg:pypi/{_normal(name)}@{version.replace('+', '%2B')}",
        **_licences(about),
    }


def _normal(name: str) -> str:
    """As package indices write it: PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _licences(about: importlib.metadata.PackageMetadata) -> Tree:
    stated, plain = (_first(about.get_all(key)) for key in ("License-Expression", "License"))
    named = [c.rpartition(" :: ")[2] for c in about.get_all("Classifier") or []
             if c.startswith("License :: ")]  # fmt: skip
    name = stated or ", ".join(named) or plain
    return {"licenses": [{"license": {"name": name[:200]}}]} if name else {}


def _first(values: list[str] | None) -> str:
    """The first line of the first value, which may be a whole licence."""
    return (values[0].strip().splitlines() or [""])[0] if values else ""
