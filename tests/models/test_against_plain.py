"""Every backbone against the plain Conv1d version of itself: the same function and gradient.

Covers: heart_reader.models.inception1d, heart_reader.models.s4,
    heart_reader.models.se_resnet1d, heart_reader.models.xresnet1d.
"""

import pytest
import torch
from torch import nn

from benchmarks.train_step import PLAIN_BACKBONES, PlainModel, carry_weights
from heart_reader.models import BACKBONES
from tests.models.configs import published


def twins(backbone: str) -> tuple[nn.Module, nn.Module]:
    """Our model and its plain twin with the same weights, none of them zero, without dropout."""
    torch.manual_seed(3)
    ours, plain = published(backbone, 0), PlainModel(backbone, dropout=0.0)
    for module in ours.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.2, 0.5)
            nn.init.uniform_(module.bias, -0.2, 0.2)
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    carry_weights(ours, plain)
    return ours, plain


def test_every_backbone_has_a_plain_twin():
    assert set(PLAIN_BACKBONES) == set(BACKBONES)


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("n_times", [250, 1000])
def test_same_output_in_evaluation(backbone, n_times):
    ours, plain = twins(backbone)
    signal = torch.randn(2, 12, n_times)
    ours.train(), plain.train()
    with torch.no_grad():
        ours(signal), plain(signal)  # running statistics, without which deep nets blow up
        ours.eval(), plain.eval()
        torch.testing.assert_close(ours(signal), plain(signal), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_same_output_gradient_and_running_statistics_in_training(backbone):
    ours, plain = (model.double() for model in twins(backbone))
    signal = torch.randn(4, 12, 251, dtype=torch.float64)
    results = []
    for model in (ours, plain):
        x = signal.clone().requires_grad_()
        logits = model(x)
        (logits * torch.linspace(-1, 1, 20).view(4, 5)).sum().backward()
        results.append((logits, x.grad, [p.grad for p in model.parameters()], model.buffers()))
    (logits, grad, grads, buffers), (p_logits, p_grad, p_grads, p_buffers) = results
    torch.testing.assert_close(logits, p_logits, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(grad, p_grad, rtol=1e-7, atol=1e-9)
    for ours_, theirs in zip(grads, p_grads, strict=True):
        torch.testing.assert_close(ours_.view_as(theirs), theirs, rtol=1e-7, atol=1e-9)
    for ours_, theirs in zip(buffers, p_buffers, strict=True):
        torch.testing.assert_close(ours_, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("backbone", ["inception1d", "xresnet1d18", "se_resnet1d", "s4"])
def test_bfloat16_step_points_the_same_way(backbone):
    ours, plain = twins(backbone)
    signal, directions = torch.randn(4, 12, 256), []
    for model, bfloat16 in ((ours, True), (plain, False)):
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            logits = model(signal)
        logits.float().square().sum().backward()
        directions.append(torch.cat([p.grad.flatten() for p in model.parameters()]))
    # bfloat16 keeps 8 bits of each product: the plain model under autocast is no nearer
    assert torch.cosine_similarity(*directions, dim=0) > 0.95
