"""What is due by what the registry holds: fold 10 for champions, nothing twice that was refused.

Covers: registry.sync.plan, registry.sync.steps.
"""

from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from heart_reader.tracking import ModelVersion
from registry.settings import load_settings
from registry.sync.plan import State, evaluate_due, export_due
from registry.sync.recorded import Followed
from registry.sync.steps import lacking

SE, XRES, ENSEMBLE = (
    "heart-reader-se_resnet1d",
    "heart-reader-xresnet1d18",
    "heart-reader-ensemble",
)


@dataclass
class Held:
    """A registry that holds what a test says: aliases of version 1 of some names, and its tags."""

    aliases: dict[str, set[str]]
    given: dict[str, dict[str, str]] = field(default_factory=dict)
    exported: tuple[str, ...] = ()

    def find(self, name: str, alias: str) -> ModelVersion | None:
        there = alias in self.aliases.get(name, ())
        return ModelVersion(name, "1", "", "") if there else None

    def tags(self, version: ModelVersion) -> dict[str, str]:
        return self.given.get(version.name, {})

    def versions(self, name: str) -> list[SimpleNamespace]:
        return [SimpleNamespace(tags={"source": source}) for source in self.exported]

    def tasks(self) -> list[None]:
        return [None]


BOTH = {"candidate", "champion"}


def test_fold_10_is_opened_for_champions_alone():
    held = Held({SE: BOTH, XRES: {"candidate"}, ENSEMBLE: {"candidate"}})
    assert [step.model for step in evaluate_due(State(held))] == [SE]
    held.aliases[ENSEMBLE] = BOTH
    assert [step.model for step in evaluate_due(State(held))] == [SE, ENSEMBLE]


@pytest.mark.parametrize(
    ("tags", "exported", "due"),
    [
        ({}, (), [SE]),
        ({"export": "refused"}, (), []),
        ({"export": "made"}, (f"{SE}/1",), []),
        ({"export": "made"}, (), [SE]),
    ],
)
def test_an_export_that_was_refused_isnt_tried_again(tags, exported, due):
    held = Held({SE: BOTH}, {SE: tags}, exported)
    assert [step.model for step in export_due(State(held))] == due


def test_a_lone_champion_is_told_what_an_ensemble_needs():
    (line,) = said(Held({SE: BOTH, XRES: {"candidate"}}))
    assert line.startswith(f"1 champion ({SE}); an ensemble needs 2: promote another")
    assert said(Held({SE: BOTH, XRES: BOTH})) == said(Held({})) == []


def said(held: Held) -> list[str]:
    return lacking(held, Followed(held, load_settings({})[0].sync))
