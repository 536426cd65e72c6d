"""A record that lacks leads is told which models would answer."""

import json
from pathlib import Path

import pytest

from heart_reader.data.ptbxl import LEADS
from heart_reader.reading.models.other_models import who_would


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Models of one, of two and of twelve leads; the last of a time when none were said."""
    for name, said in (
        ("one", {"signal": {"leads": ["V1"]}}),
        ("six", {"signal": {"leads": ["I", "II", "aVF"]}}),
        ("old", {}),
    ):
        (tmp_path / "models" / name).mkdir(parents=True)
        (tmp_path / "models" / name / "bundle.json").write_text(json.dumps(said))
    return tmp_path / "models"


@pytest.mark.parametrize(
    ("leads", "said"),
    [
        (("V1",), "; models/one would answer"),
        (("V1", "I", "III"), "; models/one, models/six would answer"),
        (("V2", "I"), "; none of the models in models/ reads so few"),
        (LEADS, "; models/old, models/one, models/six would answer"),
    ],
)
def test_models_whose_leads_are_there_would_answer(folder, leads, said):
    assert who_would(leads, folder) == said


def test_without_models_nothing_is_said(tmp_path):
    assert who_would(("V1",), tmp_path) == ""
