"""The same network with fewer and simpler operators, for inference alone.

Batch norms go into the convolutions and linear layers before them, dropout goes, and pools and
gates become operators that converters know by name: what is left quantizes without gaps.

Notation used for tensor shapes: as in ``heart_reader.models.blocks``.
"""

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from heart_reader.models import FusionModel
from heart_reader.models.blocks import ConcatPool, SqueezeExcite, halve
from heart_reader.models.convolution import LongConvolution
from heart_reader.models.inception1d import InceptionBlock
from heart_reader.models.s4 import StateSpace
from heart_reader.models.xresnet1d import XResNetBlock


def folded(network: FusionModel, n_times: int) -> FusionModel:
    """A copy in eval mode that computes the same; its weights are no longer to be trained.

    Args:
        network: trained.
        n_times: of the signals to come; what makes its kernels for a length is held to this one.
    """
    simple = copy.deepcopy(network).eval().requires_grad_(False)
    _simpler(simple, n_times)
    return simple


def _simpler(module: nn.Module, n_times: int) -> nn.Module:
    """Children first, then what the module itself becomes; changes it in place."""
    for name, child in module.named_children():
        setattr(module, name, _simpler(child, n_times))
    if isinstance(module, StateSpace):
        return FixedStateSpace(module, n_times)
    if isinstance(module, nn.Sequential):
        return _folded_sequence(module)
    if isinstance(module, LongConvolution):
        return _plain_convolution(module)
    if isinstance(module, SqueezeExcite):
        return Gate(module)
    if isinstance(module, InceptionBlock):
        return FoldedInceptionBlock(module)
    if isinstance(module, XResNetBlock):
        return FoldedXResNetBlock(module)
    return Pools() if isinstance(module, ConcatPool) else module


def _folded_sequence(sequence: nn.Sequential) -> nn.Sequential:
    layers: list[nn.Module] = []
    for layer in sequence:
        last = layers[-1] if layers else None
        if isinstance(layer, nn.BatchNorm2d) and isinstance(last, nn.Conv2d):
            layers[-1] = fuse_conv_bn_eval(last, layer)
        elif isinstance(layer, nn.BatchNorm1d) and isinstance(last, nn.Linear):
            layers[-1] = fuse_linear_bn_eval(last, layer)
        elif not isinstance(layer, nn.Dropout | nn.Identity):
            layers.append(layer)
    return nn.Sequential(*layers)


def _plain_convolution(convolution: nn.Conv2d) -> nn.Conv2d:
    """Without the gradient's own code, which an exporter would have to look through."""
    return _with_weights(convolution, convolution.weight, convolution.bias)


def _with_weights(like: nn.Conv2d, weight: Tensor, bias: Tensor | None) -> nn.Conv2d:
    plain = nn.Conv2d(
        weight.shape[1],
        weight.shape[0],
        kernel_size=tuple(weight.shape[2:]),  # type: ignore[arg-type]
        stride=like.stride,  # type: ignore[arg-type]
        padding=like.padding,  # type: ignore[arg-type]
        bias=bias is not None,
    )
    plain.weight = nn.Parameter(weight.detach().clone(), requires_grad=False)
    if bias is not None:
        plain.bias = nn.Parameter(bias.detach().clone(), requires_grad=False)
    return plain.eval()


class Gate(nn.Module):
    """A squeeze-excite whose two layers are convolutions of one step: no reshape in the graph."""

    def __init__(self, trained: SqueezeExcite) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.squeeze = as_convolution(trained.squeeze)
        self.excite = as_convolution(trained.excite)

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.relu(self.squeeze(self.pool(x)))  # (n, c / reduction, 1, 1)
        return x * torch.sigmoid(self.excite(hidden))  # (n, c, 1, l)


def as_convolution(layer: nn.Linear) -> nn.Conv2d:
    """A linear layer over the channels of (n, c, 1, l), at each step."""
    return _with_weights(nn.Conv2d(1, 1, 1), layer.weight[:, :, None, None], layer.bias)


