"""How features, missing features and no features at all reach the logits."""

import pytest
import torch
from torch import nn

from heart_reader.models.feature_branch import FeatureBranch
from tests.models.configs import published


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return published("se_resnet1d", 4).eval()


@pytest.fixture(scope="module")
def signal():
    return torch.randn(3, 12, 200, generator=torch.Generator().manual_seed(2))


def test_masked_features_equal_no_features(model, signal):
    features = torch.randn(3, 4)
    nobody = torch.zeros(3, dtype=torch.bool)
    assert torch.equal(model(signal, features, nobody), model(signal))


def test_the_mask_works_record_by_record(model, signal):
    features = torch.randn(3, 4)
    logits = model(signal, features, torch.tensor([True, False, True]))
    torch.testing.assert_close(logits[[0, 2]], model(signal, features)[[0, 2]])
    torch.testing.assert_close(logits[1], model(signal)[1])
    assert not torch.allclose(logits[0], model(signal)[0])


def test_nan_of_a_missing_record_stays_out_of_values_and_gradients(signal):
    torch.manual_seed(0)
    model = published("se_resnet1d", 4)
    features = torch.randn(3, 4)
    features[1] = torch.nan
    model(signal, features, torch.tensor([True, False, True])).square().sum().backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())
    assert all(b.isfinite().all() for b in model.buffers())


def test_nan_of_a_present_record_shows(model, signal):
    features = torch.full((3, 4), torch.nan)
    assert model(signal, features, torch.ones(3, dtype=torch.bool)).isnan().all()


def test_signal_only_model_ignores_features(signal):
    torch.manual_seed(0)
    model = published("se_resnet1d", 0).eval()
    assert torch.equal(model(signal, torch.randn(3, 4)), model(signal))
    assert [m.in_features for m in model.head if isinstance(m, nn.Linear)] == [256, 128]


def test_layer_sizes_of_the_fusion_model(model):
    linear = [m for m in model.feature_branch.mlp if isinstance(m, nn.Linear)]
    assert [(m.in_features, m.out_features) for m in linear] == [(4, 256), (256, 128), (128, 64)]
    assert [m.in_features for m in model.head if isinstance(m, nn.Linear)] == [320, 128]
    assert isinstance(model.projection, nn.Identity)


def test_projection_stands_only_where_the_pooled_length_is_not_256():
    for backbone, n_pooled in (("xresnet1d18", 128), ("xresnet1d50", 512)):
        projection = published(backbone, 0).projection
        assert (projection.in_features, projection.out_features) == (n_pooled, 256)


def test_dropped_records_still_shape_the_batch_norms():
    torch.manual_seed(0)
    features = torch.randn(64, 4) + 3
    means = []
    for present in (torch.ones(64, dtype=torch.bool), torch.arange(64) % 2 == 0):
        torch.manual_seed(1)
        branch = FeatureBranch(4, (8, 6), dropout=0.0)
        branch(features, present, 64)
        means.append(branch.mlp[1].running_mean)
    torch.testing.assert_close(*means)
