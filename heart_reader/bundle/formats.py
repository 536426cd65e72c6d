"""The descriptions of bundles, ``bundle.json`` and ``ensemble.json``, in every format there was.

Format 2 holds the task and the signal as values, and of the model its own backbone's shape alone:
what is added to the code later changes no bundle. A new format gets a number, and the old one a
function here that brings its mapping to the present form.

1   classes, leads, sampling_rate and n_times beside each other, always those of PTB-XL's
    superclasses; ``model`` holds sections for all backbones that there were
2   ``task``, ``signal``; ``model`` holds ``backbone``, ``shape`` and ``fusion``
3   ``views`` and ``trust`` besides, or one of them: parts of a record that the model is asked
    about; calibration, limits, novelty. Without either, 2 is written; code of before refuses
    what it would answer otherwise
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from heart_reader.bundle.folders import BUNDLE, ENSEMBLE
from heart_reader.errors import ModelError
from heart_reader.models import family
from heart_reader.tasks.task import default_section

FORMAT, EXTENDED = 2, 3  # what is written: without `views` and `trust`, and with either
LARGEST_BYTES = 64_000_000  # of a description; ours take 30 kB, with 205 features
Tree = dict[str, Any]


def read_description(folder: Path, file: str) -> Tree:
    """A description in today's form.

    Raises:
        ModelError: a file missing, damaged, too large, or of a format that isn't known.
    """
    tree = read_mapping(folder / file, f"bundle {folder}")
    readers = READERS[file]
    try:
        reader = readers.get(tree.get("format"))
    except TypeError:  # a list or a mapping
        reader = None
    if reader is None:
        known = " and ".join(map(str, readers))
        raise ModelError(
            f"bundle {folder} has format {tree.get('format')!r}, this code reads {known}"
        )
    try:
        return reader(tree)
    except (KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{file} of bundle {folder} is damaged: {said(error)}") from error
    except ModelError as error:
        raise ModelError(f"bundle {folder} {error}") from error


def read_mapping(path: Path, what: str) -> Tree:
    """The mapping in a JSON file.

    Raises:
        ModelError: no regular file, too large, not JSON, with NaN in it, or not a mapping.
    """
    if not path.is_file():  # a pipe would hang, a device never end
        there = "is no regular file" if path.exists() else "isn't there"
        raise ModelError(f"{what} can't be read: {path.name} {there}")
    try:
        size = path.stat().st_size
        if size > LARGEST_BYTES:
            raise ModelError(f"{what} can't be read: {path.name} has {size:,} bytes")
        tree = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{what} can't be read: {path.name}: {error}") from error
    if not isinstance(tree, dict):
        raise ModelError(f"{path.name} of {what} must hold a mapping")
    return tree


def said(error: Exception) -> str:
    """Why a description is damaged, in one line."""
    text = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
    return "; ".join(text.split("\n"))[:500]


def _refuse(word: str) -> float:
    raise ValueError(f"a number is {word}")


# ---------------------------------------------------------------- format 1

_ALWAYS: Mapping[str, Any] = {
    "classes": default_section("task")["classes"],
    "leads": default_section("signal")["leads"],
    "sampling_rate": default_section("signal")["fs"],
    "n_times": default_section("signal")["n_times"],
}


def _contract_of_1(tree: Mapping[str, Any], *keys: str) -> Tree:
    for key in keys:
        # Classes or leads in another order would be read as these without a word.
        if tree.get(key) != _ALWAYS[key]:
            raise ModelError(f"has {key} {tree.get(key)!r}, in format 1 they are {_ALWAYS[key]}")
    return {"task": default_section("task"), "signal": default_section("signal")}


def _bundle_of_1(tree: Tree) -> Tree:
    contract = _contract_of_1(tree, *_ALWAYS)
    model = tree["model"]
    backbone = model["backbone"]
    own = {"backbone": backbone, "shape": model[family(backbone)], "fusion": model["fusion"]}
    return {"pruned": False, **tree, **contract, "model": own, **_NOTHING_NEW}


def _ensemble_of_1(tree: Tree) -> Tree:
    return {"beside": {}, **tree, **_contract_of_1(tree, "classes"), **_NOTHING_NEW}


# ---------------------------------------------------------------- formats 2 and 3

_NOTHING_NEW: Mapping[str, Any] = {"views": None, "trust": None}


def _of_2(tree: Tree) -> Tree:
    return {**tree, **_NOTHING_NEW}


def _of_3(tree: Tree) -> Tree:
    return {**_NOTHING_NEW, **tree}


def extensions(views: Tree | None, trust: Tree | None) -> Tree:
    """What a description says beyond format 2, and its format; ``None`` is left out."""
    told = {k: v for k, v in (("views", views), ("trust", trust)) if v is not None}
    return {"format": EXTENDED if told else FORMAT, **told}


# The first is the oldest; the last is what is written.
READERS: Mapping[str, Mapping[object, Callable[[Tree], Tree]]] = {
    BUNDLE: {1: _bundle_of_1, FORMAT: _of_2, EXTENDED: _of_3},
    ENSEMBLE: {1: _ensemble_of_1, FORMAT: _of_2, EXTENDED: _of_3},
}
