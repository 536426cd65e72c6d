"""Losses for multi-label targets, on logits; a target that nobody knows is NaN."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

Loss = Callable[[Tensor, Tensor], Tensor]


def focal_loss(logits: Tensor, y_true: Tensor, alpha: float, gamma: float) -> Tensor:
    """Sigmoid focal loss, averaged over records and classes.

    Lin et al., "Focal Loss for Dense Object Detection", 2017. https://arxiv.org/abs/1708.02002

    Args:
        logits: (batch, n_classes).
        y_true: (batch, n_classes), 0 to 1 (soft targets are legal).
        alpha: weight of the positives; the negatives weigh ``1 - alpha``.
        gamma: how much well-classified examples are played down; 0 is weighted cross-entropy.
    """
    return _focal(logits, y_true, alpha, gamma).mean()


def _focal(logits: Tensor, y_true: Tensor, alpha: float, gamma: float) -> Tensor:
    cross_entropy = binary_cross_entropy_with_logits(logits, y_true, reduction="none")
    p = torch.sigmoid(logits)
    p_wrong = p * (1 - y_true) + (1 - p) * y_true
    weight = alpha * y_true + (1 - alpha) * (1 - y_true)
    loss: Tensor = weight * p_wrong**gamma * cross_entropy
    return loss


def make_loss(
    name: str, alpha: float, gamma: float, label_smoothing: float, all_known: bool = True
) -> Loss:
    """The loss that a configuration names: "focal" or "bce", with smoothed targets.

    ``label_smoothing`` s moves 0 to s/2 and 1 to 1 - s/2.

    Args:
        name, alpha, gamma, label_smoothing: as the configuration says.
        all_known: no target is NaN; else those that are count nowhere.
    """

    def loss(logits: Tensor, y_true: Tensor) -> Tensor:
        target = y_true * (1 - label_smoothing) + label_smoothing / 2
        if not all_known:
            return masked(logits, target)
        if name == "focal":
            return focal_loss(logits, target, alpha, gamma)
        return binary_cross_entropy_with_logits(logits, target)

    def masked(logits: Tensor, target: Tensor) -> Tensor:
        known = ~torch.isnan(target)
        target = torch.nan_to_num(target)
        if name == "focal":
            each = _focal(logits, target, alpha, gamma)
        else:
            each = binary_cross_entropy_with_logits(logits, target, reduction="none")
        return (each * known).sum() / known.sum().clamp(min=1)

    return loss
