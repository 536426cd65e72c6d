"""se_resnet1d: a short, wide ResNet with squeeze-excite.

Wang et al., "Time Series Classification from Scratch with Deep Neural Networks", IJCNN 2017,
https://arxiv.org/abs/1611.06455, shaped as the PTB-XL benchmark's resnet1d_wang (Strodthoff et
al., 2021, https://doi.org/10.1109/JBHI.2020.3022989), which has no squeeze-excite.

Notation used for tensor shapes: as in ``heart_reader.models.blocks``.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from heart_reader.models.blocks import Backbone, SqueezeExcite, conv_norm, initialise
from heart_reader.models.rules import even_kernels, not_positive


@dataclass(frozen=True)
class SEResNetConfig:
    """Shape of a se_resnet1d."""

    width: int
    """Channels, everywhere."""
    stem_kernel_size: int
    kernel_sizes: tuple[int, int]
    """Of the two convolutions of a block; odd."""
    stage_depths: tuple[int, ...]
    """Blocks in each stage; every stage but the first halves the time steps."""
    se_reduction: int
    """Channels per hidden unit of the squeeze-excite."""

    def problems(self) -> list[str]:
        """The rules that types can't say."""
        return not_positive(self) + even_kernels(self, "stem_kernel_size", "kernel_sizes")


class SEResNetBlock(nn.Module):
    """Two convolutions and a squeeze-excite, around which the shortcut goes."""

    def __init__(self, config: SEResNetConfig, stride: int) -> None:
        super().__init__()
        width, (first, second) = config.width, config.kernel_sizes
        self.branch = nn.Sequential(
            conv_norm(width, width, first, stride, activation=True),
            conv_norm(width, width, second, 1, activation=False),
            SqueezeExcite(width, config.se_reduction),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1:
            self.shortcut = conv_norm(width, width, 1, stride, activation=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu_(self.branch(x) + self.shortcut(x))


class SEResNet1d(Backbone):
    """A stem without pooling, then the stages."""

    def __init__(self, config: SEResNetConfig, n_leads: int) -> None:
        super().__init__()
        self.out_channels = config.width
        self.stem = conv_norm(n_leads, config.width, config.stem_kernel_size, 1, activation=True)
        self.blocks = nn.Sequential(
            *(
                SEResNetBlock(config, stride=2 if stage > 0 and i == 0 else 1)
                for stage, depth in enumerate(config.stage_depths)
                for i in range(depth)
            )
        )
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.blocks(self.stem(x))
        return out


def se_resnet1d(config: SEResNetConfig, n_leads: int) -> SEResNet1d:
    """The one variant: everything is in the config."""
    return SEResNet1d(config, n_leads)
