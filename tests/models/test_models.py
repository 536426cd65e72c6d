"""What holds for every model, whatever its backbone."""

import dataclasses

import pytest
import torch
from safetensors.torch import load_file, save_file

from heart_reader.errors import ConfigError
from heart_reader.models import BACKBONES, build_model
from tests.models.configs import N_CLASSES, N_LEADS, model_config, published

N_FEATURES = 7

# Parameters of the backbone alone, and the mean, standard deviation and first value of the
# embedding of one record under seed 0
GOLDEN = {
    "inception1d": (486_448, 2.8007, 2.4158, 1.0057),
    "xresnet1d18": (347_264, 0.2587, 2.3721, -3.0614),
    "xresnet1d34": (676_992, -0.24356, 2.4318, -0.82987),
    "xresnet1d50": (886_400, 0.023906, 2.0153, 1.0162),
    "xresnet1d101": (1_804_672, 0.026756, 2.0831, 4.4037),
    "xresnet1d152": (2_722_944, 0.099475, 2.6663, 1.6532),
    "se_resnet1d": (445_592, 2.3715, 2.1834, 0.5005),
    "s4": (41_280, -0.021843, 2.5792, 1.3759),
}


def make_model(backbone, n_features=N_FEATURES):
    torch.manual_seed(0)
    return published(backbone, n_features)


def make_batch(n_records, n_times):
    generator = torch.Generator().manual_seed(1)
    signal = torch.randn(n_records, n_times, 12, generator=generator).transpose(1, 2)
    features = torch.randn(n_records, N_FEATURES, generator=generator)
    return signal, features, torch.arange(n_records) % 2 == 0


def test_every_backbone_has_golden_values():
    assert set(GOLDEN) == set(BACKBONES)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_golden_parameter_count_and_embedding(backbone):
    model = make_model(backbone, n_features=0).eval()
    with torch.no_grad():
        embedding = model.embed(make_batch(1, 1000)[0])[0]
    n_parameters, *values = GOLDEN[backbone]
    assert sum(p.numel() for p in model.backbone.parameters()) == n_parameters
    found = [embedding.mean().item(), embedding.std().item(), embedding[0].item()]
    assert found == pytest.approx(values, rel=1e-3)


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("n_times", [250, 333])
def test_shape_and_no_nan(backbone, n_times):
    model = make_model(backbone)
    logits = model(*make_batch(3, n_times))
    assert logits.shape == (3, 5)
    assert logits.isfinite().all()
    assert model.embed(make_batch(3, n_times)[0]).shape == (3, 256)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_every_parameter_gets_a_gradient(backbone):
    model = make_model(backbone)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.2, 0.5)  # zero ones stop the gradient
    model(*make_batch(4, 250)).square().sum().backward()
    without = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []
    assert all(p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("backbone", BACKBONES)
def test_one_record_alone_gets_what_it_gets_in_a_batch(backbone):
    model = make_model(backbone).eval()
    signal, features, present = make_batch(3, 250)
    with torch.no_grad():
        together = model(signal, features, present)
        alone = [
            model(signal[i : i + 1], features[i : i + 1], present[i : i + 1]) for i in range(3)
        ]
    torch.testing.assert_close(torch.cat(alone), together, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_memory_order_of_the_signal_does_not_matter(backbone):
    model = make_model(backbone).eval()
    signal = make_batch(2, 250)[0]
    with torch.no_grad():
        torch.testing.assert_close(model(signal), model(signal.contiguous()), rtol=0, atol=0)


@pytest.mark.parametrize("backbone", ["inception1d", "xresnet1d18", "se_resnet1d"])
def test_weights_pass_through_safetensors(backbone, tmp_path):
    model = make_model(backbone).eval()
    save_file(model.state_dict(), tmp_path / "weights.safetensors")
    torch.manual_seed(99)
    twin = published(backbone, N_FEATURES).eval()
    twin.load_state_dict(load_file(tmp_path / "weights.safetensors"))
    batch = make_batch(2, 250)
    assert torch.equal(model(*batch), twin(*batch))


def test_same_seed_same_weights():
    first, second = make_model("se_resnet1d"), make_model("se_resnet1d")
    assert all(map(torch.equal, first.state_dict().values(), second.state_dict().values()))


def test_unknown_backbone_is_refused_with_the_nearest_name():
    config = dataclasses.replace(model_config("se_resnet1d"), backbone="inceptoin1d")
    with pytest.raises(ConfigError) as caught:
        build_model(config, 0, N_CLASSES, N_LEADS)
    assert str(caught.value) == "unknown backbone 'inceptoin1d', did you mean 'inception1d'?"


def test_residual_branches_of_xresnet_start_at_zero():
    for block in make_model("xresnet1d50").backbone.blocks:
        assert not block.branch(torch.randn(2, block.branch[0][0].in_channels, 1, 40)).any()
