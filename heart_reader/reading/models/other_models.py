"""Which of the models that come with the project would answer a record that lacks leads."""

import json
from collections.abc import Sequence
from pathlib import Path

from heart_reader.bundle.folders import BUNDLE
from heart_reader.data.ptbxl import LEADS
from heart_reader.data.recordings.limb_leads import with_computed
from heart_reader.project import REPOSITORY

PRETRAINED = REPOSITORY / "pretrained"


def who_would(found: Sequence[str], folder: Path = PRETRAINED) -> str:
    """``"; pretrained/x would answer"``, or that none would; empty where no models are at hand.

    Args:
        found: the leads that the record has.
        folder: of bundles.
    """
    wanted = {path.parent.name: _leads(path) for path in sorted(folder.glob(f"*/{BUNDLE}"))}
    if not wanted:
        return ""
    there = with_computed(found)
    able = [f"{folder.name}/{name}" for name, leads in wanted.items() if set(leads) <= there]
    if not able:
        return f"; none of the models in {folder.name}/ reads so few"
    return f"; {', '.join(able)} would answer"


def _leads(path: Path) -> tuple[str, ...]:
    """Of a bundle of either format."""
    said = json.loads(path.read_text(encoding="utf-8"))
    return tuple(said.get("signal", said).get("leads", LEADS))
