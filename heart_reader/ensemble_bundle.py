"""An ensemble of bundles, in one folder: it predicts with nothing else at hand.

ensemble.json       weights, thresholds, provenance, the members' names in order
members/NAME/       a bundle each
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heart_reader.bundle import Bundle, Features, load_bundle, measure, save_bundle, whole_folder
from heart_reader.data.checks import require_signals
from heart_reader.data.features import FeatureEncoder
from heart_reader.data.ptbxl import SUPERCLASSES
from heart_reader.errors import ModelError
from heart_reader.evaluation.mixing import mix_scores

FORMAT = 1


@dataclass(frozen=True)
class EnsembleBundle:
    """Weighted probabilities of several bundles; it predicts as a `Bundle` does.

    Attributes:
        members: at least one.
        names: of the members, in order; folder names in ``members/``.
        weights: (n_members, n_classes), not negative, each column adds up to 1.
        thresholds: one for each class of ``SUPERCLASSES``; at or above means present.
        provenance: JSON values.
    """

    members: tuple[Bundle, ...]
    names: tuple[str, ...]
    weights: NDArray[np.float64]
    thresholds: NDArray[np.float64]
    provenance: Mapping[str, Any]

    def __post_init__(self) -> None:
        problems = [
            *_member_problems(self.names, self.members),
            *_weight_problems(self.weights, self.thresholds, len(self.members)),
        ]
        if problems:
            raise ModelError("\n".join(problems))

    @property
    def kind(self) -> str:
        """What stands behind ``heart-reader-`` in the registered name."""
        return "ensemble"

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
    ) -> NDArray[np.float32]:
        """Probabilities of the five superclasses; arguments and errors as of `Bundle.predict`."""
        require_signals(signals)
        ours = self.encoder is not None and self.encoder.source == "compute"
        if isinstance(features, str) and ours and len(signals):
            # Measured once, for all members.
            features, age, sex = measure(signals, features, age, sex), None, None
        scores = [member.predict(signals, features, age, sex) for member in self.members]
        return mix_scores(np.stack(scores), self.weights)

    def labels(self, probabilities: NDArray[np.floating[Any]]) -> NDArray[np.bool_]:
        """Which classes are present, (n_records, n_classes)."""
        return np.asarray(probabilities >= self.thresholds)


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
        if not name or name != Path(name).name or name.startswith(".")
    ]
    sources = {
        name: member.encoder.source
        for name, member in zip(names, members, strict=True)
        if member.encoder is not None
    }
    if len(set(sources.values())) > 1:
        problems.append(f"an ensemble's members must read the same features, but read {sources}")
    return problems


def _weight_problems(
    weights: NDArray[np.float64], thresholds: NDArray[np.float64], n_members: int
) -> list[str]:
    expected = (n_members, len(SUPERCLASSES))
    problems = []
    if weights.shape != expected:
        problems.append(f"weights must be (n_members, n_classes) {expected}, not {weights.shape}")
    elif (weights < 0).any() or not np.allclose(weights.sum(axis=0), 1, atol=1e-9):
        problems.append(
            f"weights must not be negative and add up to 1 in each class, but are "
            f"{weights.round(4).tolist()}"
        )
    if thresholds.shape != (len(SUPERCLASSES),):
        problems.append(f"{len(SUPERCLASSES)} thresholds are needed, but there are {thresholds}")
    return problems


# ---------------------------------------------------------------- the folder


def save_ensemble(bundle: EnsembleBundle, folder: Path) -> None:
    """Writes the folder whole: it is there complete or not at all.

    Raises:
        ModelError: the folder exists already.
    """
    with whole_folder(folder) as temporary:
        for name, member in zip(bundle.names, bundle.members, strict=True):
            save_bundle(member, temporary / "members" / name)
        tree = {
            "format": FORMAT,
            "classes": list(SUPERCLASSES),
            "members": list(bundle.names),
            "weights": bundle.weights.tolist(),
            "thresholds": bundle.thresholds.tolist(),
            "provenance": dict(bundle.provenance),
        }
        text = json.dumps(tree, indent=1, allow_nan=False)
        (temporary / "ensemble.json").write_text(text, encoding="utf-8")


def load_ensemble(folder: Path) -> EnsembleBundle:
    """The ensemble of a folder.

    Raises:
        ModelError: a file missing, damaged, of another format, or weights that don't fit.
    """
    try:
        tree = json.loads((folder / "ensemble.json").read_text(encoding="utf-8"))
        if (tree["format"], tree["classes"]) != (FORMAT, list(SUPERCLASSES)):
            raise ValueError(f"format {tree['format']} with classes {tree['classes']}")
        names = tuple(str(name) for name in tree["members"])
        weights = np.array(tree["weights"], np.float64)
        thresholds = np.array(tree["thresholds"], np.float64)
        provenance = dict(tree["provenance"])
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"ensemble.json of bundle {folder} can't be read: {error!r}") from error
    members = tuple(load_bundle(folder / "members" / Path(name).name) for name in names)
    return EnsembleBundle(members, names, weights, thresholds, provenance)
