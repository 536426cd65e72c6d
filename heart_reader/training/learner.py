"""What a model says of a batch, and how far that is from the targets."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from heart_reader.data.augmentation import AugmentationConfig, augment, mix, mixup_weights
from heart_reader.data.dataset import DeviceRecords
from heart_reader.data.normaliser import Normaliser
from heart_reader.models import FusionModel
from heart_reader.training.auxiliary import Auxiliary
from heart_reader.training.lead_sets import LeadSets
from heart_reader.training.losses import Loss


@dataclass(frozen=True)
class Learner:
    """A model with all that its loss depends on; the order of batches and the optimizer aside.

    Attributes:
        model: on the device of the records.
        train: folds 1 to 8; their targets may have those of the second head behind them.
        fs: sampling rate in Hz, for the augmentation.
        normaliser: applied after the augmentation, which works in mV.
        generator: on the records' device; it augments and drops.
        lead_sets: of which each training record shows one, or ``None``.
        auxiliary: the second head, or ``None``.
        loss: of logits and targets.
        feature_dropout: probability that a record's features are missing.
        dtype: that the network runs in.
    """

    model: FusionModel
    train: DeviceRecords
    fs: int
    normaliser: Normaliser
    generator: torch.Generator
    lead_sets: LeadSets | None
    auxiliary: Auxiliary | None
    loss: Loss
    feature_dropout: float
    dtype: torch.dtype

    def loss_of(self, rows: Tensor, recipe: AugmentationConfig) -> Tensor:
        """Of some training records, augmented by a recipe."""
        data = self.train
        signal = augment(data.millivolts(rows), self.fs, recipe, self.generator)
        features, present = _take(data.features, rows), _take(data.present, rows)
        y_true = data.y_true[rows]
        if recipe.mixup_p:
            weight = mixup_weights(signal, recipe, self.generator)
            signal, y_true = mix(signal, weight), mix(y_true, weight)
            features = None if features is None else mix(features, weight)
        if self.lead_sets is not None:
            signal, features = self.lead_sets.draw(signal, features, self.generator)
        return self.expected_loss(signal, features, present, y_true, _take(data.lengths, rows))

    def expected_loss(
        self,
        signal: Tensor,
        features: Tensor | None,
        present: Tensor | None,
        y_true: Tensor,
        lengths: Tensor | None = None,
    ) -> Tensor:
        """The expected loss under feature dropout.

        Each record counts with its features and without, at the probabilities of the two, instead
        of one of them drawn: the backbone runs once, and the head costs next to nothing.
        """
        p = 0.0 if features is None else self.feature_dropout
        y_true, others = y_true.tensor_split((len(self.train.classes),), dim=1)
        with self._autocast():
            normal = self.normaliser(signal, lengths)
            vector = self.model.embed(normal, lengths)  # (n, embedding_size)
            logits = self.model.classify(vector, features, present)  # (n, n_classes)
            bare = self.model.classify(vector, None, None) if p else None
        loss = self.loss(logits.float(), y_true)
        if bare is not None:
            loss = (1 - p) * loss + p * self.loss(bare.float(), y_true)
        return loss if self.auxiliary is None else loss + self.auxiliary(vector, others)

    @torch.no_grad()
    def logits(self, data: DeviceRecords, batches: Sequence[Tensor]) -> Tensor:
        """Of the records of each batch, one after the other: (n_rows, n_classes)."""
        parts = []
        for rows in batches:
            features, present, lengths = (
                _take(x, rows) for x in (data.features, data.present, data.lengths)
            )
            signal = self.normaliser(data.millivolts(rows), lengths)
            with self._autocast():
                logits = self.model(signal, features, present, lengths)
            parts.append(logits.float())
        return torch.cat(parts)

    def _autocast(self) -> Any:
        if self.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.train.signals.device.type, dtype=self.dtype)


def _take(x: Tensor | None, rows: Tensor) -> Tensor | None:
    return None if x is None else x[rows]
