"""What a version is made of, against CycloneDX's own schema."""

import importlib.metadata
import json

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from heart_reader.bundle.folders import folder_digest
from heart_reader.bundle.kinds import open_bundle
from heart_reader.files import sha256_of
from heart_reader.tracking.papers.materials import bill_of_materials
from tests.conftest import REPOSITORY

PRETRAINED = REPOSITORY / "pretrained"


@pytest.fixture(scope="module", params=["se_resnet1d", "ensemble"])
def bill(request) -> tuple[str, str]:
    folder = PRETRAINED / request.param
    return request.param, bill_of_materials(folder, open_bundle(folder), "heart-reader-x", "3")


def test_it_is_valid_by_the_schema(bill):
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill[1]) is None
    broken = bill[1].replace('"machine-learning-model"', '"machine"')
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(broken) is not None


def test_weights_data_and_packages_are_in_it(bill):
    name, text = bill
    folder, tree = PRETRAINED / name, json.loads(text)
    model = tree["metadata"]["component"]
    assert (model["name"], model["version"]) == ("heart-reader-x", "3")
    assert model["hashes"] == [{"alg": "SHA-256", "content": folder_digest(folder)}]
    by_kind = {kind: [c for c in tree["components"] if c["type"] == kind]
               for kind in ("file", "data", "library")}  # fmt: skip
    for each in by_kind["file"]:
        assert each["hashes"][0]["content"] == sha256_of(folder / each["name"])
    assert {each["name"] for each in by_kind["file"]} == {
        path.name for path in folder.iterdir() if path.name != "evidence.safetensors"
    }
    digest = open_bundle(folder).provenance["data_digest"]
    assert [each["hashes"][0]["content"] for each in by_kind["data"]] == [digest]
    torch = next(each for each in by_kind["library"] if each["name"] == "torch")
    assert torch["version"] == importlib.metadata.version("torch")
    stated = importlib.metadata.metadata("torch")["License-Expression"]
    assert torch["licenses"] == [{"license": {"name": stated}}]
    assert len(by_kind["library"]) > 100
    refs = [each["bom-ref"] for each in tree["components"]]
    assert len(refs) == len(set(refs)) and tree["dependencies"][0]["dependsOn"] == refs


def test_the_same_bundle_has_the_same_bill(bill):
    name, text = bill
    folder = PRETRAINED / name
    again = bill_of_materials(folder, open_bundle(folder), "heart-reader-x", "3")
    other = bill_of_materials(folder, open_bundle(folder), "heart-reader-x", "4")
    assert again == text
    assert json.loads(other)["serialNumber"] != json.loads(text)["serialNumber"]
