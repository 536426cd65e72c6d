"""From records and a configuration to a bundle: what every way to train shares."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from heart_reader.bundle import Bundle
from heart_reader.cache import cache_folder
from heart_reader.config import Config
from heart_reader.data.dataset import Records, to_device
from heart_reader.data.features import FeatureEncoder, fit_encoder
from heart_reader.data.normaliser import Normaliser, fit_normaliser
from heart_reader.data.ptbxl import SUPERCLASSES, TRAIN_FOLDS, VALIDATION_FOLD
from heart_reader.errors import ConfigError, DataError
from heart_reader.evaluation.scored import Scored
from heart_reader.evaluation.thresholds import youden
from heart_reader.models import build_model
from heart_reader.scoring import score
from heart_reader.training.precision import resolve_device
from heart_reader.training.teacher import boosted_scores, soften
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
    records, encoder = prepared.records, prepared.encoder
    train_rows = records.rows(prepared.split.train)
    device = resolve_device(config.training.device)
    torch.manual_seed(config.seed)
    model = build_model(config.model, 0 if encoder is None else encoder.n_encoded).to(device)
    train = to_device(records, train_rows, encoder, device)
    if config.training.teacher == "boosting":
        targets = taught(records, train_rows, config.training.teacher_weight)
        train = replace(train, y_true=torch.as_tensor(targets, device=device))
    return Trainer(
        model,
        train,
        to_device(records, records.rows(prepared.split.validation), encoder, device),
        records.pack.fs,
        prepared.normaliser,
        config.training,
        config.augmentation,
        torch.Generator(device).manual_seed(config.seed),
    )


def taught(records: Records, rows: NDArray[np.intp], weight: float) -> NDArray[np.float32]:
    """Soft targets (n_rows, n_classes) of training records, from boosted trees across their folds.

    Raises:
        ConfigError: records without features.
    """
    if records.features is None:
        raise ConfigError(
            "training.teacher 'boosting' learns from features, but features is 'none'"
        )
    y_true, fold = records.y_true[rows], records.metadata["strat_fold"].to_numpy(np.int64)[rows]
    scores = boosted_scores(records.features.values[rows], y_true, fold, cache_folder())
    return soften(y_true, scores, weight)


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
