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
from pathlib import Path

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from heart_reader.models import build_model
from tests.models.configs import model_config
from tests.models.plain import PlainModel, carry_weights

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


def make_steps(backbone: str, batch: int) -> dict[str, Callable[[], None]]:
    """The plain step and ours, from the same weights on the same batch."""
    generator = torch.Generator().manual_seed(0)
    by_time = torch.randn(batch, N_TIMES, N_LEADS, generator=generator)
    y_true = torch.randint(0, 2, (batch, N_CLASSES), generator=generator).float()
    config = model_config(backbone)
    plain = PlainModel(backbone, config.fusion.head_dropout)
    ours = {"float32": build_model(config, 0), "bfloat16": build_model(config, 0)}
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


if __name__ == "__main__":
    sys.exit(main())
