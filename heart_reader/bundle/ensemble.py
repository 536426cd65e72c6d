"""An ensemble of bundles, in one folder: it predicts with nothing else at hand.

ensemble.json       weights, thresholds, provenance, the members' names in order
members/NAME/       a bundle each

Where the members lie beside it as bundles of their own (``../NAME/``), their digests stand in
``ensemble.json`` instead, so that no weights are there twice and none are taken for others.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heart_reader.bundle import checks
from heart_reader.bundle.folders import ENSEMBLE, folder_digest, whole_folder
from heart_reader.bundle.formats import extensions, read_description, said
from heart_reader.bundle.measuring import Answered, Features, feature_source, raw_features
from heart_reader.bundle.single import Bundle, load_bundle, save_bundle
from heart_reader.bundle.trusting import load_trust
from heart_reader.config.strict import parse, to_dict
from heart_reader.data.checks import require_signals
from heart_reader.data.features import FeatureEncoder
from heart_reader.data.lead_sets import LeadSet
from heart_reader.data.spec import SignalSpec
from heart_reader.errors import ConfigError, ModelError
from heart_reader.evaluation.mixing import mix_scores
from heart_reader.evaluation.trust.trust import NOTHING, Trust
from heart_reader.tasks.task import Task

KIND = "ensemble"
LONGEST_NAME = 200  # characters of a member's, which is a folder's


@dataclass(frozen=True)
class EnsembleBundle:
    """Weighted probabilities of several bundles; it predicts as a `Bundle` does.

    Attributes:
        members: at least one.
        names: of the members, in order; folder names in ``members/``.
        weights: (n_members, n_classes), not negative, each column adds up to 1.
        thresholds: one for each class of the task; at or above means present.
        provenance: JSON values.
        trust: of what all members say together; its novelty is theirs.
    """

    members: tuple[Bundle, ...]
    names: tuple[str, ...]
    weights: NDArray[np.float64]
    thresholds: NDArray[np.float64]
    provenance: Mapping[str, Any]
    trust: Trust = NOTHING

    def __post_init__(self) -> None:
        problems = _member_problems(self.names, self.members)
        if self.members:
            problems += _weight_problems(self.weights, self.thresholds, self.members)
        if problems:
            raise ModelError("\n".join(problems))

    @property
    def kind(self) -> str:
        """What stands behind ``heart-reader-`` in the registered name."""
        return KIND

    @property
    def task(self) -> Task:
        """What it answers: the same as each member."""
        return self.members[0].task

    @property
    def spec(self) -> SignalSpec:
        """What it reads: the same as each member."""
        return self.members[0].spec

    @property
    def lead_sets(self) -> tuple[LeadSet, ...]:
        """As of `Bundle.lead_sets`: those that every member serves."""
        first, *others = (member.lead_sets for member in self.members)
        return tuple(each for each in first if all(each in theirs for theirs in others))

    @property
    def padded(self) -> bool:
        """As of `Bundle.padded`, of any member."""
        return any(member.padded for member in self.members)

    @property
    def feature_source(self) -> str:
        """As of `Bundle.feature_source`."""
        return feature_source(self.encoder)

    @property
    def encoder(self) -> FeatureEncoder | None:
        """How the members that read features encode them; all read the same ones."""
        return next((m.encoder for m in self.members if m.encoder is not None), None)

    def predict(
        self,
        signals: NDArray[np.floating[Any]],
        features: Features = "compute",
        age: Sequence[float] | None = None,
        sex: Sequence[float] | None = None,
        lengths: NDArray[np.int64] | None = None,
    ) -> NDArray[np.float32]:
        """Probabilities of the task's classes; arguments and errors as of `Bundle.predict`."""
        return self.answer(signals, features, age, sex, lengths).probabilities

    def answer(
        self,
        signals: NDArray[np.floating[Any]],
        features: Features = "compute",
        age: Sequence[float] | None = None,
        sex: Sequence[float] | None = None,
        lengths: NDArray[np.int64] | None = None,
    ) -> Answered:
        """As of `Bundle.answer`; the novelty is the members' mean, where all can tell."""
        require_signals(signals, self.spec)
        raw = None
        if len(signals):  # measured once, for all members
            raw = raw_features(self.feature_source, signals, self.spec, features, age, sex)
        said = [member.answer(signals, raw, lengths=lengths) for member in self.members]
        mixed = mix_scores(np.stack([each.probabilities for each in said]), self.weights)
        told = [each.novelty for each in said if each.novelty is not None]
        novelty = np.mean(told, axis=0) if len(told) == len(said) else None
        return Answered(self.trust.apply(mixed), novelty)

    def labels(self, probabilities: NDArray[np.floating[Any]]) -> NDArray[np.bool_]:
        """Which classes are present, (n_records, n_classes)."""
        return np.asarray(probabilities >= self.thresholds)

    def save(self, folder: Path) -> None:
        """Writes the folder whole, members inside; errors as of `save_ensemble`."""
        save_ensemble(self, folder)


