"""A device model as a program that another process converts."""

import copy
from pathlib import Path

import torch
from torch import Tensor, nn

from heart_reader.edge.network.device_model import DeviceModel


class Largest(nn.Module):
    """What an adaptive pool of size 1 does, in words that litert-torch knows."""

    def forward(self, x: Tensor) -> Tensor:
        return x.amax(dim=(2, 3), keepdim=True)


def save_program(model: DeviceModel, path: Path) -> None:
    """Writes the program for one record; the model is left as it is."""
    changed = copy.deepcopy(model)
    for module in list(changed.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.AdaptiveMaxPool2d):
                setattr(module, name, Largest())
    features, mask = torch.zeros(1, model.n_features), torch.ones(1, model.n_features)
    inputs = (torch.zeros(1, *model.shape), features, mask)[: len(model.input_names)]
    torch.export.save(torch.export.export(changed, inputs, strict=False), path)
