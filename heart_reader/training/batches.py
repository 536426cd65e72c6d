"""How many records a step takes, and how large it is."""

import math

import torch
from torch import Tensor

from heart_reader.training.config import AUTO, TrainingConfig

USUAL = 128  # records that ``training.learning_rate`` is meant for
ON_GPU = 256  # enough to keep a GPU busy; ``docs/recipe.md`` has what it costs in AUC


def batch_rule(config: TrainingConfig, device: torch.device) -> tuple[int, float]:
    """Records of a step, and its learning rate.

    A number is taken as it is. "auto" is `USUAL` on a CPU and `ON_GPU` on a GPU, where the rate
    grows with the root of the batch, as Adam's steps want it: Malladi et al., "On the SDEs and
    Scaling Rules for Adaptive Gradient Algorithms", NeurIPS 2022.
    https://arxiv.org/abs/2205.10287
    """
    if config.batch_size != AUTO:
        return config.batch_size, config.learning_rate
    size = ON_GPU if device.type == "cuda" else USUAL
    return size, config.learning_rate * math.sqrt(size / USUAL)


def of_one_size(rows: Tensor, n_batches: int) -> tuple[Tensor, ...]:
    """So many batches, all as large: the last one is filled up with rows of the first.

    Each size would be a graph of its own, for which cuDNN tries its kernels anew.
    """
    size = math.ceil(len(rows) / n_batches)
    return torch.cat([rows, rows[: n_batches * size - len(rows)]]).chunk(n_batches)


def one_cycle(
    optimizer: torch.optim.Optimizer, n_steps: int, pct_start: float
) -> torch.optim.lr_scheduler.OneCycleLR:
    """The schedule of a training: each group's rate rises to its own, then falls.

    Args:
        optimizer: whose groups have their highest rate.
        n_steps: of the whole training.
        pct_start: share of the steps in which the rate rises.
    """
    return torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        [group["lr"] for group in optimizer.param_groups],
        total_steps=n_steps,
        # A rise of exactly one step makes OneCycleLR divide by 0.
        pct_start=0.0 if pct_start * n_steps == 1 else pct_start,
    )
