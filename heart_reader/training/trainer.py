"""The training loop: one code path for CPU and CUDA, resumable to the bit.

The outside sees it through ``hooks``: callables that get the epoch and its metrics when it ends.
"""

import copy
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from heart_reader.data.augmentation import AugmentationConfig
from heart_reader.data.dataset import DeviceRecords
from heart_reader.data.normaliser import Normaliser
from heart_reader.errors import DataError, DivergenceError
from heart_reader.evaluation.metrics import defined_auc, mean_defined
from heart_reader.models import FusionModel
from heart_reader.progress import progress
from heart_reader.tasks.task import MANY, UNKNOWN, by_key
from heart_reader.training.auxiliary import Auxiliary
from heart_reader.training.batches import batch_rule, of_one_size, one_cycle
from heart_reader.training.captured.flat_adamw import FlatAdamW
from heart_reader.training.captured.graphs import Capture, GraphSteps, capture_unless, why_eager
from heart_reader.training.checkpoint import (
    Checkpoint,
    pack_optimizer,
    random_states,
    set_random_states,
    unpack_optimizer,
)
from heart_reader.training.config import TrainingConfig
from heart_reader.training.lead_sets import LeadSets
from heart_reader.training.learner import Learner
from heart_reader.training.losses import make_loss
from heart_reader.training.precision import resolve_precision
from heart_reader.training.transfer import freeze, parameter_groups

BATCH_VALIDATION = 256
Metrics = dict[str, float]
Hook = Callable[[int, Metrics], None]


@dataclass(frozen=True)
class FitResult:
    """What a fit leaves: the history, one mapping an epoch, and where the best was."""

    history: list[Metrics]
    best_epoch: int
    best_weights: dict[str, Tensor]

    @property
    def seconds(self) -> float:
        """Of all epochs, training and validation."""
        return sum(metrics["epoch_seconds"] for metrics in self.history)


