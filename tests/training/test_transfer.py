"""Fine-tuning: what is taken over, what stays still, how fast each layer learns."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from heart_reader.errors import ModelError
from heart_reader.fitting import make_trainer, prepare
from heart_reader.models import BACKBONES, build_model
from heart_reader.training.transfer import freeze, layers, parameter_groups, take_over
from tests.models.configs import model_config
from tests.training.tiny import tiny_bundle, tiny_config, tiny_prepared


def model_of(backbone: str, n_classes: int, seed: int):
    torch.manual_seed(seed)
    return build_model(model_config(backbone), 6, n_classes, 12)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_everything_but_other_classes_is_taken_over(backbone):
    source, model = model_of(backbone, 3, 0), model_of(backbone, 2, 1)
    fresh = {key: value.clone() for key, value in model.state_dict().items()}
    assert take_over(model, source, ("C", "X"), ("A", "B", "C")) == ["C"]
    theirs, ours = source.state_dict(), model.state_dict()
    for key, value in ours.items():
        if key.startswith("head.3."):
            assert torch.equal(value[0], theirs[key][2])
            assert torch.equal(value[1], fresh[key][1])
        else:
            assert torch.equal(value, theirs[key])


def test_a_model_of_another_shape_is_refused():
    with pytest.raises(ModelError, match="can't start from a model whose"):
        take_over(model_of("se_resnet1d", 2, 0), model_of("xresnet1d18", 2, 0), ("A",), ("A",))


@pytest.mark.parametrize("backbone", BACKBONES)
def test_each_layer_learns_slower_than_the_one_above(backbone):
    model = model_of(backbone, 3, 0)
    groups = parameter_groups(model, 0.1, 0.5)
    counted = [id(p) for group in groups for p in group["params"]]
    assert sorted(counted) == sorted(id(p) for p in model.parameters())
    slow = {id(p) for p in model.backbone.recurrent()}
    groups = [group for group in groups if id(group["params"][0]) not in slow]
    assert [group["lr"] for group in groups] == pytest.approx(
        [0.1 * 0.5**k for k in range(len(groups))]
    )
    depth = {id(p): k for k, group in enumerate(groups) for p in group["params"]}
    first = next(model.backbone.parameters())
    assert depth[id(model.head[0].weight)] == 0 and depth[id(first)] >= len(groups) - 2
    assert len(groups) == len(layers(model)) > 3
    alone = parameter_groups(model, 0.1, 1.0)
    assert [len(group["params"]) for group in alone] == list(
        filter(None, [len(counted) - len(slow), len(slow)])
    )


@pytest.mark.parametrize("decay", [1.0, 0.5])
def test_a_recurrence_learns_slowly_and_is_not_drawn_to_zero(decay):
    model = model_of("s4", 3, 0)
    groups = parameter_groups(model, 0.004, decay)
    named = {id(p): name for name, p in model.named_parameters()}
    rates = {named[id(p)]: group["lr"] for group in groups for p in group["params"]}
    kept = {named[id(p)] for g in groups if g.get("weight_decay") == 0 for p in g["params"]}
    recurrent = {"log_step", "log_decay", "frequency"}
    assert kept == {name for name in rates if name.rsplit(".", 1)[-1] in recurrent}
    assert len(kept) == 4 * 3
    assert max(rates[name] for name in kept) <= 0.001
    assert rates["head.0.weight"] == 0.004
    assert rates["backbone.blocks.3.over_channels.weight"] == 0.004 * decay**2
    assert groups[0]["lr"] == 0.004  # which is the one that is logged


def test_frozen_epochs_move_the_head_alone(cache):
    prepared = tiny_prepared(cache)
    source = tiny_bundle(prepared)
    config = tiny_config(
        training__init="somewhere", training__freeze_epochs=1, training__epochs=2,
        training__layer_decay=0.7,
    )  # fmt: skip
    started = prepare(prepared.records, start=source)
    assert started.normaliser == source.normaliser and started.encoder is source.encoder
    trainer = make_trainer(started, config)
    before = {key: value.clone() for key, value in trainer.model.state_dict().items()}
    for key, value in source.model.state_dict().items():
        assert torch.equal(before[key], value)
    trainer.run_epoch()
    after = trainer.model.state_dict()
    moved = {key for key in after if not torch.equal(after[key], before[key])}
    assert moved and all(key.startswith("head.") for key in moved)
    trainer.epoch = 1
    trainer.run_epoch()
    assert all(p.requires_grad for p in trainer.model.parameters())
    moved = {k for k, v in trainer.model.state_dict().items() if not torch.equal(v, before[k])}
    assert any(key.startswith("backbone.") for key in moved)


def test_a_head_that_is_let_go_trains_batch_norms_again():
    model = model_of("se_resnet1d", 3, 0)
    freeze(model.train(), True)
    assert not model.backbone.training and model.head.training
    freeze(model.train(), False)
    assert model.backbone.training and all(p.requires_grad for p in model.parameters())


def test_the_source_says_the_same_of_classes_it_had(cache):
    """Before the first step a taken-over model answers as its source does."""
    prepared = tiny_prepared(cache)
    source = tiny_bundle(prepared)
    started = prepare(prepared.records, start=source)
    model = make_trainer(started, tiny_config(training__init="somewhere")).model.eval()
    rows = prepared.records.rows((9,))[:4]
    signals = prepared.records.millivolts(rows).astype(np.float32)
    again = replace(source, model=model).predict(signals, None)
    np.testing.assert_array_equal(again, source.predict(signals, None))
