"""What a device runs: millivolts in, probabilities out, everything in between inside.

Inputs, outputs and units: ``heart_reader.edge.contract``.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from heart_reader.bundle.single import Bundle
from heart_reader.data.features import DEMOGRAPHICS, FeatureEncoder
from heart_reader.data.normaliser import Normaliser
from heart_reader.edge.contract import FORMS, Form
from heart_reader.edge.network.folding import folded
from heart_reader.errors import ModelError
from heart_reader.models import FusionModel
from heart_reader.models.blocks import as_image
from heart_reader.models.feature_branch import FeatureBranch


class DeviceModel(nn.Module):
    """Either form; eval mode, float32, on the CPU."""

    input_names: tuple[str, ...]
    n_features: int  # 0 where the form reads none
    shape: tuple[int, int]  # of a signal, (n_leads, n_times)


def device_model(bundle: Bundle, form: Form) -> DeviceModel:
    """A bundle's network with its normaliser, encoder and sigmoid in one module.

    Args:
        bundle: left as it is.
        form: "fused" reads a signal, features and their mask; "signal" a signal alone, as the
            bundle does with features that are all missing.

    Raises:
        ModelError: an unknown form, or "fused" for a model that was trained without features.
    """
    if form not in FORMS:
        raise ModelError(f"a device model's form must be one of {FORMS}, but is {form!r}")
    network = folded(bundle.model, bundle.spec.n_times)
    branch = network.feature_branch
    model: DeviceModel
    if form == "signal":
        model = SignalModel(network, bundle.normaliser)
    elif bundle.encoder is None or branch is None:
        raise ModelError("the form 'fused' needs a model that was trained with features")
    else:
        model = FusedModel(network, bundle.normaliser, bundle.encoder)
    model.shape = bundle.spec.shape
    return model.eval()


class SignalModel(DeviceModel):
    """Probabilities from a signal; the learned vector for missing features is in a bias."""

    input_names = ("signal",)
    n_features = 0

    def __init__(self, network: FusionModel, normaliser: Normaliser) -> None:
        super().__init__()
        self.embed = Embedding(network, normaliser)
        first, *others = network.head
        if network.feature_branch is not None:
            first = _with_constant(first, network.feature_branch.missing)
        self.head = nn.Sequential(first, *others)

    def forward(self, signal: Tensor) -> Tensor:
        return torch.sigmoid(self.head(self.embed(signal)))  # (n, n_classes)


class FusedModel(DeviceModel):
    """Probabilities from a signal, raw features and their mask."""

    input_names = ("signal", "features", "mask")

    def __init__(
        self, network: FusionModel, normaliser: Normaliser, encoder: FeatureEncoder
    ) -> None:
        super().__init__()
        self.n_features = len(encoder.names)
        self.embed = Embedding(network, normaliser)
        self.encode = FeatureInput(network.feature_branch, encoder)
        self.head = network.head

    def forward(self, signal: Tensor, features: Tensor, mask: Tensor) -> Tensor:
        vectors = [self.embed(signal), self.encode(features, mask)]
        joined = torch.cat(vectors, dim=1)  # (n, joined_size)
        return torch.sigmoid(self.head(joined))  # (n, n_classes)


class Embedding(nn.Module):
    """mV (n, n_leads, n_times) -> (n, embedding_size)."""

    def __init__(self, network: FusionModel, normaliser: Normaliser) -> None:
        super().__init__()
        std = np.array(normaliser.std)
        self.scale = _constant(1 / std[:, None])  # (n_leads, 1)
        self.shift = _constant(-(np.array(normaliser.mean) / std)[:, None])
        self.backbone = network.backbone
        self.pool = network.pool
        self.projection = network.projection

    def forward(self, signal: Tensor) -> Tensor:
        # In float32 in every file, 8-bit ones too: an offset would eat the range of their codes.
        centred = signal - signal.mean(dim=2, keepdim=True)
        x = as_image(centred * self.scale + self.shift)  # (n, n_leads, 1, n_times)
        vector: Tensor = self.projection(self.pool(self.backbone(x)))  # (n, embedding_size)
        return vector


class FeatureInput(nn.Module):
    """What ``FeatureEncoder.encode`` and `FeatureBranch` do, on raw values and a mask."""

    def __init__(self, branch: FeatureBranch | None, encoder: FeatureEncoder) -> None:
        super().__init__()
        if branch is None:
            raise ModelError("an encoder of features needs a branch that reads them")
        self.low, self.high, self.median = (
            _constant(values) for values in (encoder.low, encoder.high, encoder.median)
        )
        self.scale = _constant(1 / encoder.scale.astype(np.float64))
        self.n_measured = len(encoder.names) - len(DEMOGRAPHICS)
        self.mlp = branch.mlp
        self.missing = branch.missing

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        clipped = torch.minimum(torch.maximum(features, self.low), self.high)
        scaled = (clipped - self.median) * self.scale * mask  # a missing one is its median: 0
        encoded = self.mlp(torch.cat([scaled, 1 - mask], dim=1))  # (n, n_hidden)
        # Age and sex alone are no features, as in training.
        present = mask[:, : self.n_measured].amax(1, keepdim=True)  # (n, 1)
        out: Tensor = self.missing + present * (encoded - self.missing)  # (n, n_hidden)
        return out


def _with_constant(layer: nn.Module, tail: Tensor) -> nn.Linear:
    """``layer`` on inputs that always end in ``tail``, as one that reads what comes before."""
    if not isinstance(layer, nn.Linear):
        raise ModelError(f"the head must begin with a linear layer, but begins with {layer}")
    n_inputs = layer.in_features - len(tail)
    shorter = nn.Linear(n_inputs, layer.out_features).requires_grad_(False)
    shorter.weight.copy_(layer.weight[:, :n_inputs])
    shorter.bias.copy_(layer.bias + layer.weight[:, n_inputs:] @ tail)
    return shorter


def _constant(values: NDArray[np.floating]) -> nn.Parameter:
    return nn.Parameter(torch.tensor(values, dtype=torch.float32), requires_grad=False)
