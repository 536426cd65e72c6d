"""From records and a configuration to a bundle: what every way to train shares."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from heart_reader.bundle import Bundle
from heart_reader.config import Config
from heart_reader.data.dataset import Records, to_device
from heart_reader.data.features import FeatureEncoder, fit_encoder
from heart_reader.data.normaliser import Normaliser, fit_normaliser
from heart_reader.data.ptbxl import SUPERCLASSES, TRAIN_FOLDS, VALIDATION_FOLD
from heart_reader.errors import DataError
from heart_reader.evaluation.scored import Scored
from heart_reader.evaluation.thresholds import youden
from heart_reader.models import FusionModel, build_model
from heart_reader.scoring import score
from heart_reader.training.precision import resolve_device
from heart_reader.training.trainer import FitResult, Trainer


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


def require_every_class(records: Records, folds: Sequence[int]) -> None:
    """Refuses folds that a class can't be learned from, or judged on.

    Raises:
        DataError: a class that no record of the folds has.
    """
    counts = records.y_true[records.rows(folds)].sum(axis=0)
    absent = [name for name, count in zip(SUPERCLASSES, counts, strict=True) if not count]
    if absent:
        where = f"fold {folds[0]}" if len(folds) == 1 else f"folds {folds[0]} to {folds[-1]}"
        raise DataError(
            f"no record of {where} has the class {' or '.join(absent)}: every class needs one; "
            "take more records (data.records_per_fold) or a lower data.min_likelihood"
        )


def prepare(records: Records, split: Split = FOLD_9) -> Prepared:
    """Fits the normaliser and the feature encoder on the training folds alone.

    Raises:
        DataError: a class that nobody has in the training or in the validation folds.
    """
    require_every_class(records, split.train)
    require_every_class(records, split.validation)
    rows = records.rows(split.train)
    encoder = None
    if records.features is not None:
        encoder = fit_encoder(records.features, rows, split.train)
    return Prepared(records, fit_normaliser(records, split.train), encoder, split)


def make_trainer(prepared: Prepared, config: Config) -> Trainer:
    """A trainer at epoch 0; the same seed, data and configuration make the same one."""
    encoder = prepared.encoder
    torch.manual_seed(config.seed)
    model = build_model(config.model, 0 if encoder is None else encoder.n_encoded)
    return make_trainer_of(model, prepared, config)


def make_trainer_of(model: FusionModel, prepared: Prepared, config: Config) -> Trainer:
    """A trainer at epoch 0 for a model that is there already, fresh or trained; it is changed."""
    records, encoder = prepared.records, prepared.encoder
    device = resolve_device(config.training.device)
    return Trainer(
        model.to(device),
        to_device(records, records.rows(prepared.split.train), encoder, device),
        to_device(records, records.rows(prepared.split.validation), encoder, device),
        records.pack.fs,
        prepared.normaliser,
        config.training,
        config.augmentation,
        torch.Generator(device).manual_seed(config.seed),
    )


def make_bundle(
    prepared: Prepared, config: Config, result: FitResult, provenance: Mapping[str, Any]
) -> tuple[Bundle, Scored]:
    """The best weights as a bundle, thresholds chosen on fold 9, and its fold-9 predictions."""
    encoder = prepared.encoder
    model = build_model(config.model, 0 if encoder is None else encoder.n_encoded)
    model.load_state_dict(result.best_weights)
    untuned = np.full(len(SUPERCLASSES), 0.5)
    draft = Bundle(config.model, model.eval(), prepared.normaliser, encoder, untuned, provenance)
    scored = score(draft, prepared.records, (VALIDATION_FOLD,))
    thresholds = youden(scored.y_true, scored.y_score)
    bundle = replace(draft, thresholds=thresholds)
    return bundle, replace(scored, thresholds=thresholds)
