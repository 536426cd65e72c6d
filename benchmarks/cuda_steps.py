"""Step times on a GPU: eager against captured, how far from the memory's speed, and whether equal.

    python -m benchmarks.cuda_steps [--batch 128 512] [--backbone NAME ...] [--only PART ...]

It needs a GPU, and nothing but the core's packages; the records are noise. Parts:

- ``kernels``: forms of inception1d's convolutions, forward and backward, in bfloat16.
- ``equal``: 20 steps from one seed, eager and captured; the largest difference of loss and weight.
- ``resumed``: 20 captured steps, and 10 and 10 with a checkpoint between two trainers.
- ``steps``: milliseconds a training step, and the share of the copy bandwidth that its unfused
  activations take up.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from benchmarks.full_run import bytes_per_record, copy_bandwidth
from heart_reader.cli.entry import run_entry
from heart_reader.config.load import load_config
from heart_reader.data.dataset import DeviceRecords
from heart_reader.data.normaliser import Normaliser
from heart_reader.errors import ConfigError
from heart_reader.models import build_model
from heart_reader.models.convolution import folded_convolution
from heart_reader.training.trainer import Trainer

BACKBONES = ("se_resnet1d", "inception1d", "xresnet1d101")
N_LEADS, N_TIMES, N_CLASSES, N_FEATURES = 12, 1000, 5, 64
PARTS = ("kernels", "equal", "resumed", "steps")
N_STEPS = 20


def main(words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, nargs="+", default=[128, 512])
    parser.add_argument("--backbone", nargs="+", default=list(BACKBONES))
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    options = parser.parse_args(words)
    if not torch.cuda.is_available():
        raise ConfigError("this benchmark needs a GPU, and torch sees none")
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}")
    if "kernels" in options.only:
        kernels()
    if "equal" in options.only:
        for precision in ("fp32", "bf16"):
            for backbone in options.backbone:
                compare(backbone, precision)
    if "resumed" in options.only:
        resumed(options.backbone[0])
    if "steps" in options.only:
        steps(options.backbone, options.batch)


# ---------------------------------------------------------------- forms of a convolution


def kernels() -> None:
    """Forward and backward of 32 to 32 channels, 128 records of 1,000 steps."""
    forms: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        "conv2d, channels last": lambda x, w: torch.conv2d(x, w, padding=(0, w.shape[-1] // 2)),
    }
    for fold in (2, 4, 5, 8, 10):
        forms[f"folded {fold}"] = lambda x, w, s=fold: folded_convolution(x, w, s)  # type: ignore[misc]
    x = _noise(128, 32, 1, N_TIMES)
    for n_taps in (9, 19, 39):
        weight = torch.randn(32, 32, 1, n_taps, device="cuda")
        for name, form in forms.items():
            print(f"{n_taps:3} taps  {name:24}{_ms(form, x, weight):8.3f} ms", flush=True)
        flat = x.squeeze(2).contiguous()
        ms = _ms(lambda x, w: torch.conv1d(x, w, padding=w.shape[-1] // 2), flat, weight[:, :, 0])
        print(f"{n_taps:3} taps  {'conv1d, time last':24}{ms:8.3f} ms", flush=True)
    x, weight = _noise(128, 256, 1, 250), torch.randn(64, 256, 1, 1, device="cuda")
    print(f"  1 tap   {'conv2d, channels last':24}{_ms(torch.conv2d, x, weight):8.3f} ms")
    print(f"  1 tap   {'matrix product':24}{_ms(_product, x, weight):8.3f} ms", flush=True)


def _noise(*shape: int) -> Tensor:
    x = torch.randn(shape, device="cuda", dtype=torch.bfloat16)
    return x.contiguous(memory_format=torch.channels_last)


def _product(x: Tensor, weight: Tensor) -> Tensor:
    return nn.functional.linear(x.permute(0, 2, 3, 1), weight.flatten(1)).permute(0, 3, 1, 2)


def _ms(form: Callable[[Tensor, Tensor], Tensor], x: Tensor, weight: Tensor) -> float:
    x, weight = x.detach().requires_grad_(), weight.detach().requires_grad_()

    def body() -> None:
        with torch.autocast("cuda", torch.bfloat16):
            out = form(x, weight)
        torch.autograd.grad(out, (x, weight), torch.ones_like(out))

    torch.backends.cudnn.benchmark = True
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    with torch.cuda.stream(stream):
        for _ in range(3):
            body()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        body()
    return _timed(graph.replay, 20)


def _timed(call: Callable[[], object], n_calls: int) -> float:
    """Milliseconds of a call, the best of three rounds."""
    best = float("inf")
    for _ in range(3):
        torch.cuda.synchronize()
        started = time.perf_counter()
        for _ in range(n_calls):
            call()
        torch.cuda.synchronize()
        best = min(best, (time.perf_counter() - started) / n_calls)
    return 1e3 * best


# ---------------------------------------------------------------- training steps


def make(backbone: str, batch: int, **changes: object) -> Trainer:
    """A trainer on noise, of the recipe of the pretrained models."""
    dotted = {key.replace("__", "."): value for key, value in changes.items()}
    dotted |= {"backbone": backbone, "training.batch_size": batch, "training.epochs": 50}
    config = load_config("recipe", dotted)
    torch.manual_seed(0)
    model = build_model(config.model.architecture, N_FEATURES, N_CLASSES, N_LEADS).cuda()
    generator = torch.Generator("cuda").manual_seed(0)
    return Trainer(
        model,
        records(max(2 * batch, 512)),
        records(512),
        100,
        Normaliser((0.0,) * N_LEADS, (0.2,) * N_LEADS, (1,)),
        config.training,
        config.augmentation,
        generator,
    )


def records(n: int) -> DeviceRecords:
    """Noise as int16, labels, features that some records lack."""
    generator = torch.Generator("cuda").manual_seed(n)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, device="cuda")

    return DeviceRecords(
        (1000 * (uniform(n, N_TIMES, N_LEADS) - 0.5)).to(torch.int16),
        torch.full((n, 1, N_LEADS), 1000.0, device="cuda"),
        torch.zeros(n, 1, N_LEADS, device="cuda"),
        (uniform(n, N_CLASSES) < 0.3).float(),
        uniform(n, N_FEATURES),
        uniform(n) < 0.9,
        tuple("abcde"),
    )


def compare(backbone: str, precision: str) -> None:
    """Losses and weights of 20 steps, eager and captured."""
    torch.backends.cudnn.allow_tf32 = False
    losses, weights = [], []
    for graphs in (False, False, True):
        trainer = make(backbone, 64, training__precision=precision, training__cuda_graphs=graphs)
        trainer.model.train()
        torch.manual_seed(1)
        rows = torch.arange(len(trainer.train), device="cuda").split(64)
        loss = [trainer.train_step(rows[i % len(rows)]).clone() for i in range(N_STEPS)]
        losses.append(torch.stack(loss))
        weights.append(torch.cat([p.detach().flatten() for p in trainer.model.parameters()]))
    torch.backends.cudnn.allow_tf32 = True
    for name, other in (("eager again", 1), ("captured", 2)):
        loss_gap = (losses[0] - losses[other]).abs().max()
        gap = (weights[0] - weights[other]).norm() / weights[0].norm()
        print(
            f"{backbone:14}{precision}  {name:12} largest difference of a loss "
            f"{float(loss_gap):.1e}, of all weights {float(gap):.1e} (relative norm)",
            flush=True,
        )


def _losses(trainer: Trainer, steps: Sequence[int]) -> Tensor:
    """Of the steps of those numbers, one after the other."""
    trainer.model.train()
    rows = torch.arange(len(trainer.train), device="cuda").split(64)
    return torch.stack([trainer.train_step(rows[i % len(rows)]).clone() for i in steps])


def _weights(trainer: Trainer) -> Tensor:
    return torch.cat([p.detach().flatten() for p in trainer.model.parameters()])


def resumed(backbone: str) -> None:
    """Captured steps in one go, and with a stop in the middle."""
    half = N_STEPS // 2
    whole, first, second = (make(backbone, 64) for _ in range(3))
    torch.manual_seed(1)
    expected = _losses(whole, range(N_STEPS))
    torch.manual_seed(1)
    found = [_losses(first, range(half))]
    checkpoint = first.checkpoint()
    tensors = {name: tensor.cpu().clone() for name, tensor in checkpoint.tensors.items()}
    second.restore(replace(checkpoint, tensors=tensors))
    found.append(_losses(second, range(half, N_STEPS)))
    loss_gap = (expected - torch.cat(found)).abs().max()
    gap = (_weights(whole) - _weights(second)).norm() / _weights(whole).norm()
    print(
        f"{backbone:14}resumed: largest difference of a loss {float(loss_gap):.1e}, of all "
        f"weights {float(gap):.1e} (relative norm)",
        flush=True,
    )


def steps(backbones: Sequence[str], batches: Sequence[int]) -> None:
    """The table of step times."""
    bandwidth = copy_bandwidth(torch.device("cuda"))
    print(f"copy {bandwidth / 1e12:.2f} TB/s")
    print(
        f"{'backbone':14}{'batch':>6}{'seconds':>9}{'eager ms':>10}{'graph ms':>10}{'of copy':>9}"
    )
    for backbone in backbones:
        for batch in batches:
            for share in (1.0, 0.25):
                ms = [
                    _step_ms(make(backbone, batch, **_changes(share, graphs)), batch)
                    for graphs in (False, True)
                ]
                trainer = make(backbone, batch, **_changes(share, False))
                used = batch * bytes_per_record(trainer, share) / (ms[1] / 1e3) / bandwidth
                row = f"{backbone:14}{batch:6}{10 * share:6.1f}{ms[0]:10.2f}{ms[1]:10.2f}"
                print(f"{row}{used:9.0%}", flush=True)


def _changes(share: float, graphs: bool) -> dict[str, object]:
    return {"augmentation__crop_share": share, "training__cuda_graphs": graphs}


def _step_ms(trainer: Trainer, batch: int) -> float:
    trainer.model.train()
    rows = torch.arange(batch, device="cuda")
    trainer.scheduler = _Still()  # type: ignore[assignment]
    for _ in range(3):
        trainer.train_step(rows)
    return _timed(lambda: trainer.train_step(rows), 20)


class _Still:
    """A schedule that never ends."""

    def step(self) -> None:
        """Nothing changes."""


if __name__ == "__main__":
    raise SystemExit(run_entry(main))
