"""What differs between the runs behind some models: settings, conditions, installed packages."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from heart_reader.tracking import Run
from heart_reader.tracking.papers.materials import MATERIALS

PACKAGE = "package "  # and its name: the key of an installed package's version

Settings = Mapping[str, str]


def differing(settings: Sequence[Settings]) -> dict[str, list[str]]:
    """Keys on which those that have one differ, with the value of each; "" where it has none."""
    return {key: values for key, values in _table(settings) if len(set(values) - {""}) > 1}


def of_some(settings: Sequence[Settings]) -> dict[str, list[str]]:
    """Keys that only some have, with one value.

    Packages aren't among them: versions of before say nothing of theirs.
    """
    return {
        key: values
        for key, values in _table(settings)
        if "" in values and len(set(values)) == 2 and not key.startswith(PACKAGE)
    }


def _table(settings: Sequence[Settings]) -> list[tuple[str, list[str]]]:
    keys = sorted({key for each in settings for key in each})
    return [(key, [each.get(key, "") for each in settings]) for key in keys]


def packages_of(run: Run, folder: Path) -> dict[str, str]:
    """Versions of the packages among which a model was registered, from its bill of materials.

    None where it has none, or one that can't be read.
    """
    path = run.download(MATERIALS, folder)
    if path is None:
        return {}
    try:
        parts = json.loads(path.read_text(encoding="utf-8"))["components"]
        return {
            f"{PACKAGE}{each['name']}": str(each["version"])
            for each in parts
            if each["type"] == "library"
        }
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
