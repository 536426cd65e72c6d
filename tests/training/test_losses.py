"""Losses against their formulas, written out in numpy."""

import numpy as np
import pytest
import torch
from scipy.special import expit
from sklearn.metrics import log_loss

from heart_reader.training.losses import focal_loss, make_loss


@pytest.fixture
def batch() -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(3)
    logits = rng.normal(0, 2, (16, 5))
    return torch.tensor(logits), torch.tensor(rng.integers(0, 2, (16, 5)).astype(np.float64))


def literal_focal(logits: np.ndarray, y_true: np.ndarray, alpha: float, gamma: float) -> float:
    """FL(p_t) = -alpha_t (1 - p_t)^gamma log(p_t), equation 5 of Lin et al. 2017."""
    total = 0.0
    for z, y in zip(logits.ravel(), y_true.ravel(), strict=True):
        p = expit(z)
        p_t, alpha_t = (p, alpha) if y == 1 else (1 - p, 1 - alpha)
        total += -alpha_t * (1 - p_t) ** gamma * np.log(p_t)
    return total / logits.size


@pytest.mark.parametrize(("alpha", "gamma"), [(0.25, 2.0), (0.75, 1.0), (0.5, 0.0), (0.25, 5.0)])
def test_focal_loss_against_the_formula_of_the_paper(batch, alpha, gamma):
    logits, y_true = batch
    expected = literal_focal(logits.numpy(), y_true.numpy(), alpha, gamma)
    assert float(focal_loss(logits, y_true, alpha, gamma)) == pytest.approx(expected, rel=1e-9)


def test_without_focus_and_balance_it_is_half_of_sklearns_log_loss(batch):
    logits, y_true = batch
    expected = 0.5 * log_loss(y_true.numpy().ravel(), expit(logits.numpy()).ravel())
    assert float(focal_loss(logits, y_true, 0.5, 0.0)) == pytest.approx(expected, rel=1e-9)
    assert float(make_loss("focal", 0.5, 0.0, 0.0)(logits, y_true)) == pytest.approx(expected)
    assert float(make_loss("bce", 0.25, 2.0, 0.0)(logits, y_true)) == pytest.approx(2 * expected)


def test_label_smoothing_moves_0_and_1_by_half_of_it(batch):
    logits, y_true = batch
    p = expit(logits.numpy())
    target = np.where(y_true.numpy() == 1, 0.95, 0.05)
    expected = -(target * np.log(p) + (1 - target) * np.log(1 - p)).mean()
    assert float(make_loss("bce", 0.25, 2.0, 0.1)(logits, y_true)) == pytest.approx(expected)


def test_focal_gradient_against_finite_differences(batch):
    logits, y_true = batch
    variable = logits.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda z: focal_loss(z, y_true, 0.25, 2.0), variable)


def test_saturated_logits_give_a_finite_loss_and_gradient():
    logits = torch.tensor([[-200.0, 200.0, 0.0, -200.0, 200.0]], requires_grad=True)
    loss = make_loss("focal", 0.25, 2.0, 0.0)(logits, torch.tensor([[1.0, 0.0, 1.0, 0.0, 1.0]]))
    loss.backward()
    # Two terms are wrong by 200: 0.25 * 200 and 0.75 * 200; one is 0.25 * 0.25 * ln 2.
    assert loss.item() == pytest.approx((50 + 150 + 0.0625 * np.log(2)) / 5, rel=1e-6)
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("name", ["focal", "bce"])
def test_an_unknown_target_counts_nowhere(name):
    """The loss and its gradient are those of the known targets alone."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 3, generator=generator, requires_grad=True)
    y_true = (torch.rand(6, 3, generator=generator) < 0.5).float()
    known = torch.rand(6, 3, generator=generator) < 0.7
    loss = make_loss(name, 0.25, 2.0, 0.1, all_known=False)
    loss(logits, torch.where(known, y_true, torch.nan)).backward()
    alone = logits.detach().clone().requires_grad_()
    make_loss(name, 0.25, 2.0, 0.1)(alone[known], y_true[known]).backward()
    torch.testing.assert_close(logits.grad, alone.grad)
    assert (logits.grad[~known] == 0).all()
    assert loss(logits, torch.full_like(y_true, torch.nan)).item() == 0
