"""The random window of a record, and the epochs that see whole records."""

from dataclasses import replace

import pytest
import torch

from heart_reader.config.load import load_config
from heart_reader.data.augmentation import augment, random_crop
from heart_reader.errors import ConfigError
from tests.training.tiny import tiny_config, tiny_trainer


def test_a_crop_is_one_window_of_all_leads() -> None:
    x = torch.arange(3 * 2 * 10.0).view(3, 2, 10)
    cropped = random_crop(x, 4, torch.Generator().manual_seed(0))
    start = cropped[:, :1, :1] - x[:, :1, :1]  # (3, 1, 1)
    places = torch.tensor([[0.0], [10.0]]) + torch.arange(4.0)  # (2, 4)
    torch.testing.assert_close(cropped, x[:, :1, :1] + start + places)


def test_every_place_is_drawn_as_often() -> None:
    x = torch.arange(10.0).expand(8000, 1, 10)
    start = random_crop(x, 8, torch.Generator().manual_seed(0))[:, 0, 0]
    counts = torch.bincount(start.long())
    assert len(counts) == 3  # starts 0, 1 and 2
    assert (counts - 8000 / 3).abs().max() < 3 * (8000 * 2 / 9) ** 0.5  # three sigma


@pytest.mark.parametrize(("share", "n_times"), [(1.0, 1000), (0.25, 250), (1e-9, 1)])
def test_augment_crops_to_the_share(share: float, n_times: int) -> None:
    config = replace(load_config("default", {}).augmentation, crop_share=share)
    x = torch.randn(2, 12, 1000, generator=torch.Generator().manual_seed(0))
    assert augment(x, 100, config, torch.Generator().manual_seed(0)).shape == (2, 12, n_times)


def test_a_crop_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="crop_share must be above 0, but is 0"):
        load_config("default", {"augmentation.crop_share": 0})


def test_the_last_epochs_see_whole_records(prepared) -> None:
    config = tiny_config(augmentation__crop_share=0.5, training__whole_epochs=1)
    trainer = tiny_trainer(prepared, config)
    seen: list[tuple[int, int]] = []

    def note(module: torch.nn.Module, inputs: tuple[torch.Tensor]) -> None:
        if module.training:
            seen.append((trainer.epoch, inputs[0].shape[-1]))

    trainer.model.backbone.register_forward_pre_hook(note)
    trainer.fit([])
    assert set(seen) == {(0, 500), (1, 500), (2, 1000)}
