"""What a user may choose about the training."""

from dataclasses import dataclass
from typing import Final, Literal

from heart_reader.data.lead_sets import NONE, lead_sets_of
from heart_reader.errors import DataError, did_you_mean
from heart_reader.models import BACKBONES
from heart_reader.tasks.ptbxl import task_problems
from heart_reader.training.precision import Precision

TEACHERS = ("none", "boosting", *BACKBONES)
AUTO: Final = "auto"
_SHARES = ("focal_alpha", "label_smoothing", "teacher_weight", "feature_dropout", "pct_start")
_NOT_NEGATIVE = (
    "weight_decay",
    "focal_gamma",
    "whole_epochs",
    "freeze_epochs",
    "auxiliary_weight",
)


@dataclass(frozen=True)
class TrainingConfig:
    """The recipe."""

    epochs: int
    batch_size: int | Literal["auto"]  # `batches.batch_rule` says what "auto" is
    loss: Literal["focal", "bce"]
    focal_alpha: float
    focal_gamma: float
    label_smoothing: float
    learning_rate: float  # the peak of the one-cycle schedule
    weight_decay: float
    pct_start: float  # share of the steps in which the learning rate rises
    whole_epochs: int  # the last ones, in which records aren't cropped
    grad_clip: float  # largest norm of the gradient
    patience: int  # epochs without a better fold-9 macro AUC before stopping
    teacher: str  # of soft targets beside the labels: none, boosting, or a backbone's name
    teacher_weight: float  # of its scores in the targets
    auxiliary: str  # "none", or a task that a second head learns beside the main one
    auxiliary_weight: float  # of the second head's loss
    auxiliary_likelihoods: bool  # its targets are the statements' likelihoods, not 0 or 1
    feature_dropout: float  # probability that a record's features are missing in training
    lead_sets: str  # "none", or sets such as 12,8,6,II, of which each record shows one
    init: str  # "none", or the model that the weights are taken from: NAME@ALIAS, or a bundle
    freeze_epochs: int  # the first ones, in which the head alone learns
    layer_decay: float  # of the learning rate, from each layer to the one below it
    precision: Precision
    cuda_graphs: bool  # on a GPU, steps are captured and replayed
    device: Literal["auto", "cpu", "cuda"]

    def problems(self) -> list[str]:
        """The rules that types can't say."""
        found = [
            f"{name} must be at least 1, but is {getattr(self, name)}"
            for name in ("epochs", "batch_size", "patience")
            if getattr(self, name) != AUTO and getattr(self, name) < 1
        ]
        found += [
            f"{name} must be above 0, but is {getattr(self, name)}"
            for name in ("learning_rate", "grad_clip")
            if getattr(self, name) <= 0
        ]
        found += [
            f"{name} must not be negative, but is {getattr(self, name)}"
            for name in _NOT_NEGATIVE
            if getattr(self, name) < 0
        ]
        found += [
            f"{name} must lie from 0 to 1, but is {getattr(self, name)}"
            for name in _SHARES
            if not 0 <= getattr(self, name) <= 1
        ]
        try:
            lead_sets_of(self.lead_sets)
        except DataError as error:
            found.append(f"lead_sets {error}")
        if self.auxiliary != NONE:
            found += [f"auxiliary: {problem}" for problem in task_problems(self.auxiliary)]
        if not 0 < self.layer_decay <= 1:
            found.append(f"layer_decay must lie above 0 and up to 1, but is {self.layer_decay}")
        if self.init == "none" and (self.freeze_epochs or self.layer_decay != 1):
            found.append("freeze_epochs and layer_decay are for a training that starts from init")
        if self.freeze_epochs and self.freeze_epochs >= self.epochs:
            found.append(
                f"freeze_epochs must be below epochs ({self.epochs}), but is {self.freeze_epochs}"
            )
        if self.teacher not in TEACHERS:
            hint = did_you_mean(self.teacher, TEACHERS) or f" (there are {', '.join(TEACHERS)})"
            found.append(f"unknown teacher {self.teacher!r}{hint}")
        return found
