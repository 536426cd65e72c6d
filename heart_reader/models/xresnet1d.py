"""xresnet1d: the tweaked ResNets of the PTB-XL benchmark.

He et al., "Bag of Tricks for Image Classification with Convolutional Neural Networks", CVPR 2019,
https://arxiv.org/abs/1812.01187; in one dimension and with narrow stages as in Strodthoff et al.,
"Deep Learning for ECG Analysis", 2021, https://doi.org/10.1109/JBHI.2020.3022989.

Notation used for tensor shapes: as in ``heart_reader.models.blocks``.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from heart_reader.models.blocks import Backbone, conv_norm, halve, initialise, zero_last_norm
from heart_reader.models.rules import even_kernels, not_positive


@dataclass(frozen=True)
class XResNetConfig:
    """Shape that the xresnet1d variants share."""

    stem_channels: tuple[int, ...]
    """Outputs of the stem's convolutions, the first of which has stride 2."""
    stem_kernel_size: int
    kernel_size: int
    """Of every convolution in a block that sees more than one time step; odd."""
    stage_widths: tuple[int, ...]
    """Width of each stage before expansion."""

    def problems(self) -> list[str]:
        """The rules that types can't say."""
        return not_positive(self) + even_kernels(self, "stem_kernel_size", "kernel_size")


class XResNetBlock(nn.Module):
    """A basic block (expansion 1) or a bottleneck (expansion 4), with an average-pool shortcut."""

    def __init__(
        self, in_channels: int, width: int, expansion: int, kernel_size: int, stride: int
    ) -> None:
        super().__init__()
        out_channels = width * expansion
        if expansion == 1:
            self.branch = nn.Sequential(
                conv_norm(in_channels, width, kernel_size, stride, activation=True),
                conv_norm(width, out_channels, kernel_size, 1, activation=False),
            )
        else:
            self.branch = nn.Sequential(
                conv_norm(in_channels, width, 1, 1, activation=True),
                conv_norm(width, width, kernel_size, stride, activation=True),
                conv_norm(width, out_channels, 1, 1, activation=False),
            )
        self.stride = stride
        self.shortcut: nn.Module = nn.Identity()
        if in_channels != out_channels:
            self.shortcut = conv_norm(in_channels, out_channels, 1, 1, activation=False)

    def forward(self, x: Tensor) -> Tensor:
        skip = x if self.stride == 1 else halve(x)  # (n, in_channels, 1, ceil(l / stride))
        return torch.relu_(self.branch(x) + self.shortcut(skip))


class XResNet1d(Backbone):
    """Three-convolution stem, max pooling, then stages that halve the steps, but for the first."""

    def __init__(
        self, config: XResNetConfig, n_leads: int, depths: tuple[int, ...], expansion: int
    ) -> None:
        super().__init__()
        stem_widths = (n_leads, *config.stem_channels)
        self.stem = nn.Sequential(
            *(
                conv_norm(a, b, config.stem_kernel_size, 2 if i == 0 else 1, activation=True)
                for i, (a, b) in enumerate(pairwise(stem_widths))
            ),
            nn.MaxPool2d((1, 3), stride=(1, 2), padding=(0, 1)),
        )
        blocks: list[nn.Module] = []
        channels = config.stem_channels[-1]
        for stage, (width, depth) in enumerate(zip(config.stage_widths, depths, strict=True)):
            for i in range(depth):
                stride = 2 if stage > 0 and i == 0 else 1
                blocks.append(XResNetBlock(channels, width, expansion, config.kernel_size, stride))
                channels = width * expansion
        self.blocks = nn.Sequential(*blocks)
        self.out_channels = channels
        initialise(self)
        for block in blocks:
            zero_last_norm(block.branch)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.blocks(self.stem(x))
        return out


def xresnet1d18(config: XResNetConfig, n_leads: int) -> XResNet1d:
    """Basic blocks 2-2-2-2."""
    return XResNet1d(config, n_leads, (2, 2, 2, 2), expansion=1)


def xresnet1d34(config: XResNetConfig, n_leads: int) -> XResNet1d:
    """Basic blocks 3-4-6-3."""
    return XResNet1d(config, n_leads, (3, 4, 6, 3), expansion=1)


def xresnet1d50(config: XResNetConfig, n_leads: int) -> XResNet1d:
    """Bottlenecks 3-4-6-3."""
    return XResNet1d(config, n_leads, (3, 4, 6, 3), expansion=4)


def xresnet1d101(config: XResNetConfig, n_leads: int) -> XResNet1d:
    """Bottlenecks 3-4-23-3."""
    return XResNet1d(config, n_leads, (3, 4, 23, 3), expansion=4)


def xresnet1d152(config: XResNetConfig, n_leads: int) -> XResNet1d:
    """Bottlenecks 3-8-36-3."""
    return XResNet1d(config, n_leads, (3, 8, 36, 3), expansion=4)
