"""A bundle in eager PyTorch behind the method of exported files: what these are compared with."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from heart_reader.bundle.kinds import AnyBundle, open_bundle
from heart_reader.bundle.single import Bundle
from heart_reader.edge.sample import Array
from heart_reader.evaluation.mixing import mix_scores
from heart_reader.models.views import logits_and_vector, mean_probabilities


class EagerModel:
    """One bundle, or an ensemble's members one after the other, on one thread.

    Attributes:
        n_features: raw features that it reads; 0 for a signal-only model.
        shape: of a signal, (n_leads, n_times).
        n_classes: that it answers.
    """

    def __init__(self, bundle: AnyBundle) -> None:
        self.bundle = bundle
        self.n_features = 0 if bundle.encoder is None else len(bundle.encoder.names)
        self.shape, self.n_classes = bundle.spec.shape, bundle.task.n_classes

    def probabilities(self, signal: Array, features: Array | None, mask: Array | None) -> Array:
        """(n, n_classes), as of `edge.formats.runtime.Runtime`; no features: ``None``."""
        with one_thread():
            scores = [_forward(each, signal, features, mask) for each in self.bundle.members]
        return mix_scores(np.stack(scores), self.bundle.weights)


def load_eager(folder: Path) -> EagerModel:
    """The model of a bundle's folder.

    Raises:
        ModelError: a folder that holds none.
    """
    return EagerModel(open_bundle(folder))


@torch.inference_mode()
def _forward(bundle: Bundle, signal: Array, features: Array | None, mask: Array | None) -> Array:
    encoded = present = None
    if bundle.encoder is not None and features is not None and mask is not None:
        values = np.where(mask > 0, features, np.float32(np.nan))
        encoded, present = map(torch.from_numpy, bundle.encoder.encode(values))
    x = torch.from_numpy(np.ascontiguousarray(signal, np.float32))
    said, _ = logits_and_vector(
        bundle.model, bundle.normaliser, bundle.views, x, encoded, present, None
    )
    return np.asarray(mean_probabilities(said).numpy(), np.float32)


@contextmanager
def one_thread() -> Iterator[None]:
    """PyTorch on one thread, and on as many as before behind it."""
    before = torch.get_num_threads()
    if before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


# ---------------------------------------------------------------- arithmetic


def count_parameters(bundle: AnyBundle) -> int:
    """Of the model, or of all members."""
    return sum(p.numel() for one in bundle.members for p in one.model.parameters())


def count_macs(bundle: AnyBundle, fused: bool) -> int:
    """Multiplications with a weight, for one record: convolutions and linear layers.

    ``fused`` counts the feature branch as well.
    """
    return sum(_macs(one, fused) for one in bundle.members)


def _macs(bundle: Bundle, fused: bool) -> int:
    total = 0

    def add(layer: nn.Module, inputs: Any, output: Tensor) -> None:
        nonlocal total
        weight: Tensor = layer.weight  # type: ignore[assignment]
        total += math.prod(weight.shape[1:]) * output[0].numel()

    layers = [m for m in bundle.model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    handles = [layer.register_forward_hook(add) for layer in layers]
    try:
        signal = np.zeros((1, *bundle.spec.shape), np.float32)
        n_features = 0 if bundle.encoder is None or not fused else len(bundle.encoder.names)
        blank = np.zeros((1, n_features), np.float32) if n_features else None
        _forward(bundle, signal, blank, blank)
    finally:
        for handle in handles:
            handle.remove()
    return total
