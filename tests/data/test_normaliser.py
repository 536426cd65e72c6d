from dataclasses import replace

import numpy as np
import pytest
import torch

from heart_reader.config.load import load_config
from heart_reader.data.dataset import FeaturesConfig, Records, load_development
from heart_reader.data.normaliser import Normaliser, fit_normaliser
from heart_reader.data.ptbxl import TRAIN_FOLDS
from heart_reader.errors import DataError


@pytest.fixture(scope="module")
def records(demo_root, cache) -> Records:
    config = load_config("default", {})
    data = replace(config.data, root=str(demo_root))
    return load_development(data, config.task, FeaturesConfig("none"), cache)


def test_statistics_against_numpy_over_all_samples(records):
    signals = records.millivolts(records.rows(TRAIN_FOLDS))  # (n, 12, 1000)
    normaliser = fit_normaliser(records, TRAIN_FOLDS)
    centred = signals - signals.mean(axis=2, keepdims=True)
    assert normaliser.mean == (0.0,) * 12
    np.testing.assert_allclose(normaliser.std, centred.std(axis=(0, 2)), rtol=1e-9)
    standard = normaliser(torch.from_numpy(signals)).numpy()
    np.testing.assert_allclose(standard.mean(axis=2), 0, atol=1e-9)
    np.testing.assert_allclose(standard.std(axis=(0, 2)), 1, rtol=1e-9)


def test_an_offset_moves_nothing(records):
    """5 mV, as of an electrode, are gone; a lead that is flat at any level is flat at 0."""
    x = torch.from_numpy(records.millivolts(records.rows((9,))[:4])).float()
    x[0, 3] = -8
    normaliser = fit_normaliser(records, (1,))
    offset = torch.linspace(-5, 5, 12)[:, None]
    torch.testing.assert_close(normaliser(x + offset), normaliser(x), rtol=0, atol=2e-5)
    assert not normaliser(x)[0, 3].any()


def test_a_normaliser_of_before_still_takes_its_mean_away():
    old = Normaliser((0.5,) * 12, (2.0,) * 12, (1,))
    x = torch.arange(4.0).expand(1, 12, 4)
    expected = (torch.tensor([-1.5, -0.5, 0.5, 1.5]) - 0.5) / 2
    assert torch.equal(old(x), expected.expand(1, 12, 4))


def test_the_layout_of_the_memory_stays(records):
    x = torch.randn(3, 1000, 12).transpose(1, 2)
    assert fit_normaliser(records, (1,))(x).stride() == x.stride()


@pytest.mark.parametrize("fold", [9, 10])
def test_folds_that_validate_or_test_are_refused(records, fold):
    with pytest.raises(DataError, match="normaliser is fitted on folds 1 to 8 alone"):
        fit_normaliser(records, (1, fold))


@pytest.mark.parametrize("level", [0, 1234, -29_999])
def test_a_lead_that_is_flat_in_every_record_is_named(records, level):
    signals = np.array(records.pack.signals)
    signals[:, :, 3] = level
    flat = replace(records, pack=replace(records.pack, signals=signals))
    with pytest.raises(DataError, match=r"^lead aVR is flat in every record of folds"):
        fit_normaliser(flat, TRAIN_FOLDS)