class Pools(nn.Module):
    """Average and maximum over time as pooling operators: (n, c, 1, l) -> (n, 2 c)."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = nn.AdaptiveAvgPool2d(1)
        self.max = nn.AdaptiveMaxPool2d(1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.mean(x), self.max(x)], dim=1).flatten(1)  # (n, 2 c)


class FoldedInceptionBlock(nn.Module):
    """Each branch carries its share of the batch norm that stood behind their concat."""

    def __init__(self, trained: InceptionBlock) -> None:
        super().__init__()
        branches = [*trained.branches, trained.pool_branch]
        parts = _split_norm(trained.norm, [branch.out_channels for branch in branches])
        *convolutions, last = (
            nn.Sequential(fuse_conv_bn_eval(branch, part), nn.ReLU(inplace=True))
            for branch, part in zip(branches, parts, strict=True)
        )
        self.bottleneck = trained.bottleneck
        self.branches = nn.ModuleList(convolutions)
        self.pool = trained.pool
        self.pool_branch = last
        self.se = trained.se

    def forward(self, x: Tensor) -> Tensor:
        narrow = self.bottleneck(x)  # (n, bottleneck_channels, 1, l)
        parts = [branch(narrow) for branch in self.branches]
        parts.append(self.pool_branch(self.pool(x)))
        out: Tensor = self.se(torch.cat(parts, dim=1))  # (n, c, 1, l)
        return out


class FoldedXResNetBlock(nn.Module):
    """With an average pool of its own in the shortcut."""

    def __init__(self, trained: XResNetBlock) -> None:
        super().__init__()
        self.branch = trained.branch
        self.stride = trained.stride
        self.shortcut = trained.shortcut

    def forward(self, x: Tensor) -> Tensor:
        skip = x
        if self.stride != 1:
            odd = int(x.shape[-1]) % 2
            skip = _Halve.apply(x, odd)  # type: ignore[no-untyped-call]
        return torch.relu_(self.branch(x) + self.shortcut(skip))


class _Halve(torch.autograd.Function):
    """`halve` as one operator: the padding at the end doesn't count in the average.

    PyTorch can only pad both ends alike, and what it exports instead stops onnx2tf: eight
    operators around a Pad, or a Slice and a Concat.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, odd: int) -> Tensor:
        return halve(x)  # (n, c, 1, ceil(l / 2))

    @staticmethod
    def symbolic(g: Any, x: Any, odd: int) -> Any:
        return g.op(
            "AveragePool",
            x,
            kernel_shape_i=[1, 2],
            strides_i=[1, 2],
            pads_i=[0, 0, 0, odd],
            count_include_pad_i=0,
        )


class FixedStateSpace(nn.Module):
    """A state space at one length: a convolution of each channel, as long as both its kernels."""

    def __init__(self, trained: StateSpace, n_times: int) -> None:
        super().__init__()
        past, future = trained.kernels(n_times)
        taps = torch.cat([past.flip(1), future[:, :-1]], dim=1)  # (c, 2 n_times - 1)
        taps[:, n_times - 1] += trained.through
        width, size = taps.shape
        padding = (0, n_times - 1)
        self.taps = nn.Conv2d(width, width, (1, size), padding=padding, groups=width, bias=False)
        self.taps.weight = nn.Parameter(taps[:, None, None], requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.taps(x.transpose(1, 2).unsqueeze(2))  # (n, c, 1, l)
        return y.squeeze(2).transpose(1, 2)  # (n, l, c)


def _split_norm(norm: nn.BatchNorm2d, widths: list[int]) -> list[nn.BatchNorm2d]:
    """A batch norm over joined channels as one for each of the groups that were joined."""
    parts = []
    state = {key: value for key, value in norm.state_dict().items() if value.ndim}
    start = 0
    for width in widths:
        part = nn.BatchNorm2d(width, eps=norm.eps).eval().requires_grad_(False)
        chunk = {key: value[start : start + width] for key, value in state.items()}
        part.load_state_dict(chunk, strict=False)
        parts.append(part)
        start += width
    return parts
