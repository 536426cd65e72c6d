"""From records and a configuration to a bundle: what every way to train shares."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from heart_reader.bundle.evidence import patients_of
from heart_reader.bundle.scoring import LEFT_OUT, require_some_class, score, with_novelty
from heart_reader.bundle.single import Bundle
from heart_reader.bundle.viewing import with_best_views
from heart_reader.config.load import Config
from heart_reader.data.dataset import Records, data_root, to_device
from heart_reader.data.features import FeatureEncoder, fit_encoder
from heart_reader.data.lead_sets import NONE, LeadSet, lead_sets_of, set_name
from heart_reader.data.normaliser import Normaliser, fit_normaliser
from heart_reader.data.ptbxl import TRAIN_FOLDS, VALIDATION_FOLD
from heart_reader.errors import ConfigError
from heart_reader.evaluation.scored import Scored
from heart_reader.evaluation.trust.made import Made, make_trust
from heart_reader.files import cache_folder
from heart_reader.models import FusionModel, build_model
from heart_reader.models.predicting import probabilities_and_vectors
from heart_reader.training.auxiliary import auxiliary_labels, with_auxiliary
from heart_reader.training.lead_sets import make_lead_sets
from heart_reader.training.precision import resolve_device
from heart_reader.training.teacher import boosted_scores, cached_scores, parts_of, soften
from heart_reader.training.trainer import FitResult, Trainer
from heart_reader.training.transfer import take_over


@dataclass(frozen=True)
class Split:
    """The folds that a fit learns from, and those that it is judged on."""

    train: tuple[int, ...]
    validation: tuple[int, ...]


FOLD_9 = Split(TRAIN_FOLDS, (VALIDATION_FOLD,))


@dataclass(frozen=True)
class Prepared:
    """Development records with what was fitted on the training folds of a split."""

    records: Records
    normaliser: Normaliser
    encoder: FeatureEncoder | None
    split: Split
    start: Bundle | None = None
    """What the training starts from, whose normaliser and encoder are then these."""


def prepare(records: Records, split: Split = FOLD_9, start: Bundle | None = None) -> Prepared:
    """Fits the normaliser and the feature encoder on the training folds alone.

    Args:
        records: of the training and the validation folds.
        split: which those are.
        start: a model to start from; its own are taken, by which its weights were learned.

    Raises:
        DataError: no class has a positive and a negative in the training or the validation folds.
    """
    require_some_class(records, split.train, "can't be learned")
    require_some_class(records, split.validation, LEFT_OUT)
    if start is not None:
        return Prepared(records, start.normaliser, start.encoder, split, start)
    rows = records.rows(split.train)
    encoder = None
    if records.features is not None:
        encoder = fit_encoder(records.features, rows, split.train)
    return Prepared(records, fit_normaliser(records, split.train), encoder, split)


def make_trainer(prepared: Prepared, config: Config) -> Trainer:
    """A trainer at epoch 0; the same seed, data and configuration make the same one."""
    training = config.training
    torch.manual_seed(config.seed)
    model = fresh_model(prepared, config)
    if prepared.start is not None:
        ours, theirs = prepared.records.task.classes, prepared.start.task.classes
        same = take_over(model, prepared.start.model, ours, theirs)
        print(
            f"starts from {config.training.init}, classes of the same name: "
            f"{', '.join(same) or 'none'}",
            file=sys.stderr,
        )
    targets = None
    if training.teacher != NONE:
        y_true = prepared.records.y_true[prepared.records.rows(prepared.split.train)]
        targets = soften(y_true, teacher_scores(prepared, config), training.teacher_weight)
    return make_trainer_of(model, prepared, config, targets, other_labels(prepared, config))


def other_labels(prepared: Prepared, config: Config) -> NDArray[np.float32] | None:
    """Of the training records for the task of the second head, (n_train, n_classes), or none.

    Raises:
        ConfigError: the data don't have such labels.
    """
    training = config.training
    if training.auxiliary == NONE:
        return None
    found = auxiliary_labels(
        prepared.records,
        data_root(config.data, cache_folder()),
        training.auxiliary,
        config.data.min_likelihood,
        training.auxiliary_likelihoods,
    )
    return found[prepared.records.rows(prepared.split.train)]


def fresh_model(prepared: Prepared, config: Config) -> FusionModel:
    """An untrained model for the records' features, classes and leads."""
    encoder, records = prepared.encoder, prepared.records
    n_features = 0 if encoder is None else encoder.n_encoded
    return build_model(
        config.model.architecture, n_features, records.task.n_classes, records.spec.n_leads
    )


def make_trainer_of(
    model: FusionModel,
    prepared: Prepared,
    config: Config,
    targets: NDArray[np.float32] | None,
    others: NDArray[np.float32] | None = None,
) -> Trainer:
    """A trainer at epoch 0 for a model that is there already, fresh or trained; it is changed.

    Args:
        model: whose weights are the start.
        prepared: records, and what was fitted on them.
        config: the recipe.
        targets: (n_train, n_classes), 0 to 1, instead of the training records' labels; or none.
        others: labels that a second head learns, (n_train, n_others), NaN where unknown; or none.
    """
    records, encoder = prepared.records, prepared.encoder
    device = resolve_device(config.training.device)
    train = to_device(records, records.rows(prepared.split.train), encoder, device)
    if targets is not None:
        train = replace(train, y_true=torch.as_tensor(targets, device=device))
    auxiliary = None
    if others is not None:
        size = config.model.fusion.embedding_size
        train, auxiliary = with_auxiliary(train, others, config.training, size, config.seed)
    return Trainer(
        model.to(device),
        train,
        to_device(records, records.rows(prepared.split.validation), encoder, device),
        records.pack.fs,
        prepared.normaliser,
        config.training,
        config.augmentation,
        torch.Generator(device).manual_seed(config.seed),
        make_lead_sets(lead_sets_in(config, records), records.spec.leads, encoder, device),
        auxiliary,
    )


