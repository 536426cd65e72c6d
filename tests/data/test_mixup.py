from dataclasses import replace
from unittest.mock import patch

import pytest
import torch

from heart_reader.config.load import load_config
from heart_reader.data.augmentation import mix, mixup_weights
from heart_reader.data.dataset import DeviceRecords
from heart_reader.training.learner import Learner
from tests.training.tiny import tiny_config, tiny_prepared, tiny_trainer


def weights(n: int, p: float, largest: float) -> torch.Tensor:
    config = replace(load_config("default", {}).augmentation, mixup_p=p, mixup_max=largest)
    x = torch.zeros(n, 12, 10)
    return mixup_weights(x, config, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("shape", [(3, 2, 4), (3, 5)])
def test_each_record_takes_its_share_of_the_next(shape):
    x = torch.arange(3.0).view(3, *[1] * (len(shape) - 1)).expand(shape)
    mixed = mix(x, torch.tensor([[0.0], [0.25], [0.5]]))
    expected = torch.tensor([0.0, 0.75 * 1 + 0.25 * 2, 0.5 * 2 + 0.5 * 0])
    assert torch.equal(mixed, expected.view(3, *[1] * (len(shape) - 1)).expand(shape))


def test_weights_are_uniform_below_the_largest_for_a_share_of_the_records():
    drawn = weights(20_000, 0.3, 0.5)
    assert drawn.shape == (20_000, 1)
    taken = drawn[drawn > 0]
    assert len(taken) / 20_000 == pytest.approx(0.3, abs=0.01)
    assert taken.max() <= 0.5
    assert taken.mean().item() == pytest.approx(0.25, abs=0.006)
    assert taken.std().item() == pytest.approx(0.5 / 12**0.5, abs=0.004)


def test_training_mixes_signals_features_and_labels_alike(cache):
    """With every weight at one half, a batch is the mean of each two neighbours."""
    seen = {}
    prepared = tiny_prepared(cache)
    off = {name: 0.0 for name in vars(tiny_config().augmentation) if name.endswith("_p")}
    config = tiny_config(training__feature_dropout=0.0)
    config = replace(config, augmentation=replace(config.augmentation, **off))

    def step(mixup_p: float) -> dict[str, torch.Tensor]:
        own = replace(config, augmentation=replace(config.augmentation, mixup_p=mixup_p))
        trainer = tiny_trainer(prepared, own)
        loss = Learner.expected_loss

        def seen_loss(learner, signal, features, present, y_true, lengths):
            seen.update(signal=signal, features=features, labels=y_true)
            return loss(learner, signal, features, present, y_true, lengths)

        with patch.object(Learner, "expected_loss", seen_loss):
            trainer.train_step(torch.arange(16))
        assert isinstance(trainer.train, DeviceRecords)
        return dict(seen)

    plain, mixed = step(0.0), step(1.0)
    weight = (mixed["labels"] - plain["labels"]).abs().sum(1)
    differ = (plain["labels"] != plain["labels"].roll(-1, 0)).sum(1)
    share = (weight / differ)[differ > 0]  # of the neighbour, seen in the labels
    assert len(share) > 5 and (share <= 0.5).all() and share.min() >= 0
    for name in ("signal", "features"):
        a, b = plain[name].flatten(1), plain[name].roll(-1, 0).flatten(1)
        expected = torch.lerp(a, b, (weight / differ.clamp(min=1))[:, None])
        rows = differ > 0
        torch.testing.assert_close(
            mixed[name].flatten(1)[rows], expected[rows], rtol=1e-3, atol=1e-3
        )
