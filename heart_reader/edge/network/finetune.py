"""Training a thinner model again, on labels or on what a teacher says."""

import copy
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from heart_reader.bundle.kinds import AnyBundle
from heart_reader.bundle.scoring import LEFT_OUT, require_some_class, score
from heart_reader.bundle.single import Bundle
from heart_reader.config.load import Config
from heart_reader.data.dataset import Records, to_device
from heart_reader.data.ptbxl import TRAIN_FOLDS
from heart_reader.edge.config import FinetuneConfig
from heart_reader.edge.contract import Form
from heart_reader.errors import DataError
from heart_reader.fitting import FOLD_9, Prepared, make_trainer_of
from heart_reader.training.teacher import soften
from heart_reader.training.trainer import FitResult

BATCH = 128  # records a forward pass


def finetuned(
    bundle: Bundle,
    teacher: AnyBundle,
    records: Records,
    config: Config,
    chosen: FinetuneConfig,
    form: Form,
) -> tuple[Bundle, FitResult]:
    """The bundle trained again on folds 1 to 8, its best epoch on fold 9; and the fit's history.

    Args:
        bundle: stays as it is; its normaliser and encoder are kept.
        teacher: whose probabilities are mixed into the targets: legal ones of either loss.
        records: development records with the features that the bundle reads.
        config: whose training section is followed, at a share of the learning rate.
        chosen: with at least one epoch; ``distill`` is the weight of the teacher's probabilities.
        form: "signal" trains, and picks the best epoch, without features, as a device will ask;
            the teacher has them all the same.

    Raises:
        DataError: no class has a positive and a negative in the training or the validation folds.
    """
    require_some_class(records, FOLD_9.train, "can't be learned")
    require_some_class(records, FOLD_9.validation, LEFT_OUT)
    training = replace(
        config.training,
        epochs=chosen.epochs,
        learning_rate=config.training.learning_rate * chosen.learning_rate_share,
    )
    encoder = bundle.encoder if form == "fused" else None  # without it nothing is encoded
    prepared = Prepared(records, bundle.normaliser, encoder, FOLD_9)
    targets = None
    if chosen.distill:
        y_true = records.y_true[records.rows(FOLD_9.train)]
        targets = soften(y_true, score(teacher, records, FOLD_9.train).y_score, chosen.distill)
    torch.manual_seed(config.seed)
    model = copy.deepcopy(bundle.model).requires_grad_(True)
    changed = replace(config, training=training)
    trainer = make_trainer_of(model, prepared, changed, targets)
    result = trainer.fit([])
    model.load_state_dict(result.best_weights)
    return replace(bundle, model=model.cpu().eval()), result


def remeasured(
    bundle: Bundle, records: Records, n_records: int, generator: np.random.Generator
) -> Bundle:
    """The bundle with the batch norms' statistics of the network as it is now.

    A pruned layer gets other sums than it was trained with, and its batch norm still subtracts
    the mean of the old ones. No weight changes.

    Args:
        bundle: stays as it is.
        records: development records; some of folds 1 to 8 are looked at.
        n_records: how many.
        generator: that draws them.

    Raises:
        DataError: fewer than 2 such records.
    """
    rows = some_rows(records, n_records, generator)
    if len(rows) < 2:
        raise DataError(f"batch norms need 2 records of folds 1 to 8, but there is {len(rows)}")
    data = to_device(records, rows, bundle.encoder, torch.device("cpu"))
    model = copy.deepcopy(bundle.model)
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over all batches
        norm.train()
    with torch.inference_mode():
        for part in torch.arange(len(data)).tensor_split(-(-len(data) // BATCH)):
            features = None if data.features is None else data.features[part]
            present = None if data.present is None else data.present[part]
            model(bundle.normaliser(data.millivolts(part)), features, present)
    for norm, trained in zip(norms, _norms(bundle.model), strict=True):
        norm.momentum = trained.momentum
    return replace(bundle, model=model.eval())


def some_rows(records: Records, n_records: int, generator: np.random.Generator) -> np.ndarray:
    """Rows of some records of folds 1 to 8, drawn without replacement, in order."""
    rows = records.rows(TRAIN_FOLDS)
    return np.sort(generator.permutation(rows)[:n_records])


def _norms(model: nn.Module) -> list[nn.BatchNorm1d | nn.BatchNorm2d]:
    return [m for m in model.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
