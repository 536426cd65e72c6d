"""A bundle: all that is needed to predict, in one folder. JSON and safetensors, no pickle.

bundle.json          task, signal, model, normaliser, encoder, thresholds, provenance
weights.safetensors  the fusion model
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from heart_reader.bundle import checks
from heart_reader.bundle.encoders import encoder_tree, read_encoder
from heart_reader.bundle.folders import BUNDLE, WEIGHTS, whole_folder
from heart_reader.bundle.formats import Tree, extensions, read_description, said
from heart_reader.bundle.measuring import Answered, Features, feature_source, raw_features
from heart_reader.bundle.trusting import load_trust, require_embedding, save_novelty
from heart_reader.config.strict import parse, to_dict
from heart_reader.data.checks import require_signals
from heart_reader.data.features import FeatureEncoder
from heart_reader.data.lead_sets import NONE, LeadSet, lead_sets_of
from heart_reader.data.normaliser import Normaliser
from heart_reader.data.spec import SignalSpec
from heart_reader.errors import ConfigError, ModelError
from heart_reader.evaluation.trust.trust import NOTHING, Trust
from heart_reader.models import (
    Architecture,
    FusionConfig,
    FusionModel,
    build_model,
    shape_type,
)
from heart_reader.models.predicting import probabilities_and_vectors
from heart_reader.models.shrink import load_weights, shapes_of
from heart_reader.models.views import WHOLE, Views
from heart_reader.tasks.task import Task


@dataclass(frozen=True)
class Bundle:
    """A trained model with everything around it.

    Attributes:
        config: from which the model is rebuilt.
        model: fp32, on the CPU, in eval mode.
        normaliser: for signals in mV.
        encoder: for raw features; ``None`` for a signal-only model.
        thresholds: one for each class of the task; at or above means present.
        provenance: data digest, seed, git commit, validation metrics; JSON values.
        task: what it answers.
        spec: what it reads.
        trust: what makes its probabilities keep their word, and says where it doesn't know.
        views: parts of a record that the model is asked about.
    """

    config: Architecture
    model: FusionModel
    normaliser: Normaliser
    encoder: FeatureEncoder | None
    thresholds: NDArray[np.float64]
    provenance: Mapping[str, Any]
    task: Task
    spec: SignalSpec
    trust: Trust = NOTHING
    views: Views = WHOLE

    @property
    def kind(self) -> str:
        """What stands behind ``heart-reader-`` in the registered name."""
        return self.config.backbone

    @property
    def members(self) -> "tuple[Bundle, ...]":
        """The models in it: itself."""
        return (self,)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the members."""
        return (self.kind,)

    @property
    def weights(self) -> NDArray[np.float64]:
        """What each member counts, (n_members, n_classes)."""
        return np.ones((1, self.task.n_classes))

    @property
    def lead_sets(self) -> tuple[LeadSet, ...]:
        """The sets of leads that it serves, flat lines for the others; none: all are needed."""
        return lead_sets_of(str(self.provenance.get("lead_sets", NONE)))

    @property
    def padded(self) -> bool:
        """Whether it was trained to ignore what lies behind a short record's end."""
        return bool(self.provenance.get("signal", {}).get("short") == "pad")

    @property
    def feature_source(self) -> str:
        """Where the features come from that it reads: "compute", a table's path, or "none"."""
        return feature_source(self.encoder)

    def predict(
        self,
        signals: NDArray[np.floating[Any]],
        features: Features = "compute",
        age: Sequence[float] | None = None,
        sex: Sequence[float] | None = None,
        lengths: NDArray[np.int64] | None = None,
    ) -> NDArray[np.float32]:
        """Probabilities of the task's classes.

        Args:
            signals: mV (n_records, n_leads, n_times), as the spec says.
            features: "compute" measures them on the signals (masks them, where the model was
                trained on a table); ``None`` masks them; an array (n_records, n_features) is taken
                as given, names as in ``encoder.names``.
            age: years, one for each record, NaN where unknown; only with "compute".
            sex: 0 male, 1 female, NaN where unknown; likewise.
            lengths: samples that are a record's own, (n_records,), for models that are `padded`;
                ``None``: all are.

        Returns:
            (n_records, n_classes), in the order of the task.

        Raises:
            DataError: signals of a wrong shape, not finite, or not in mV; features, ages or
                sexes of another length.
        """
        return self.answer(signals, features, age, sex, lengths).probabilities

    def answer(
        self,
        signals: NDArray[np.floating[Any]],
        features: Features = "compute",
        age: Sequence[float] | None = None,
        sex: Sequence[float] | None = None,
        lengths: NDArray[np.int64] | None = None,
    ) -> Answered:
        """What `predict` says, with how novel each record is; arguments and errors the same."""
        require_signals(signals, self.spec)
        if len(signals) == 0:
            return Answered(np.empty((0, self.task.n_classes), np.float32), None)
        raw = raw_features(self.feature_source, signals, self.spec, features, age, sex)
        encoded = present = None
        if self.encoder is not None and raw is not None:
            encoded, present = self.encoder.encode(raw)
        own = lengths if self.padded else None
        said, vectors = probabilities_and_vectors(
            self.model, self.normaliser, signals, encoded, present, self.views, own
        )
        novelty = self.trust.novelty
        return Answered(self.trust.apply(said), None if novelty is None else novelty.of(vectors))

    def labels(self, probabilities: NDArray[np.floating[Any]]) -> NDArray[np.bool_]:
        """Which classes are present, (n_records, n_classes)."""
        return np.asarray(probabilities >= self.thresholds)

    def save(self, folder: Path) -> None:
        """Writes the folder whole; errors as of `save_bundle`."""
        save_bundle(self, folder)


