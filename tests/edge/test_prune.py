"""Pruning takes whole channels, everywhere, and those that matter least.

Covers: heart_reader.models.shrink.
"""

import copy

import numpy as np
import pytest
import torch
import torch_pruning
from torch import nn

from heart_reader.bundle.single import load_bundle, save_bundle
from heart_reader.edge.network.prune import kept_channels, pruned
from heart_reader.errors import ConfigError, ModelError
from tests.edge.bundles import BACKBONES, fresh_bundle, some_features, some_signals


def shapes(model):
    return {name: tuple(p.shape) for name, p in model.named_parameters() if p.ndim > 1}


@pytest.mark.parametrize("backbone", BACKBONES)
def test_every_layer_is_thinner(backbone):
    bundle = fresh_bundle(backbone)
    before, after = shapes(bundle.model), shapes(pruned(bundle, 0.5, 8).model)
    for name, shape in before.items():
        if name == "head.3.weight":  # five classes stay five
            assert after[name] == (5, shape[1] // 2)
        else:
            assert after[name][0] == shape[0] // 2, name
    assert shapes(bundle.model) == before


def test_a_backbone_of_recurrences_is_refused_by_name():
    with pytest.raises(ConfigError, match=r"^s4 can't be pruned: leave the stage 'prune' out"):
        pruned(fresh_bundle("s4"), 0.5, 8)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_channels_that_say_nothing_go_and_nothing_changes(backbone):
    bundle = fresh_bundle(backbone)
    silence_odd_channels(bundle.model)
    signals, features = some_signals(3), some_features(3)
    thin = pruned(bundle, 0.5, 1)
    n_parameters = [sum(p.numel() for p in b.model.parameters()) for b in (bundle, thin)]
    assert n_parameters[1] < 0.35 * n_parameters[0]
    for given in (features, None):
        expected = bundle.predict(signals, given)
        assert np.ptp(expected, axis=0).min() > 1e-4
        np.testing.assert_allclose(thin.predict(signals, given), expected, atol=1e-6)


def silence_odd_channels(model):
    """Zero wherever an odd channel comes from or goes to, so that half of the model is idle."""
    inputs = {model.feature_branch.mlp[0]}
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            if module is not model.head[-1]:
                module.weight.data[1::2] = 0
                if module.bias is not None:
                    module.bias.data[1::2] = 0
            if module not in inputs and module.weight.shape[1] != 12:
                module.weight.data[:, 1::2] = 0
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            for values in (module.weight, module.bias):
                values.data[1::2] = 0
    model.feature_branch.missing.data[1::2] = 0


def test_without_a_concat_it_keeps_what_torch_pruning_keeps():
    bundle = fresh_bundle("xresnet1d18", 0)
    theirs = copy.deepcopy(bundle.model)
    torch_pruning.pruner.MagnitudePruner(
        theirs,
        torch.zeros(1, 12, 64),
        importance=torch_pruning.importance.MagnitudeImportance(p=1),
        pruning_ratio=0.5,
        round_to=8,
        ignored_layers=[theirs.head[-1]],
    ).step()
    ours = pruned(bundle, 0.5, 8).model.state_dict()
    for name, expected in theirs.state_dict().items():
        torch.testing.assert_close(ours[name], expected, msg=name)


def test_over_a_concat_torch_pruning_alone_gives_up():
    """Why the channels are chosen here: when this fails, its own pruner may do."""
    model = fresh_bundle("inception1d", 0).model
    before = shapes(model)
    torch_pruning.pruner.MagnitudePruner(
        model,
        torch.zeros(1, 12, 64),
        importance=torch_pruning.importance.MagnitudeImportance(p=1),
        pruning_ratio=0.5,
        ignored_layers=[model.head[-1]],
    ).step()
    name = "backbone.shortcuts.0.0.weight"
    assert shapes(model)[name] == before[name]


def test_a_ratio_of_nothing_changes_nothing():
    bundle, signals = fresh_bundle("inception1d"), some_signals(2)
    thin = pruned(bundle, 0.0, 8)
    assert shapes(thin.model) == shapes(bundle.model)
    np.testing.assert_array_equal(thin.predict(signals, None), bundle.predict(signals, None))


@pytest.mark.parametrize("ratio", [-0.1, 1.0])
def test_a_ratio_out_of_range_is_refused(ratio):
    with pytest.raises(ConfigError, match=f"from 0 to below 1, but is {ratio}"):
        pruned(fresh_bundle("se_resnet1d"), ratio, 8)


def test_channels_are_rounded_up_and_one_always_stays():
    assert kept_channels(100, 0.5, 8) == 56
    assert kept_channels(32, 0.99, 8) == 8
    assert kept_channels(3, 0.99, 8) == 1


@pytest.mark.parametrize("backbone", BACKBONES)
def test_a_thin_bundle_is_a_bundle(backbone, tmp_path):
    thin, signals, features = (
        pruned(fresh_bundle(backbone), 0.5, 8),
        some_signals(2),
        some_features(2),
    )
    save_bundle(thin, tmp_path / "bundle")
    again = load_bundle(tmp_path / "bundle")
    np.testing.assert_array_equal(
        again.predict(signals, features), thin.predict(signals, features)
    )


def test_weights_that_are_thin_without_a_word_are_refused(tmp_path):
    save_bundle(pruned(fresh_bundle("se_resnet1d"), 0.5, 8), tmp_path / "bundle")
    path = tmp_path / "bundle" / "bundle.json"
    path.write_text(path.read_text().replace('"pruned": true', '"pruned": false'))
    with pytest.raises(ModelError, match="don't fit"):
        load_bundle(tmp_path / "bundle")