def _member_problems(names: Sequence[str], members: Sequence[Bundle]) -> list[str]:
    if not members or len(names) != len(members):
        return [
            f"an ensemble needs one name for each member, but has {len(names)} names "
            f"for {len(members)} members"
        ]
    problems = []
    if len(set(names)) != len(names):
        problems.append(f"an ensemble's members must have different names, but are {names}")
    problems += [
        f"a member's name is a folder name, but is {name!r}"
        for name in names
        if not _names_folder(name)
    ]
    sources = {
        name: member.encoder.source
        for name, member in zip(names, members, strict=True)
        if member.encoder is not None
    }
    if len(set(sources.values())) > 1:
        problems.append(f"an ensemble's members must read the same features, but read {sources}")
    for what, found in (("answer the same task", "task"), ("read the same signal", "spec")):
        if len({getattr(member, found) for member in members}) > 1:
            said = {n: getattr(m, found) for n, m in zip(names, members, strict=True)}
            problems.append(f"an ensemble's members must {what}, but are {said}")
    return problems


def _names_folder(name: str) -> bool:
    plain = name == Path(name).name and not name.startswith(".") and "\0" not in name
    return plain and 0 < len(name) <= LONGEST_NAME


def _weight_problems(
    weights: NDArray[np.float64], thresholds: NDArray[np.float64], members: Sequence[Bundle]
) -> list[str]:
    n_classes = members[0].task.n_classes
    expected = (len(members), n_classes)
    problems = []
    if weights.shape != expected:
        problems.append(f"weights must be (n_members, n_classes) {expected}, not {weights.shape}")
    elif (weights < 0).any() or not np.allclose(weights.sum(axis=0), 1, atol=1e-9):
        problems.append(
            f"weights must not be negative and add up to 1 in each class, but are "
            f"{weights.round(4).tolist()}"
        )
    try:
        checks.require_thresholds(thresholds, n_classes)
    except ValueError as error:
        problems.append(str(error))
    return problems


# ---------------------------------------------------------------- the folder


def save_ensemble(bundle: EnsembleBundle, folder: Path) -> None:
    """Writes the folder whole, members inside: it is there complete or not at all.

    Raises:
        ModelError: the folder exists already.
    """
    with whole_folder(folder) as temporary:
        for name, member in zip(bundle.names, bundle.members, strict=True):
            save_bundle(member, temporary / "members" / name)
        _write_description(bundle, {}, temporary)


def save_beside_members(bundle: EnsembleBundle, folder: Path) -> None:
    """Writes the folder whole, its members being the bundles that lie beside it already.

    Raises:
        ModelError: the folder exists already, or a member isn't there.
    """
    with whole_folder(folder) as temporary:
        digests = {name: folder_digest(folder.parent / name) for name in bundle.names}
        _write_description(bundle, digests, temporary)


def _write_description(bundle: EnsembleBundle, digests: Mapping[str, str], folder: Path) -> None:
    tree = {
        **extensions(None, bundle.trust.tree(bundle.task.classes)),
        "task": to_dict(bundle.task),
        "members": list(bundle.names),
        "beside": dict(digests),
        "weights": bundle.weights.tolist(),
        "thresholds": bundle.thresholds.tolist(),
        "provenance": dict(bundle.provenance),
    }
    text = json.dumps(tree, indent=1, allow_nan=False)
    (folder / ENSEMBLE).write_text(text, encoding="utf-8")


def load_ensemble(folder: Path) -> EnsembleBundle:
    """The ensemble of a folder.

    Raises:
        ModelError: a file missing, damaged, of another format, or weights that don't fit.
    """
    tree = read_description(folder, ENSEMBLE)
    try:
        task = parse(tree["task"], Task)
        names = tuple(str(name) for name in tree["members"])
        weights = np.array(tree["weights"], np.float64)
        thresholds = np.array(tree["thresholds"], np.float64)
        provenance = dict(tree["provenance"])
        trust = load_trust(tree["trust"], task, folder)
    except (KeyError, TypeError, ValueError, OverflowError, ConfigError) as error:
        raise ModelError(f"{ENSEMBLE} of bundle {folder} is damaged: {said(error)}") from error
    members = tuple(load_bundle(each) for each in member_folders(folder))
    bundle = EnsembleBundle(members, names, weights, thresholds, provenance, trust)
    if bundle.task != task:
        raise ModelError(f"bundle {folder} answers {task.name}, its members {bundle.task.name}")
    return bundle


def member_folders(folder: Path) -> list[Path]:
    """Where an ensemble's members lie, in order: inside, or beside with the digests they had.

    Raises:
        ModelError: ``ensemble.json`` can't be read, or what lies beside is another bundle.
    """
    tree = read_description(folder, ENSEMBLE)
    try:
        named = [(str(name), tree["beside"].get(name)) for name in tree["members"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{ENSEMBLE} of bundle {folder} is damaged: {said(error)}") from error
    odd = [name for name, _ in named if not _names_folder(name)]
    if odd:
        raise ModelError(f"ensemble {folder}: a member's name is a folder name, not {odd[0]!r}")
    return [_member_folder(folder, name, digest) for name, digest in named]


def _member_folder(folder: Path, name: str, digest: object) -> Path:
    if digest is None:
        return folder / "members" / name
    there = folder.resolve().parent / name
    found = folder_digest(there)
    if found != digest:
        raise ModelError(
            f"bundle {there} isn't the one that ensemble {folder} was made with: "
            f"its digest is {found[:16]}, not {str(digest)[:16]}"
        )
    return there
