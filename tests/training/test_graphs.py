"""Steps that are captured and replayed: the optimizer on flat buffers, what is around a replay.

What stands around a CUDA graph is tried on any machine, with a capture that gives the body of work
back; the graphs themselves need a GPU: ``python -m benchmarks.train_step --device cuda``.

Covers: heart_reader.training.captured.graphs, heart_reader.training.captured.flat_adamw,
heart_reader.training.batches.
"""

import copy

import pytest
import torch
from torch import Tensor, nn

from heart_reader.errors import ConfigError
from heart_reader.training.batches import batch_rule, of_one_size
from heart_reader.training.captured.flat_adamw import FlatAdamW
from heart_reader.training.captured.graphs import Body, why_eager
from heart_reader.training.checkpoint import (
    Checkpoint,
    load_checkpoint,
    pack_optimizer,
    save_checkpoint,
    unpack_optimizer,
)
from heart_reader.training.trainer import Trainer
from tests.training.tiny import stop_after, tiny_config, tiny_trainer


class Net(nn.Module):
    """A convolution, a batch norm, a linear layer, and a parameter that nothing uses."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, (1, 5), padding=(0, 2), bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.out = nn.Linear(4, 2)
        self.unused = nn.Parameter(torch.ones(7))

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.relu(self.norm(self.conv(x))).mean((2, 3)))


def groups_of(net: Net) -> list[dict]:
    """Two rates, and no decay of a bias: as layer-wise rates and state space models have them."""
    rest = [p for name, p in net.named_parameters() if not name.startswith("out")]
    return [
        {"params": rest, "lr": 0.02},
        {"params": [net.out.weight], "lr": 0.002},
        {"params": [net.out.bias], "lr": 0.02, "weight_decay": 0.0},
    ]


def one_cycle(optimizer: torch.optim.Optimizer, n_steps: int):
    peaks = [group["lr"] for group in optimizer.param_groups]
    return torch.optim.lr_scheduler.OneCycleLR(optimizer, peaks, total_steps=n_steps)


def train(net: Net, optimizer, schedule, batches: list[Tensor]) -> None:
    for x in batches:
        optimizer.zero_grad()
        net(x).square().sum().backward()
        if isinstance(optimizer, FlatAdamW):
            optimizer.take_rates()
            optimizer.skip_without_gradient()
        optimizer.step()
        schedule.step()


def batches(n: int, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(6, 3, 1, 20, generator=generator).double() for _ in range(n)]


# ---------------------------------------------------------------- the optimizer


def test_twenty_flat_steps_are_those_of_torch_under_a_moving_rate_and_momentum():
    torch.manual_seed(0)
    plain = Net().double()
    flat = copy.deepcopy(plain)
    ours = FlatAdamW(groups_of(flat), lr=0.02, weight_decay=0.1)
    theirs = torch.optim.AdamW(groups_of(plain), lr=0.02, weight_decay=0.1)
    train(plain, theirs, one_cycle(theirs, 20), batches(20))
    train(flat, ours, one_cycle(ours, 20), batches(20))
    for (name, one), other in zip(plain.named_parameters(), flat.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12, msg=name)
    assert torch.equal(flat.unused, torch.ones(7).double())  # as torch leaves what has no gradient


def test_the_state_goes_from_torch_to_flat_buffers_and_back(tmp_path):
    torch.manual_seed(0)
    plain = Net().double()
    theirs = torch.optim.AdamW(groups_of(plain), lr=0.02, weight_decay=0.1)
    schedule = one_cycle(theirs, 20)
    train(plain, theirs, schedule, batches(8))
    flat, again = copy.deepcopy(plain), copy.deepcopy(plain)
    ours = FlatAdamW(groups_of(flat), lr=0.02, weight_decay=0.1)
    back = torch.optim.AdamW(groups_of(again), lr=0.02, weight_decay=0.1)
    schedules = [one_cycle(ours, 20), one_cycle(back, 20)]  # before the states, as the trainer
    for source, target in ((theirs, ours), (ours, back)):
        save_checkpoint(tmp_path / "optimizer", Checkpoint(*pack_optimizer(source)))
        kept = load_checkpoint(tmp_path / "optimizer")
        unpack_optimizer(target, kept.tensors, kept.state)
    for rest in schedules:
        rest.load_state_dict(schedule.state_dict())
    after = batches(3, seed=8)
    train(flat, ours, schedules[0], after)
    train(again, back, schedules[1], after)
    train(plain, theirs, schedule, after)
    for one, other, third in zip(*(n.parameters() for n in (plain, flat, again)), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)
        torch.testing.assert_close(one, third, rtol=0, atol=1e-12)


def test_kernels_lie_with_their_channels_last():
    net = Net()
    FlatAdamW(groups_of(net), lr=0.02, weight_decay=0.1)
    assert net.conv.weight.is_contiguous(memory_format=torch.channels_last)
    assert net.conv.weight.shape == (4, 3, 1, 5)


# ---------------------------------------------------------------- around a capture


class Fake:
    """Runs a body some times as a real capture does, and gives it back."""

    def __init__(self) -> None:
        self.n_captures = 0

    def __call__(self, body: Body) -> Body:
        self.n_captures += 1
        body()
        body()
        return body


def graphed(prepared, config, capture) -> Trainer:
    plain = tiny_trainer(prepared, config)
    return Trainer(
        plain.model,
        plain.train,
        plain.validation,
        plain.learner.fs,
        plain.learner.normaliser,
        config.training,
        config.augmentation,
        torch.Generator().manual_seed(config.seed),
        capture=capture,
    )


@pytest.fixture(scope="module")
def config():
    """Windows, then whole records; batches of two sizes."""
    windows = {"augmentation__crop_share": 0.25, "training__whole_epochs": 1}
    return tiny_config(training__batch_size=20, **windows)


def test_a_training_of_captured_steps_is_the_eager_one(prepared, config):
    torch.manual_seed(7)
    eager = tiny_trainer(prepared, config)
    torch.manual_seed(7)
    expected = eager.fit([])
    fake = Fake()
    torch.manual_seed(7)
    trainer = graphed(prepared, config, fake)
    torch.manual_seed(7)
    result = trainer.fit([])
    for one, other in zip(expected.history, result.history, strict=True):
        for name in ("train/loss", "val/loss", "val/macro_auc", "lr"):
            assert one[name] == pytest.approx(other[name], abs=2e-4)
    # Windows and whole records, and one pass over fold 9.
    assert fake.n_captures == 3


def test_a_stopped_captured_training_goes_on(prepared, config, tmp_path):
    torch.manual_seed(7)
    whole = graphed(prepared, config, Fake())
    torch.manual_seed(7)
    expected = whole.fit([])
    torch.manual_seed(7)
    first = graphed(prepared, config, Fake())
    torch.manual_seed(7)
    with pytest.raises(InterruptedError):
        first.fit([stop_after(1, first, tmp_path / "last.safetensors")])
    second = graphed(prepared, config, Fake())
    second.restore(load_checkpoint(tmp_path / "last.safetensors"))
    result = second.fit([])
    for one, other in zip(expected.history, result.history, strict=True):
        assert one["train/loss"] == other["train/loss"]
        assert one["val/loss"] == other["val/loss"]


def test_what_cannot_be_captured_runs_eagerly_and_says_so(prepared, config, capsys):
    def refuse(body: Body) -> Body:
        body()
        raise RuntimeError("operation not permitted when stream is capturing\nand more")

    torch.manual_seed(7)
    expected = graphed(prepared, config, Fake())
    torch.manual_seed(7)
    expected.run_epoch()
    torch.manual_seed(7)
    trainer = graphed(prepared, config, refuse)
    torch.manual_seed(7)
    trainer.run_epoch()
    for one, other in zip(expected.model.parameters(), trainer.model.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    said = capsys.readouterr().err
    assert "a training step of 16 records isn't captured as a CUDA graph: operation not" in said
    assert "the pass over the validation records isn't captured" in said
    assert "and more" not in said


def test_what_makes_a_training_eager_is_named():
    assert why_eager(True, torch.bfloat16, 0) is None
    assert "cuda_graphs" in why_eager(False, torch.bfloat16, 0)
    assert "fp16" in why_eager(True, torch.float16, 0)
    assert "freeze_epochs" in why_eager(True, torch.bfloat16, 2)


# ---------------------------------------------------------------- how much a step takes


def test_auto_takes_more_records_on_a_gpu_and_longer_steps():
    auto = tiny_config(training__batch_size="auto", training__learning_rate=0.01).training
    assert batch_rule(auto, torch.device("cpu")) == (128, 0.01)
    assert batch_rule(auto, torch.device("cuda")) == (256, pytest.approx(0.0141421, abs=1e-6))
    chosen = tiny_config(training__batch_size=64, training__learning_rate=0.01).training
    assert batch_rule(chosen, torch.device("cuda")) == (64, 0.01)


def test_batches_of_one_size_hold_every_record_and_the_first_ones_again():
    rows = torch.arange(10).flip(0)
    batches = of_one_size(rows, 3)
    assert [len(batch) for batch in batches] == [4, 4, 4]
    assert torch.cat(batches).tolist() == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 9, 8]
    assert [len(batch) for batch in of_one_size(rows, 5)] == [2] * 5


def test_a_batch_is_a_number_or_auto():
    with pytest.raises(ConfigError, match="must be a whole number or 'auto', but is 'many'"):
        tiny_config(training__batch_size="many")
    with pytest.raises(ConfigError, match="batch_size must be at least 1, but is 0"):
        tiny_config(training__batch_size=0)
