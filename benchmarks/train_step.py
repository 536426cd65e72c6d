"""How much faster a training step is than that of the same network written plainly.

    python benchmarks/train_step.py [--batch 128] [--repeats 5] [--backbone NAME ...]

Both are the signal-only model. The plain one runs Conv1d on (batch, channels, time) in float32
under an ordinary AdamW; ours runs Conv2d of unit height in channels_last under a fused one, in
float32 and, where the CPU has it, in bfloat16. A step is forward, loss, backward, gradient clip
and optimizer. The two take turns, so that a busy machine slows both, and medians are compared.
Exit code 1 where a ratio misses its bar.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from heart_reader.config.load import load_config
from heart_reader.models import Architecture, FusionModel, build_model

BARS = {  # float32, bfloat16
    "inception1d": (1.6, 3.5),
    "xresnet1d101": (1.4, 2.2),
    "se_resnet1d": (1.2, 2.2),
}
N_LEADS, N_TIMES, N_CLASSES = 12, 1000, 5


def make_step(
    model: nn.Module, signal: Tensor, y_true: Tensor, fused: bool, bfloat16: bool
) -> Callable[[], None]:
    """A function that trains the model for one step."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-4, fused=fused)
    loss_of = nn.BCEWithLogitsLoss()

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            logits = model(signal)
        loss_of(logits.float(), y_true).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step


def fresh(config: Architecture) -> FusionModel:
    """Untrained, without features."""
    return build_model(config, 0, N_CLASSES, N_LEADS)


def make_steps(backbone: str, batch: int) -> dict[str, Callable[[], None]]:
    """The plain step and ours, from the same weights on the same batch."""
    generator = torch.Generator().manual_seed(0)
    by_time = torch.randn(batch, N_TIMES, N_LEADS, generator=generator)
    y_true = torch.randint(0, 2, (batch, N_CLASSES), generator=generator).float()
    config = load_config("default", {"backbone": backbone}).model.architecture
    plain = PlainModel(backbone, config.fusion.head_dropout)
    ours = {"float32": fresh(config), "bfloat16": fresh(config)}
    carry_weights(ours["float32"], plain)
    ours["bfloat16"].load_state_dict(ours["float32"].state_dict())
    signal = by_time.transpose(1, 2)  # (batch, n_leads, n_times)
    steps = {"plain": make_step(plain, signal.contiguous(), y_true, fused=False, bfloat16=False)}
    for name, model in ours.items():
        steps[name] = make_step(model, signal, y_true, fused=True, bfloat16=name == "bfloat16")
    return steps


def seconds_per_step(steps: dict[str, Callable[[], None]], repeats: int) -> dict[str, float]:
    """Median wall-clock seconds of each step, taken in turns after one warm-up each."""
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for round_ in range(repeats + 1):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            if round_ > 0:
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}


def has_bfloat16() -> bool:
    """Whether the CPU multiplies bfloat16 in hardware."""
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--backbone", nargs="+", choices=list(BARS), default=list(BARS))
    arguments = parser.parse_args()
    bf16 = has_bfloat16()
    print(f"batch {arguments.batch}, {torch.get_num_threads()} threads, {bf16=}")
    print(f"{'backbone':14}{'precision':10}{'plain ms':>10}{'ours ms':>10}{'ratio':>8}{'bar':>6}")
    missed = False
    for backbone in arguments.backbone:
        torch.manual_seed(0)
        steps = make_steps(backbone, arguments.batch)
        if not bf16:
            del steps["bfloat16"]
        seconds = seconds_per_step(steps, arguments.repeats)
        plain = seconds.pop("plain")
        for (precision, ours), bar in zip(seconds.items(), BARS[backbone], strict=False):
            missed |= plain / ours < bar
            print(
                f"{backbone:14}{precision:10}{plain * 1e3:10.0f}{ours * 1e3:10.0f}"
                f"{plain / ours:8.2f}{bar:6.1f}",
                flush=True,
            )
    return int(missed)


# ---------------------------------------------------------------- the same networks, plainly
#
# Conv1d on (batch, channels, time), as their papers draw them: written from the PTB-XL benchmark's
# description, apart from heart_reader.models, and the reference of its tests too. Parameters are
# made in the order in which heart_reader.models makes them, so that weights are carried over one
# by one.


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


class S4Layer(nn.Module):
    """A bidirectional S4D of eight states with its kernel written out, lag by lag."""

    def __init__(self, h: int) -> None:
        super().__init__()
        self.log_dt = nn.Parameter(torch.empty(h, 1))
        self.log_a_real, self.a_imag = (nn.Parameter(torch.empty(h, 4)) for _ in range(2))
        self.c = nn.Parameter(torch.empty(2, h, 4, 2))
        self.d = nn.Parameter(torch.empty(h))
        self.linear, self.norm = nn.Linear(h, 2 * h), nn.LayerNorm(h)

    def kernel(self, n_times: int) -> Tensor:
        a = -torch.exp(self.log_a_real) + 1j * self.a_imag
        dt_a = a * torch.exp(self.log_dt)
        c = torch.view_as_complex(self.c) * (torch.exp(dt_a) - 1) / a
        lags = torch.arange(n_times, dtype=self.d.dtype)
        k = 2 * (c[..., None] * torch.exp(dt_a[..., None] * lags)).sum(2).real  # (2, h, n_times)
        return torch.cat([k[0].flip(1), k[1, :, :-1]], dim=1)

    def forward(self, x: Tensor) -> Tensor:
        n_times = x.shape[-1]
        y = nn.functional.conv1d(
            x, self.kernel(n_times)[:, None], padding=n_times - 1, groups=len(self.d)
        )
        y = nn.functional.gelu(y + self.d[:, None] * x)
        y = nn.functional.glu(self.linear(y.transpose(1, 2)), dim=2)
        return self.norm(x.transpose(1, 2) + y).transpose(1, 2)


class S4(nn.Module):
    n_out = 64

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(N_LEADS, 64)
        self.layers = nn.Sequential(*(S4Layer(64) for _ in range(4)))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(self.encoder(x.transpose(1, 2)).transpose(1, 2))


PLAIN_BACKBONES: dict[str, Callable[[], nn.Module]] = {
    "inception1d": Inception,
    "xresnet1d18": lambda: XResNet(1, [2, 2, 2, 2]),
    "xresnet1d34": lambda: XResNet(1, [3, 4, 6, 3]),
    "xresnet1d50": lambda: XResNet(4, [3, 4, 6, 3]),
    "xresnet1d101": lambda: XResNet(4, [3, 4, 23, 3]),
    "xresnet1d152": lambda: XResNet(4, [3, 8, 36, 3]),
    "se_resnet1d": SEResNet,
    "s4": S4,
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


if __name__ == "__main__":
    sys.exit(main())