class Trainer:
    """Fits one model; everything that a resumed run needs is in `checkpoint`.

    Args:
        model: on the device of the records.
        train, validation: folds 1 to 8 and fold 9.
        fs: sampling rate in Hz, for the augmentation.
        normaliser: applied after the augmentation, which works in mV.
        config, augmentation: the recipe.
        generator: on the records' device; it orders, augments and drops.
        lead_sets: of which each training record shows one, or ``None``.
        auxiliary: a second head, whose targets stand behind those of ``train``, or ``None``.
        capture: holds steps so that they can be replayed; ``None``: as CUDA graphs on a GPU, and
            not at all on a CPU.
    """

    def __init__(
        self,
        model: FusionModel,
        train: DeviceRecords,
        validation: DeviceRecords,
        fs: int,
        normaliser: Normaliser,
        config: TrainingConfig,
        augmentation: AugmentationConfig,
        generator: torch.Generator,
        lead_sets: LeadSets | None = None,
        auxiliary: Auxiliary | None = None,
        capture: Capture | None = None,
    ) -> None:
        if len(train) < 2:
            raise DataError(f"training needs at least 2 records, but has {len(train)}")
        self.model, self.train, self.validation = model, train, validation
        self.config, self.augmentation, self.generator = config, augmentation, generator
        self.device, self.auxiliary = train.signals.device, auxiliary
        loss = make_loss(
            config.loss,
            config.focal_alpha,
            config.focal_gamma,
            config.label_smoothing,
            train.all_known and validation.all_known,
        )
        self.dtype = resolve_precision(config.precision, self.device)
        self.learner = Learner(
            model, train, fs, normaliser, generator, lead_sets, auxiliary, loss,
            config.feature_dropout, self.dtype,
        )  # fmt: skip
        batch_size, rate = batch_rule(config, self.device)
        groups = parameter_groups(model, rate, config.layer_decay)
        beside = [] if auxiliary is None else list(auxiliary.parameters())
        groups[0]["params"] += beside
        self.parameters = [*model.parameters(), *beside]
        if capture is None and self.device.type == "cuda":
            eager = why_eager(config.cuda_graphs, self.dtype, config.freeze_epochs)
            capture = capture_unless(eager, generator)
        self.optimizer: torch.optim.AdamW
        self.graphs: GraphSteps | None = None
        if capture is None:
            self.optimizer = torch.optim.AdamW(
                groups, rate, weight_decay=config.weight_decay, fused=True
            )
        else:
            self.optimizer = flat = FlatAdamW(groups, rate, config.weight_decay)
            self.graphs = GraphSteps(
                model, flat, generator, self._learn, self._validation_logits, capture
            )
        # Batches of nearly equal size: a last batch of one record would break batch normalisation.
        self.batches_per_epoch = math.ceil(len(train) / batch_size)
        n_steps = config.epochs * self.batches_per_epoch
        self.scheduler = one_cycle(self.optimizer, n_steps, config.pct_start)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.dtype == torch.float16)
        self.epoch = 0
        self.history: list[Metrics] = []
        self.best_epoch = -1
        self.best_weights: dict[str, Tensor] = {}

    # ---------------------------------------------------------------- the loop

    def fit(self, hooks: Sequence[Hook]) -> FitResult:
        """Trains until the last epoch, or until patience runs out."""
        while not self.finished:
            print(self._where(), file=sys.stderr)
            metrics = self.run_epoch()
            self._keep_best(metrics)
            self.history.append(metrics)
            self.epoch += 1
            for hook in hooks:
                hook(self.epoch - 1, metrics)
        result = FitResult(self.history, self.best_epoch, self.best_weights)
        if self.history:
            took = f"{len(self.history)} epochs in {result.seconds:.0f} s"
            print(f"{took}: {self._reached()}", file=sys.stderr)
        return result

    def _where(self) -> str:
        """Which epoch begins, what the one before reached, and how long the rest will take."""
        line = f"epoch {self.epoch + 1}/{self.config.epochs}"
        if not self.history:
            return line
        seconds = self.history[-1]["epoch_seconds"] * (self.config.epochs - self.epoch)
        return f"{line}: before it {self._reached()}; {seconds:.0f} s left"

    def _reached(self) -> str:
        last, best = self.history[-1], self.history[self.best_epoch]["val/macro_auc"]
        loss, reached = last["train/loss"], last["val/macro_auc"]
        return f"loss {loss:.3f}, macro AUC {reached:.4f}, best {best:.4f}"

    @property
    def finished(self) -> bool:
        """Whether the last epoch has run, or none was better for ``patience`` epochs."""
        waited = self.epoch - 1 - self.best_epoch
        return self.epoch >= self.config.epochs or waited >= self.config.patience

    def run_epoch(self) -> Metrics:
        """One pass over the training records and one over the validation records."""
        started = time.perf_counter()
        train_loss = self._train_epoch()
        seconds = time.perf_counter() - started
        learning_rate = self.optimizer.param_groups[0]["lr"]
        metrics = {"train/loss": train_loss, **self.validate()}
        return metrics | {
            "lr": learning_rate,
            "epoch_seconds": time.perf_counter() - started,
            "records_per_second": len(self.train) / seconds,
        }

    def _train_epoch(self) -> float:
        self.model.train()
        if self.config.freeze_epochs:
            freeze(self.model, self.epoch < self.config.freeze_epochs)
        order = torch.randperm(len(self.train), generator=self.generator, device=self.device)
        total = torch.zeros((), device=self.device)
        split = torch.tensor_split if self.graphs is None else of_one_size
        batches = split(order, self.batches_per_epoch)
        title = f"epoch {self.epoch + 1}/{self.config.epochs}"
        for rows in progress(batches, title, "batch"):
            total += self.train_step(rows)
        loss = float(total) / self.batches_per_epoch
        if not math.isfinite(loss):
            raise DivergenceError(
                f"the training loss became {loss} in epoch {self.epoch}: lower "
                f"training.learning_rate (now {self.config.learning_rate})"
            )
        return loss

    def train_step(self, rows: Tensor) -> Tensor:
        """One optimizer step on some training records; gives the loss, still on the device."""
        if self.graphs is None:
            loss = self._learn(rows)
        else:
            loss = self.graphs.learn(rows, self.recipe_now)
        self.scheduler.step()
        return loss

    def _learn(self, rows: Tensor) -> Tensor:
        loss = self.learner.loss_of(rows, self.recipe_now)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self.scaler.unscale_(self.optimizer)
        nn.utils.clip_grad_norm_(self.parameters, self.config.grad_clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return loss.detach()

    @property
    def recipe_now(self) -> AugmentationConfig:
        """The augmentation of this epoch: the last ``whole_epochs`` see records uncropped.

        Cropped epochs are cheaper; the whole ones fit batch norms and the pooled maximum to the
        length that predictions see.
        """
        whole = self.epoch >= self.config.epochs - self.config.whole_epochs
        return replace(self.augmentation, crop_share=1.0) if whole else self.augmentation

    # ---------------------------------------------------------------- validation

    def validate(self) -> Metrics:
        """Loss and AUCs of the validation records, in the training precision."""
        self.model.eval()
        logits = self._validation_logits() if self.graphs is None else self.graphs.score()
        loss = float(self.learner.loss(logits, self.validation.y_true))
        y_true = np.nan_to_num(self.validation.y_true.cpu().numpy(), nan=UNKNOWN)
        auc = defined_auc(y_true, torch.sigmoid(logits).cpu().numpy())  # (n_classes,)
        metrics = {"val/loss": loss, "val/macro_auc": float(mean_defined(auc))}
        names = self.validation.classes
        # A curve for each of many classes would drown the others; the last point has them all.
        return metrics | (by_key("val/auc", names, auc.tolist()) if len(names) <= MANY else {})

    def _validation_logits(self) -> Tensor:
        n_records = len(self.validation)
        batches = torch.split(torch.arange(n_records, device=self.device), BATCH_VALIDATION)
        if self.graphs is not None:
            batches = of_one_size(torch.cat(batches), len(batches))
        return self.learner.logits(self.validation, batches)[:n_records]

    def _keep_best(self, metrics: Mapping[str, float]) -> None:
        best = self.history[self.best_epoch]["val/macro_auc"] if self.best_epoch >= 0 else -1.0
        if metrics["val/macro_auc"] > best:
            self.best_epoch = self.epoch
            self.best_weights = copy.deepcopy(self.model.state_dict())

    # ---------------------------------------------------------------- stopping and going on

    def checkpoint(self) -> Checkpoint:
        """Weights, optimizer, schedule, scaler, random states, history: all `fit` depends on."""
        tensors, optimizer = pack_optimizer(self.optimizer)
        tensors = {f"optimizer.{key}": value for key, value in tensors.items()}
        tensors |= {f"model.{key}": value for key, value in self.model.state_dict().items()}
        tensors |= {f"best.{key}": value for key, value in self.best_weights.items()}
        if self.auxiliary is not None:
            tensors |= {f"auxiliary.{k}": v for k, v in self.auxiliary.state_dict().items()}
        tensors |= {f"rng.{key}": value for key, value in random_states(self.generator).items()}
        state = {
            "optimizer": optimizer,
            "scheduler": self.scheduler.state_dict(),
            "scaler": self.scaler.state_dict(),
            "epoch": self.epoch,
            "history": self.history,
            "best_epoch": self.best_epoch,
        }
        return Checkpoint(tensors, state)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Goes back to the end of the epoch in which the checkpoint was made."""
        state = checkpoint.state
        self.model.load_state_dict(checkpoint.section("model"))
        if self.auxiliary is not None:
            self.auxiliary.load_state_dict(checkpoint.section("auxiliary"))
        unpack_optimizer(self.optimizer, checkpoint.section("optimizer"), state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        self.scaler.load_state_dict(state["scaler"])
        self.epoch, self.history = state["epoch"], state["history"]
        self.best_epoch = state["best_epoch"]
        self.best_weights = checkpoint.section("best")
        set_random_states(checkpoint.section("rng"), self.generator)
