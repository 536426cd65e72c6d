"""Tasks from files.

Covers: heart_reader.tasks.task.
"""

from pathlib import Path

import pytest

from heart_reader.errors import ConfigError
from heart_reader.tasks.file import read_task


def write(folder: Path, text: str) -> Path:
    path = folder / "task.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_task_is_read(tmp_path: Path) -> None:
    text = """
name: rhythms
unlabelled: keep
classes:
  AF: {title: atrial fibrillation, group: rhythm, codes: [164889003, AFIB]}
  SB:
"""
    own = read_task(write(tmp_path, text))
    assert own.task.name == "rhythms"
    assert own.task.unlabelled == "keep"
    assert own.task.classes == ("AF", "SB")
    assert own.task.titles == ("atrial fibrillation", "SB")
    assert own.task.groups == ("rhythm", "SB")
    assert own.class_of == {"164889003": "AF", "AFIB": "AF", "SB": "SB"}


BROKEN = {
    "classes: 5": "'classes' must map at least one class",
    "classes: {}": "'classes' must map at least one class",
    "classes: [AF, SB]": "'classes' must map at least one class",
    "classes: {AF: }\nclases: {}": "unknown key 'clases', did you mean 'classes'?",
    "classes: {AF: {titel: x}}": "key of class 'AF': 'titel', did you mean 'title'?",
    "classes: {AF: x}": "class 'AF' must map to title, group, codes, but is 'x'",
    "classes: {NO: }": "class False must be a name; put it into quotes",
    "classes: {1: }": "class 1 must be a name",
    "classes: {AF: {codes: 5}}": "codes of class 'AF' must be a list, but is 5",
    "classes: {AF: {codes: []}}": "codes of class 'AF' must be a list",
    "classes: {AF: {codes: [1]}, SB: {codes: [1]}}": "code '1' stands for 'AF' and 'SB'",
    "classes: {AF: }\nunlabelled: maybe": "'unlabelled' must be drop or keep, but is 'maybe'",
    "classes: {'': }": "a class has an empty name",
    "classes: {'A/B': , 'A(B': }": "classes A(B, A/B can't be told apart",
    "classes: {AF": "is not YAML",
    "- AF": "must hold a mapping",
}


@pytest.mark.parametrize("text", BROKEN)
def test_a_broken_task_file_is_one_clear_line(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as error:
        read_task(path)
    assert BROKEN[text] in str(error.value)
    assert str(path) in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"task.yaml can't be read"):
        read_task(tmp_path / "task.yaml")