# ---------------------------------------------------------------- the folder


def save_bundle(bundle: Bundle, folder: Path, dtype: torch.dtype = torch.float32) -> None:
    """Writes the folder whole: it is there complete or not at all.

    Args:
        bundle: to be written.
        folder: where.
        dtype: of the weights in the file; loaded they are fp32 again.

    Raises:
        ModelError: the folder exists already.
    """
    with whole_folder(folder) as temporary:
        state = bundle.model.state_dict()
        weights = {
            key: (value.to(dtype) if value.is_floating_point() else value).contiguous()
            for key, value in state.items()
        }
        save_file(weights, temporary / WEIGHTS)
        save_novelty(bundle.trust, temporary)
        text = json.dumps(_description(bundle), indent=1, allow_nan=False)
        (temporary / BUNDLE).write_text(text, encoding="utf-8")


def _description(bundle: Bundle) -> Tree:
    encoder = bundle.encoder
    full = shapes_of(bundle.config, *_widths(encoder, bundle.task, bundle.spec))
    now = {name: tuple(value.shape) for name, value in bundle.model.state_dict().items()}
    return {
        **extensions(
            None if bundle.views == WHOLE else asdict(bundle.views),
            bundle.trust.tree(bundle.task.classes),
        ),
        "task": to_dict(bundle.task),
        "signal": to_dict(bundle.spec),
        "model": {**asdict(bundle.config)},
        "pruned": now != full,
        "normaliser": to_dict(bundle.normaliser),
        "encoder": None if encoder is None else encoder_tree(encoder),
        "thresholds": bundle.thresholds.tolist(),
        "provenance": dict(bundle.provenance),
    }


def _widths(encoder: FeatureEncoder | None, task: Task, spec: SignalSpec) -> tuple[int, int, int]:
    """What `build_model` asks beside the shape: of features, classes and leads."""
    return 0 if encoder is None else encoder.n_encoded, task.n_classes, spec.n_leads


# ---------------------------------------------------------------- reading it


def load_bundle(folder: Path) -> Bundle:
    """The bundle of a folder.

    Raises:
        ModelError: a file missing, damaged, of an unknown format, values that no model has, or
            weights that don't fit.
    """
    tree = read_description(folder, BUNDLE)
    try:
        parts = _values(tree, folder)
    except (KeyError, TypeError, ValueError, OverflowError, ConfigError) as error:
        raise ModelError(f"{BUNDLE} of bundle {folder} is damaged: {said(error)}") from error
    try:
        model = _model(folder, parts, bool(tree["pruned"]))
    except (OSError, SafetensorError, RuntimeError, ModelError) as error:
        # PyTorch gives a line for each tensor that doesn't fit: the first says enough.
        why = " ".join(str(error).split("\n")[:2])
        raise ModelError(
            f"weights of bundle {folder} don't fit or can't be read: {why}"
        ) from error
    return Bundle(model=model, **parts)


def _values(tree: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """All of a bundle but its model, each checked."""
    task, spec = parse(tree["task"], Task), parse(tree["signal"], SignalSpec)
    encoder = None if tree["encoder"] is None else read_encoder(tree["encoder"])
    normaliser = parse(tree["normaliser"], Normaliser)
    thresholds = np.array(tree["thresholds"], np.float64)
    checks.require_thresholds(thresholds, task.n_classes)
    checks.require_normaliser(normaliser, spec.n_leads)
    return {
        "config": _architecture(tree["model"]),
        "normaliser": normaliser,
        "encoder": encoder,
        "thresholds": thresholds,
        "provenance": dict(tree["provenance"]),
        "task": task,
        "spec": spec,
        "trust": load_trust(tree["trust"], task, folder),
        "views": _views(tree["views"], spec),
    }


def _views(tree: Mapping[str, Any] | None, spec: SignalSpec) -> Views:
    views = WHOLE if tree is None else parse(tree, Views)
    if views.windows > spec.n_times:
        raise ValueError(f"{views.windows} windows don't fit into {spec.n_times} samples")
    return views


def _architecture(tree: Mapping[str, Any]) -> Architecture:
    backbone = tree["backbone"]
    shape: Any = parse(tree["shape"], shape_type(backbone))
    return Architecture(backbone, shape, parse(tree["fusion"], FusionConfig))


def _model(folder: Path, parts: Mapping[str, Any], pruned: bool) -> FusionModel:
    """Built only when the file's header says that it would be filled."""
    config, spec, task = parts["config"], parts["spec"], parts["task"]
    require_embedding(parts["trust"], config.fusion.embedding_size)
    widths = _widths(parts["encoder"], task, spec)
    stored = checks.stored_shapes(folder / WEIGHTS)
    checks.require_plausible(config, stored)
    checks.require_fit(shapes_of(config, *widths), stored, pruned)
    weights = load_file(folder / WEIGHTS)
    checks.require_numbers(weights)
    model = build_model(config, *widths).eval()
    load_weights(model, weights, pruned)
    if pruned:
        checks.require_runs(model, *widths)
    return model
