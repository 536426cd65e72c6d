"""Each transform on batches whose result is known, and against numpy where it has one."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.signal import periodogram
from torch import Tensor

from heart_reader.config.load import load_config
from heart_reader.data import augmentation as a
from heart_reader.data.augmentation import AugmentationConfig, augment

FS = 100
N_TIMES = 1000


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def config(**changes: float) -> AugmentationConfig:
    """Every transform off, at its published strength, then ``changes``."""
    published = load_config("default", {}).augmentation
    off = {name: 0.0 for name in vars(published) if name.endswith("_p")}
    return replace(published, **(off | changes))


def arange_batch(n: int = 4, n_leads: int = 12, n_times: int = N_TIMES) -> Tensor:
    return torch.arange(n * n_leads * n_times, dtype=torch.float32).view(n, n_leads, n_times)


def wfdb_batch(n: int = 8) -> Tensor:
    """As the trainer has it: a view of (n, n_times, n_leads) memory."""
    return torch.randn(n, N_TIMES, 12, generator=generator(9)).transpose(1, 2)


TRANSFORMS = {
    "noise": lambda x, p: a.gaussian_noise(x, p, 0.1, generator()),
    "scale": lambda x, p: a.amplitude_scale(x, p, 0.2, generator()),
    "lead_dropout": lambda x, p: a.lead_dropout(x, p, 0.5, generator()),
    "wander": lambda x, p: a.baseline_wander(x, p, 0.5, FS, generator()),
    "warp": lambda x, p: a.time_warp(x, p, 0.3, generator()),
    "shift": lambda x, p: a.circular_shift(x, p, 50, generator(1)),
}
every_transform = pytest.mark.parametrize("name", TRANSFORMS)


@every_transform
def test_probability_0_changes_nothing(name):
    x = wfdb_batch()
    # The warp interpolates at positions that float32 rounds: 1e-3 of a sample at the end.
    tolerance = 1e-3 if name == "warp" else 0
    torch.testing.assert_close(TRANSFORMS[name](x, 0.0), x, rtol=0, atol=tolerance)


@every_transform
def test_probability_1_changes_every_record_and_leaves_the_argument(name):
    x = wfdb_batch()
    before = x.clone()
    changed = TRANSFORMS[name](x, 1.0)
    assert (changed != x).flatten(1).any(1).all()
    assert torch.equal(x, before)


@every_transform
def test_a_probability_is_the_share_of_records(name):
    x = wfdb_batch(400)[:, :, :200].contiguous()
    changed = TRANSFORMS[name](x, 0.3)
    share = ((changed - x).abs() > 5e-3).flatten(1).any(1).float().mean()
    assert share.item() == pytest.approx(0.3, abs=0.08)  # 3.5 standard errors


@every_transform
def test_the_same_generator_gives_the_same_batch(name):
    x = wfdb_batch()
    assert torch.equal(TRANSFORMS[name](x, 0.5), TRANSFORMS[name](x, 0.5))


@every_transform
def test_the_layout_of_the_memory_stays(name):
    x = wfdb_batch()
    assert TRANSFORMS[name](x, 1.0).stride() == x.stride()


def test_noise_has_the_configured_standard_deviation():
    noise = a.gaussian_noise(torch.zeros(20, 12, N_TIMES), 1.0, 0.02, generator())
    assert noise.std().item() == pytest.approx(0.02, rel=0.01)
    assert abs(noise.mean().item()) < 2e-4
    power = periodogram(noise[0, 0].double().numpy(), FS)[1]
    assert power[:250].mean() == pytest.approx(power[250:].mean(), rel=0.3)  # white


def test_a_scale_is_one_factor_a_record_so_einthoven_stays():
    x = arange_batch() + 1
    x[:, 1] = x[:, 0] + x[:, 2]  # II = I + III
    scaled = a.amplitude_scale(x, 1.0, 0.2, generator())
    factors = scaled / x
    torch.testing.assert_close(factors, factors[:, :1, :1].expand_as(factors))
    assert ((factors >= 0.8) & (factors <= 1.2)).all()
    assert len(factors[:, 0, 0].unique()) == len(x)
    torch.testing.assert_close(scaled[:, 1], scaled[:, 0] + scaled[:, 2])


def test_lead_dropout_zeroes_whole_leads_and_touches_no_other():
    x = arange_batch(50) + 1
    dropped = a.lead_dropout(x, 1.0, 0.25, generator())
    zero = (dropped == 0).all(2)  # (n, n_leads)
    assert torch.equal(dropped[~zero], x[~zero])
    assert zero.float().mean().item() == pytest.approx(0.25, abs=0.06)
    assert torch.equal(a.lead_dropout(x, 1.0, 1.0, generator()), torch.zeros_like(x))


def test_a_shift_equals_numpys_roll():
    x = arange_batch(30)
    shifted = a.circular_shift(x, 1.0, 50, generator()).numpy()
    offsets = []
    for record, rolled in zip(x.numpy(), shifted, strict=True):
        offset = int(np.flatnonzero(rolled[0] == record[0, 0])[0])  # where the start went
        offsets.append(offset if offset < 500 else offset - N_TIMES)
        np.testing.assert_array_equal(rolled, np.roll(record, offset, axis=1))
    assert min(offsets) < -25 < 25 < max(offsets)
    assert max(map(abs, offsets)) <= 50


def test_wander_is_one_slow_sine_below_the_amplitude():
    wander = a.baseline_wander(torch.zeros(40, 12, 6000), 1.0, 0.15, FS, generator()).numpy()
    assert 0.1 < np.abs(wander).max() <= 0.15
    f, power = periodogram(wander, FS, window="hann", axis=2)
    inside = f <= 0.5 + 0.04  # two bins of 1/60 Hz beside the largest
    assert (power[..., inside].sum(2) > 0.999 * power.sum(2)).all()
    peaks = f[power.argmax(2)]  # (n, n_leads)
    assert (peaks == peaks[:, :1]).all()  # one frequency a record: breathing
    assert np.ptp(peaks) > 0.3


def test_a_warped_ramp_is_monotone_with_its_ends_held_and_its_speed_within_bounds():
    ramp = torch.arange(N_TIMES, dtype=torch.float32).expand(64, 12, N_TIMES)
    warped = a.time_warp(ramp, 1.0, 0.3, generator())
    assert torch.equal(warped[..., 0], torch.zeros(64, 12))
    torch.testing.assert_close(warped[..., -1], torch.full((64, 12), 999.0), rtol=0, atol=2e-3)
    speed = warped.double().diff(dim=2)
    assert (speed > 1 - 0.3 - 1e-3).all() and (speed < 1 + 0.3 + 1e-3).all()
    assert speed.max() > 1.15 and speed.min() < 0.85
    assert torch.equal(warped, warped[:, :1].expand_as(warped))  # the leads stay together


def test_a_warp_interpolates_like_numpy():
    x = wfdb_batch(4)
    warped = a.time_warp(x, 1.0, 0.3, generator(5)).numpy()
    ramp = torch.arange(N_TIMES, dtype=torch.float32).expand(4, 12, N_TIMES)
    positions = a.time_warp(ramp, 1.0, 0.3, generator(5))[:, 0].numpy()
    for record in range(4):
        for lead in range(12):
            expected = np.interp(positions[record], np.arange(N_TIMES), x[record, lead].numpy())
            np.testing.assert_allclose(warped[record, lead], expected, atol=2e-3)


def test_all_together_the_layout_stays_and_a_seed_decides():
    x = wfdb_batch()
    everything = config(noise_p=1, scale_p=1, lead_dropout_p=1, wander_p=1, warp_p=1, shift_p=1)
    one, same, other = (augment(x, FS, everything, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, same) and not torch.equal(one, other)
    assert one.stride() == x.stride() and one.shape == x.shape


def test_all_off_gives_the_batch_itself_and_draws_nothing():
    x, g = wfdb_batch(), generator()
    state = g.get_state()
    assert augment(x, FS, config(), g) is x
    assert torch.equal(g.get_state(), state)
