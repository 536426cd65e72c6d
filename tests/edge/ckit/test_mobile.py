"""The classes for apps: syntax by the languages' grammars, and the contract that they state.

Covers: heart_reader.edge.device.mobile.
"""

import re

import pytest
import tree_sitter
import tree_sitter_kotlin
import tree_sitter_swift

from heart_reader.data.spec import default_spec
from heart_reader.edge.device.mobile import kotlin, swift
from heart_reader.tasks.task import default_task
from tests.edge.ckit.conftest import CALIBRATOR

LANGUAGES = {
    "kotlin": tree_sitter.Language(tree_sitter_kotlin.language()),
    "swift": tree_sitter.Language(tree_sitter_swift.language()),
}
WRITERS = {"kotlin": kotlin, "swift": swift}
FILE = "heart_reader.int8.tflite"


def tree(fused: bool, calibrated: bool) -> dict:
    task, spec = default_task(), default_spec()
    entry = {"thresholds": {name: 0.125 + k / 8 for k, name in enumerate(task.classes)}}
    if calibrated:
        entry["calibration"] = CALIBRATOR.tree(task.classes)
    return {
        "classes": list(task.classes),
        "leads": list(spec.leads),
        "n_times": spec.n_times,
        "sampling_rate": spec.fs,
        "features": {"names": ["a", "b", "c"]} if fused else None,
        "files": {FILE: entry},
    }


def is_sound(language: str, text: str) -> bool:
    parsed = tree_sitter.Parser(LANGUAGES[language]).parse(text.encode())
    return not parsed.root_node.has_error


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("calibrated", [False, True])
@pytest.mark.parametrize("fused", [False, True])
def test_the_grammar_takes_each_form(language, fused, calibrated):
    text = WRITERS[language](tree(fused, calibrated), FILE)
    assert is_sound(language, text)
    assert not is_sound(language, text.replace("1 - inside", "1 -", 1))
    assert not is_sound(language, text[: text.rindex("}")])


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_contract_is_that_of_the_folder(language):
    text = WRITERS[language](tree(True, True), FILE)
    assert FILE in text and "[1][12][1000]" in text and "serving_default" in text
    assert re.findall(r'"(signal|features|mask)"', text) == ["signal", "features", "mask"]
    assert '"I", "II", "III", "aVR", "aVL", "aVF", "V1"' in text
    assert "0.125, 0.25, 0.375, 0.5, 0.625" in text
    assert "0.0, 0.3, 0.6, 1.0" in text and "-0.3" in text  # knots and an offset
    plain = WRITERS[language](tree(False, False), FILE)
    assert not re.search(r'"(features|mask)"', plain)


def test_a_folder_has_both_for_its_smallest_tflite_file(device):
    for name in ("EcgReader.kt", "EcgReader.swift"):
        assert "model.int8.tflite" in (device / "mobile" / name).read_text()