def lead_sets_in(config: Config, records: Records) -> tuple[LeadSet, ...]:
    """The sets of leads that a configuration trains on; none where it trains on all.

    Raises:
        ConfigError: a set has a lead that the records don't.
    """
    sets = lead_sets_of(config.training.lead_sets)
    for each in sets:
        if missing := [lead for lead in each if lead not in records.spec.leads]:
            raise ConfigError(
                f"training.lead_sets has {set_name(each)}, but signal.leads lacks "
                f"{', '.join(missing)}"
            )
    return sets


def make_bundle(
    prepared: Prepared, config: Config, result: FitResult, provenance: Mapping[str, Any]
) -> tuple[Bundle, Scored]:
    """The best weights as a bundle, thresholds chosen on fold 9, and its fold-9 predictions."""
    bundle, made = make_trusted(prepared, config, result, provenance)
    return bundle, made.own


def make_trusted(
    prepared: Prepared, config: Config, result: FitResult, provenance: Mapping[str, Any]
) -> tuple[Bundle, Made]:
    """The same, with all that was said of fold 9 on the way: before, and calibrated by others."""
    draft = untuned_bundle(prepared, config, result, provenance)
    draft = with_best_views(draft, prepared.records, config.evaluation.windows)
    raw = score(draft, prepared.records, (VALIDATION_FOLD,))
    made = make_trust(raw, patients_of(prepared.records, raw.rows), config.evaluation)
    bundle = replace(draft, thresholds=made.own.thresholds, trust=made.trust)
    n_novelty = config.evaluation.n_novelty
    return with_novelty(bundle, prepared.records, n_novelty, config.seed), made


def untuned_bundle(
    prepared: Prepared, config: Config, result: FitResult, provenance: Mapping[str, Any]
) -> Bundle:
    """The best weights as a bundle whose thresholds are all one half."""
    records = prepared.records
    return Bundle(
        config.model.architecture,
        _fitted(prepared, config, result),
        prepared.normaliser,
        prepared.encoder,
        np.full(records.task.n_classes, 0.5),
        provenance,
        records.task,
        records.spec,
    )


def _fitted(prepared: Prepared, config: Config, result: FitResult) -> FusionModel:
    """The best weights, on the CPU and in eval mode."""
    model = fresh_model(prepared, config)
    model.load_state_dict(result.best_weights)
    return model.eval()


# ---------------------------------------------------------------- the teacher


def teacher_scores(prepared: Prepared, config: Config) -> NDArray[np.float32]:
    """What the teacher says of each training record, unseen: (n_train, n_classes).

    A backbone as teacher means trees and networks: the mean of both.

    Raises:
        ConfigError: records without features.
    """
    records, teacher = prepared.records, config.training.teacher
    if records.features is None:
        raise ConfigError(
            f"training.teacher {teacher!r} learns from features, but features is 'none'"
        )
    rows = records.rows(prepared.split.train)
    fold = records.fold[rows]
    scores = boosted_scores(
        records.features.values[rows], records.y_true[rows], fold, cache_folder()
    )
    if teacher == "boosting":
        return scores
    student = replace(
        config,
        model=replace(config.model, backbone=teacher),
        training=replace(config.training, teacher="boosting"),
    )
    recipe = f"{student.seed} {student.model} {student.training} {student.augmentation}"
    key = (records.digest, recipe, str(prepared.split))
    networks = cached_scores(key, cache_folder(), lambda: network_scores(prepared, student))
    return np.asarray((scores + networks) / 2, np.float32)


def network_scores(prepared: Prepared, config: Config) -> NDArray[np.float32]:
    """Probabilities (n_train, n_classes) from two networks, each fitted on half of the folds and
    asked about the other half."""
    records, split = prepared.records, prepared.split
    rows = records.rows(split.train)
    fold = records.fold[rows]
    scores = np.empty((len(rows), records.task.n_classes), np.float32)
    for part in parts_of(fold, 2):
        rest = tuple(f for f in split.train if f not in part)
        print(f"teacher: {config.model.backbone} on folds {rest}", file=sys.stderr)
        inner = prepare(records, Split(rest, split.validation))
        result = make_trainer(inner, config).fit([])
        scores[np.isin(fold, part)] = _said(inner, _fitted(inner, config, result), part)
    return scores


def _said(prepared: Prepared, model: FusionModel, folds: Sequence[int]) -> NDArray[np.float32]:
    """A network's probabilities for the records of some folds, (n_records, n_classes)."""
    records = prepared.records
    rows = records.rows(folds)
    encoded = present = None
    if prepared.encoder is not None and records.features is not None:
        encoded, present = prepared.encoder.encode(records.features.values[rows])
    signals = records.millivolts(rows)
    own = records.lengths(rows)
    said, _ = probabilities_and_vectors(
        model, prepared.normaliser, signals, encoded, present, lengths=own
    )
    return said
