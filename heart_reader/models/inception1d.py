"""inception1d: InceptionTime with squeeze-excite.

Ismail Fawaz et al., "InceptionTime", Data Mining and Knowledge Discovery 2020.
https://arxiv.org/abs/1909.04939; shaped as in the PTB-XL benchmark (Strodthoff et al., 2021,
https://doi.org/10.1109/JBHI.2020.3022989), whose inception1d has no squeeze-excite.

Notation used for tensor shapes: as in ``heart_reader.models.blocks``.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from heart_reader.models.blocks import (
    Backbone,
    SqueezeExcite,
    conv_norm,
    initialise,
)
from heart_reader.models.convolution import convolution
from heart_reader.models.rules import even_kernels, not_positive


@dataclass(frozen=True)
class InceptionConfig:
    """Shape of an inception1d."""

    depth: int
    """Inception blocks."""
    residual_every: int
    """Blocks between two shortcuts; depth is a multiple of it."""
    kernel_sizes: tuple[int, ...]
    """Odd kernel size of each convolution branch, in time steps."""
    bottleneck_channels: int
    branch_channels: int
    se_reduction: int
    """Channels per hidden unit of the squeeze-excite."""

    def problems(self) -> list[str]:
        """The rules that types can't say."""
        found = not_positive(self) + even_kernels(self, "kernel_sizes")
        if self.residual_every > 0 and self.depth % self.residual_every:
            found.append(
                f"depth must be a multiple of residual_every ({self.residual_every}), "
                f"but is {self.depth}"
            )
        return found


class InceptionBlock(nn.Module):
    """Parallel convolutions of several lengths and a max-pool branch, then squeeze-excite."""

    def __init__(self, in_channels: int, config: InceptionConfig) -> None:
        super().__init__()
        width = config.branch_channels
        out_channels = (len(config.kernel_sizes) + 1) * width
        self.bottleneck = convolution(in_channels, config.bottleneck_channels, 1, stride=1)
        self.branches = nn.ModuleList(
            convolution(config.bottleneck_channels, width, kernel_size, stride=1)
            for kernel_size in config.kernel_sizes
        )
        self.pool = nn.MaxPool2d((1, 3), stride=1, padding=(0, 1))
        self.pool_branch = convolution(in_channels, width, 1, stride=1)
        self.norm = nn.BatchNorm2d(out_channels)
        self.activation = nn.ReLU(inplace=True)
        self.se = SqueezeExcite(out_channels, config.se_reduction)

    def forward(self, x: Tensor) -> Tensor:
        narrow = self.bottleneck(x)  # (n, bottleneck_channels, 1, l)
        parts = [branch(narrow) for branch in self.branches]
        parts.append(self.pool_branch(self.pool(x)))
        joined = torch.cat(parts, dim=1)  # (n, (n_branches + 1) * branch_channels, 1, l)
        out: Tensor = self.se(self.activation(self.norm(joined)))
        return out


class Inception1d(Backbone):
    """Inception blocks with a shortcut around every ``residual_every`` of them."""

    def __init__(self, config: InceptionConfig, n_leads: int) -> None:
        super().__init__()
        self.out_channels = (len(config.kernel_sizes) + 1) * config.branch_channels
        starts = range(0, config.depth, config.residual_every)
        widths = [n_leads] + [self.out_channels] * (config.depth - 1)
        self.groups = nn.ModuleList(
            nn.Sequential(
                *(InceptionBlock(w, config) for w in widths[i : i + config.residual_every])
            )
            for i in starts
        )
        self.shortcuts = nn.ModuleList(
            conv_norm(widths[i], self.out_channels, 1, stride=1, activation=False) for i in starts
        )
        self.activation = nn.ReLU(inplace=True)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        for group, shortcut in zip(self.groups, self.shortcuts, strict=True):
            x = self.activation(group(x) + shortcut(x))
        return x


def inception1d(config: InceptionConfig, n_leads: int) -> Inception1d:
    """The one variant: everything is in the config."""
    return Inception1d(config, n_leads)
