"""What is installed with this project may be used with it: no GPL, no AGPL, nothing unknown.

Covers: nothing of ours alone: the licences of the lock files' packages.
"""

import importlib.metadata as metadata
import re

import pytest

from heart_reader.project import REPOSITORY

LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-ray.lock")
# Linked to by none of our code's own, replaceable, and by its licence free to be used so.
LESSER = {"psycopg2-binary": "LGPL with exceptions"}
# Who says nothing in the metadata, and what the repository or file says.
SAID_ELSEWHERE = {"huey": "MIT", "namex": "Apache-2.0"}
# Words of licences that reach over to who links: an L before GPL doesn't.
STRONG = re.compile(r"(?<!L)(?<!Lesser )\b(?:A?GPL|SSPL|GNU (?:Affero )?General Public)", re.I)


def pinned() -> list[str]:
    lines = [line for lock in LOCKS for line in (REPOSITORY / lock).read_text().splitlines()]
    return sorted({line.partition("==")[0].strip() for line in lines if "==" in line})


def licence_of(name: str) -> str:
    """What the metadata of an installed package say, an empty string where they don't."""
    found = metadata.distribution(name).metadata
    stated = [found.get("License-Expression"), *(found.get_all("Classifier") or [])]
    words = [w for w in stated if w and (w == stated[0] or w.startswith("License ::"))]
    return " | ".join([*words, *(found.get("License") or "").strip().splitlines()[:1]])


def is_refused(licence: str) -> bool:
    """Whether no part of an ``or`` is free of a strong copyleft."""
    parts = re.split(r"\s+or\s+", licence, flags=re.I)
    return all(STRONG.search(part) is not None for part in parts)


@pytest.mark.parametrize(
    ("licence", "refused"),
    [
        ("MIT", False),
        ("GPL-3.0-only", True),
        ("License :: OSI Approved :: GNU General Public License v3 (GPLv3)", True),
        ("AGPL-3.0-or-later", True),
        ("License :: OSI Approved :: GNU Affero General Public License v3", True),
        ("LGPL with exceptions", False),
        ("License :: OSI Approved :: GNU Library or Lesser General Public License (LGPL)", False),
        ("MIT OR GPL-2.0-only", False),
        ("GPL-2.0-only OR AGPL-3.0-only", True),
        ("SSPL-1.0", True),
    ],
)
def test_which_words_are_refused(licence, refused):
    assert is_refused(licence) is refused


def test_no_package_of_the_lock_files_is_under_the_gpl():
    there = {each.metadata["Name"].lower().replace("_", "-") for each in metadata.distributions()}
    names = [name for name in pinned() if name.lower().replace("_", "-") in there]
    assert len(names) > 100
    said = {name: licence_of(name) or SAID_ELSEWHERE.get(name, "") for name in names}
    assert {name: said[name] for name in said if is_refused(said[name])} == {}
    assert [name for name in said if not said[name]] == [], "packages that state no licence"
    lesser = {name for name in said if re.search("LGPL|Lesser", said[name])}
    assert lesser <= set(LESSER)
