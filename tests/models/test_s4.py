"""s4 against the recurrence that it stands for, step by step in numpy, and its own promises."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from heart_reader.config.load import load_config
from heart_reader.errors import ConfigError
from heart_reader.models.s4 import ChannelDropout, StateSpace, _Circular, s4
from tests.models.configs import S4, published

WIDTH, STATES = 3, 8


def state_space(seed: int = 0) -> StateSpace:
    """Every parameter somewhere else than at its start."""
    torch.manual_seed(seed)
    layer = StateSpace(WIDTH, STATES).double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    return layer


def recurrence(layer: StateSpace, u: np.ndarray) -> np.ndarray:
    """y (n_times, WIDTH) of u, one state after the other, in both directions.

    The zero-order hold of x' = A x + u over a step: x[t] = exp(step A) x[t - 1] + (exp(step A) -
    1) / A u[t].
    """
    values = {name: p.detach().numpy() for name, p in layer.named_parameters()}
    a = -np.exp(values["log_decay"]) + 1j * values["frequency"]  # (WIDTH, modes)
    held = np.exp(a * np.exp(values["log_step"]))
    c = values["readout"][..., 0] + 1j * values["readout"][..., 1]
    y = values["through"] * u
    past, future = np.zeros_like(a), np.zeros_like(a)
    for t in range(len(u)):
        past = held * past + (held - 1) / a * u[t][:, None]
        y[t] += 2 * (c[0] * past).sum(1).real
    for t in reversed(range(len(u))):
        y[t] += 2 * (c[1] * future).sum(1).real  # what lies ahead of t, t itself left out
        future = held * future + (held - 1) / a * u[t][:, None]
    return y


@pytest.mark.parametrize("n_times", [1, 2, 3, 16, 17, 250, 1000, 1237])
def test_it_is_the_recurrence_in_both_directions(n_times):
    layer = state_space()
    u = np.random.default_rng(1).normal(size=(2, n_times, WIDTH))
    with torch.no_grad():
        y = layer(torch.from_numpy(u)).numpy()
    for row in range(2):
        np.testing.assert_allclose(y[row], recurrence(layer, u[row]), rtol=1e-9, atol=1e-9)


def test_in_float32_under_autocast_it_is_still_the_recurrence():
    layer = state_space()
    u = np.random.default_rng(2).normal(size=(1, 1000, WIDTH))
    expected = recurrence(layer, u[0])
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        y = layer.float()(torch.from_numpy(u).float())
    assert y.dtype == torch.float32
    np.testing.assert_allclose(y[0].numpy(), expected, atol=2e-4 * np.abs(expected).max())


def test_it_starts_as_the_paper_says():
    torch.manual_seed(0)
    layer = StateSpace(500, 8)
    assert torch.allclose(layer.log_decay.exp(), torch.tensor(0.5))
    assert torch.allclose(layer.frequency[7], math.pi * torch.arange(4.0))
    steps = layer.log_step.detach().exp()
    assert 0.001 <= float(steps.min()) < 0.0011 and 0.09 < float(steps.max()) <= 0.1
    assert float(steps.median()) == pytest.approx(0.01, rel=0.3)  # even in the logarithm
    assert float(layer.readout.detach().square().sum(-1).mean()) == pytest.approx(1, rel=0.1)


def test_gradients_are_those_of_finite_differences():
    torch.manual_seed(0)
    x = torch.randn(2, 7, 3, dtype=torch.float64, requires_grad=True)
    kernel = torch.randn(15, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(_Circular.apply, (x, kernel, 1))
    by_channel = x.detach().transpose(1, 2).requires_grad_()
    assert torch.autograd.gradcheck(_Circular.apply, (by_channel, kernel.T, 2))
    theirs = _Circular.apply(by_channel, kernel.T, 2).transpose(1, 2)
    torch.testing.assert_close(_Circular.apply(x, kernel, 1), theirs)
    layer = state_space()

    def run(*_):
        return layer(x)

    assert torch.autograd.gradcheck(run, (x, *layer.parameters()))


def test_a_step_has_no_data_dependent_python(monkeypatch):
    """So that it can be captured as a CUDA graph: nothing is read back from the device."""
    model = published("s4", 6)
    for name in ("item", "tolist", "numpy", "cpu", "__bool__", "__float__", "__int__"):
        monkeypatch.setattr(torch.Tensor, name, refuse)
    model(torch.randn(2, 12, 250), torch.randn(2, 6)).square().sum().backward()
    monkeypatch.undo()
    assert all(p.grad is not None for p in model.backbone.parameters())


def refuse(*_):
    raise AssertionError("a value is read back")


def test_a_record_of_any_length_is_read_and_its_ends_do_not_meet():
    torch.manual_seed(0)
    backbone = s4(S4, 12).eval()
    with torch.no_grad():
        for n_times in (1, 250, 999, 5000):
            assert backbone(torch.zeros(1, 12, 1, n_times)).shape == (1, 64, 1, n_times)
        layer = backbone.blocks[0].over_time
        start = torch.zeros(1, 400, 64)
        start[:, 0] = 1
        fading = layer(start)[0].abs().amax(1)
        past, _ = layer.kernels(400)
    torch.testing.assert_close(fading[1:], past.abs().amax(0)[1:], rtol=1e-3, atol=1e-5)


def test_dropout_takes_whole_channels_and_keeps_the_mean():
    torch.manual_seed(0)
    dropout = ChannelDropout(0.25)
    x = torch.ones(400, 5, 8)
    y = dropout(x)
    assert torch.equal(y, y[:, :1].expand_as(y))
    assert sorted(y.unique().tolist()) == pytest.approx([0, 4 / 3])
    assert float(y.mean()) == pytest.approx(1, abs=0.05)
    assert torch.equal(dropout.eval()(x), x)


def test_an_odd_state_size_and_a_dropout_of_one_are_refused():
    with pytest.raises(ConfigError) as caught:
        load_config("default", {"model.s4.state_size": 7, "model.s4.dropout": 1})
    assert "state_size must be even, but is 7" in str(caught.value)
    assert "dropout must be at least 0 and below 1, but is 1.0" in str(caught.value)


def test_it_learns_what_only_the_order_of_two_spikes_tells():
    """Far apart, in either lead: a mean over time can't tell, a memory can."""
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    signal, first = torch.zeros(128, 12, 250), torch.rand(128, generator=generator) < 0.5
    where = torch.randint(20, 100, (128,), generator=generator)
    rows = torch.arange(128)
    signal[rows, torch.where(first, 0, 1), where] = 10
    signal[rows, torch.where(first, 1, 0), where + 100] = 10
    backbone = s4(S4, 12)
    head = nn.Linear(64, 1)
    parameters = [*backbone.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, 0.004)
    for _ in range(25):
        logits = head(backbone(signal.unsqueeze(2)).mean((2, 3)))[:, 0]
        loss = nn.functional.binary_cross_entropy_with_logits(logits, first.float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    backbone.eval()
    with torch.no_grad():
        right = (head(backbone(signal.unsqueeze(2)).mean((2, 3)))[:, 0] > 0) == first
    assert right.float().mean() > 0.95
