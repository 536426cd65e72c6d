"""The same networks written plainly: Conv1d on (batch, channels, time), as their papers draw them.

Written from the PTB-XL benchmark's description, apart from heart_reader.models, and used as the
reference of its tests and of benchmarks/train_step.py. Parameters are made in the order in which
heart_reader.models makes them, so that weights are carried over one by one.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

N_LEADS = 12
N_CLASSES = 5


def conv(n_in: int, n_out: int, kernel_size: int, stride: int = 1) -> nn.Conv1d:
    return nn.Conv1d(n_in, n_out, kernel_size, stride, (kernel_size - 1) // 2, bias=False)


class Gate(nn.Module):
    """Squeeze-excite with reduction 16."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(channels, channels // 16),
            nn.ReLU(),
            nn.Linear(channels // 16, channels),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x * self.mlp(x.mean(dim=-1)).unsqueeze(-1)


class InceptionModule(nn.Module):
    def __init__(self, n_in: int) -> None:
        super().__init__()
        self.bottleneck = conv(n_in, 32, 1)
        self.convs = nn.ModuleList([conv(32, 32, k) for k in (39, 19, 9)])
        self.conv_bottle = nn.Sequential(nn.MaxPool1d(3, 1, padding=1), conv(n_in, 32, 1))
        self.bn_relu = nn.Sequential(nn.BatchNorm1d(128), nn.ReLU())
        self.gate = Gate(128)

    def forward(self, x: Tensor) -> Tensor:
        bottled = self.bottleneck(x)
        parts = [c(bottled) for c in self.convs] + [self.conv_bottle(x)]
        return self.gate(self.bn_relu(torch.cat(parts, dim=1)))


class Inception(nn.Module):
    n_out = 128

    def __init__(self) -> None:
        super().__init__()
        self.im = nn.ModuleList([InceptionModule(N_LEADS if d == 0 else 128) for d in range(6)])
        self.sk = nn.ModuleList(
            [nn.Sequential(conv(n, 128, 1), nn.BatchNorm1d(128)) for n in (N_LEADS, 128)]
        )

    def forward(self, x: Tensor) -> Tensor:
        residual = x
        for d in range(6):
            x = self.im[d](x)
            if d % 3 == 2:
                x = torch.relu(x + self.sk[d // 3](residual))
                residual = x
        return x


def conv_bn(n_in: int, n_out: int, kernel_size: int, stride: int = 1) -> list[nn.Module]:
    return [conv(n_in, n_out, kernel_size, stride), nn.BatchNorm1d(n_out)]


class XBlock(nn.Module):
    def __init__(self, expansion: int, n_in: int, stride: int) -> None:
        super().__init__()
        n_out = 64 * expansion
        if expansion == 1:
            layers = [*conv_bn(n_in, 64, 5, stride), nn.ReLU(), *conv_bn(64, 64, 5)]
        else:
            layers = [*conv_bn(n_in, 64, 1), nn.ReLU(), *conv_bn(64, 64, 5, stride), nn.ReLU()]
            layers += conv_bn(64, n_out, 1)
        self.convs = nn.Sequential(*layers)
        identity = [nn.AvgPool1d(2, ceil_mode=True)] if stride == 2 else []
        self.identity = nn.Sequential(
            *identity, *(conv_bn(n_in, n_out, 1) if n_in != n_out else [])
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.convs(x) + self.identity(x))


class XResNet(nn.Sequential):
    def __init__(self, expansion: int, layers: list[int]) -> None:
        modules: list[nn.Module] = []
        for n_in, n_out, stride in ((N_LEADS, 32, 2), (32, 32, 1), (32, 64, 1)):
            modules += [*conv_bn(n_in, n_out, 5, stride), nn.ReLU()]
        modules.append(nn.MaxPool1d(3, 2, padding=1))
        n_in = 64
        for stage, n_blocks in enumerate(layers):
            for i in range(n_blocks):
                modules.append(XBlock(expansion, n_in, 2 if stage > 0 and i == 0 else 1))
                n_in = 64 * expansion
        super().__init__(*modules)
        self.n_out = n_in


class WangBlock(nn.Module):
    def __init__(self, stride: int) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            *conv_bn(128, 128, 5, stride), nn.ReLU(), *conv_bn(128, 128, 3), Gate(128)
        )
        self.downsample = nn.Sequential(*(conv_bn(128, 128, 1, 2) if stride == 2 else []))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.convs(x) + self.downsample(x))


class SEResNet(nn.Sequential):
    n_out = 128

    def __init__(self) -> None:
        super().__init__(
            *conv_bn(N_LEADS, 128, 7), nn.ReLU(), WangBlock(1), WangBlock(2), WangBlock(2)
        )


PLAIN_BACKBONES: dict[str, Callable[[], nn.Module]] = {
    "inception1d": Inception,
    "xresnet1d18": lambda: XResNet(1, [2, 2, 2, 2]),
    "xresnet1d34": lambda: XResNet(1, [3, 4, 6, 3]),
    "xresnet1d50": lambda: XResNet(4, [3, 4, 6, 3]),
    "xresnet1d101": lambda: XResNet(4, [3, 4, 23, 3]),
    "xresnet1d152": lambda: XResNet(4, [3, 8, 36, 3]),
    "se_resnet1d": SEResNet,
}


class PlainModel(nn.Module):
    """Backbone, concat pooling, projection to 256 where needed, head 256-128-5: signal only."""

    def __init__(self, backbone: str, dropout: float) -> None:
        super().__init__()
        self.backbone = PLAIN_BACKBONES[backbone]()
        n_pooled = 2 * self.backbone.n_out
        self.projection = nn.Identity() if n_pooled == 256 else nn.Linear(n_pooled, 256)
        self.head = nn.Sequential(
            nn.Linear(256, 128), nn.ReLU(), nn.Dropout(dropout), nn.Linear(128, N_CLASSES)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.backbone(x)
        average = nn.functional.adaptive_avg_pool1d(x, 1)
        maximum = nn.functional.adaptive_max_pool1d(x, 1)
        return self.head(self.projection(torch.cat([average, maximum], dim=1).flatten(1)))


def carry_weights(source: nn.Module, target: nn.Module) -> None:
    """Copy a heart_reader model into its plain twin, tensor by tensor in order."""
    ours, plain = list(source.state_dict().values()), target.state_dict()
    twins = dict(zip(plain, ours, strict=True))
    target.load_state_dict(
        {name: twin.squeeze(2) if twin.ndim == 4 else twin for name, twin in twins.items()}
    )
