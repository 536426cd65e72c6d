"""The smallest configuration and records that still go through every part of a training."""

from dataclasses import replace
from pathlib import Path

import torch

from heart_reader.bundle.single import Bundle
from heart_reader.config.load import Config, load_config
from heart_reader.data.dataset import DeviceRecords, load_development
from heart_reader.fitting import Prepared, make_bundle, make_trainer, prepare
from heart_reader.training.checkpoint import save_checkpoint
from heart_reader.training.trainer import Hook, Metrics, Trainer

N_TRAIN = 48  # records of folds 1 to 8 that a tiny trainer sees

TINY = {
    "data.demo_records": 200,
    "backbone": "se_resnet1d",
    "model.se_resnet1d.width": 8,
    "model.se_resnet1d.stage_depths": [1],
    "model.se_resnet1d.se_reduction": 4,
    "model.fusion.embedding_size": 16,
    "model.fusion.feature_sizes": [16, 8],
    "model.fusion.head_size": 16,
    "training.epochs": 3,
    "training.batch_size": 16,
    "training.precision": "fp32",
    "training.device": "cpu",
    "evaluation.n_resamples": 20,
    "evaluation.n_sheets": 1,
}


def tiny_config(**changes: object) -> Config:
    """``changes``: dotted keys, ``__`` for the dot."""
    dotted = {key.replace("__", "."): value for key, value in changes.items()}
    return load_config("default", TINY | dotted)


def tiny_prepared(cache: Path, features: str = "compute") -> Prepared:
    config = tiny_config(features=features)
    return prepare(load_development(config.data, config.task, config.features, cache))


def tiny_trainer(prepared: Prepared, config: Config) -> Trainer:
    """A trainer of the project on the first records of folds 1 to 8 and all of fold 9."""
    trainer = make_trainer(prepared, config)
    few = first(trainer.train, N_TRAIN)
    return Trainer(
        trainer.model,
        few,
        trainer.validation,
        trainer.learner.fs,
        prepared.normaliser,
        config.training,
        config.augmentation,
        torch.Generator().manual_seed(config.seed),
    )


def stop_after(n_epochs: int, trainer: Trainer, path: Path) -> Hook:
    """Keeps a checkpoint after each epoch, and stops after so many."""

    def hook(epoch: int, metrics: Metrics) -> None:
        save_checkpoint(path, trainer.checkpoint())
        if epoch + 1 == n_epochs:
            raise InterruptedError

    return hook


def first(records: DeviceRecords, n_records: int) -> DeviceRecords:
    """The first records only."""
    cut = {
        name: None if value is None else value[:n_records] for name, value in vars(records).items()
    }
    return replace(records, **cut)


def tiny_bundle(prepared: Prepared) -> Bundle:
    """A bundle after one epoch, thresholds of fold 9."""
    features = "none" if prepared.encoder is None else "compute"
    config = tiny_config(training__epochs=1, features=features)
    result = tiny_trainer(prepared, config).fit([])
    return make_bundle(prepared, config, result, {"seed": config.seed, "best_epoch": 0})[0]
