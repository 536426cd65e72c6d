"""Augmentation of a whole batch at once, on the batch's own device.

Notation used for tensor shapes: b: batch size; l: number of leads; t: number of times.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class AugmentationConfig:
    """Probability per record and strength of each transform; a probability of 0 leaves it out."""

    crop_share: float  # of a record's length, a random window; 1 leaves records whole
    noise_p: float
    noise_sd: float  # mV, Gaussian
    scale_p: float
    scale_range: float  # the factor is drawn from 1 - range to 1 + range, per record
    lead_dropout_p: float
    lead_dropout_share: float  # of the leads, each dropped on its own
    wander_p: float
    wander_amplitude: float  # mV, of a sine of 0.05 to 0.5 Hz, per lead
    warp_p: float
    warp_strength: float  # largest relative change of the local speed
    shift_p: float
    shift_max: float  # seconds, circular
    mixup_p: float
    mixup_max: float  # largest weight of the other record, drawn uniformly from 0

    def problems(self) -> list[str]:
        """The rules that types can't say."""
        found = [
            f"{name} must lie from 0 to 1, but is {value}"
            for name, value in vars(self).items()
            if name.endswith(("_p", "_share")) and not 0 <= value <= 1
        ]
        found += [
            f"{name} must not be negative, but is {value}"
            for name, value in vars(self).items()
            if not name.endswith(("_p", "_share")) and value < 0
        ]
        if self.mixup_max > 0.5:
            found.append(f"mixup_max must be at most 0.5, but is {self.mixup_max}")
        if self.crop_share == 0:
            found.append("crop_share must be above 0, but is 0")
        if self.warp_strength >= 1:
            found.append(f"warp_strength must be below 1, but is {self.warp_strength}")
        return found


def augment(x: Tensor, fs: int, config: AugmentationConfig, generator: torch.Generator) -> Tensor:
    """Randomly transformed copies of a batch.

    Args:
        x: signals in mV (b, l, t), any strides; left as it is.
        fs: sampling rate in Hz.
        config: probabilities and strengths.
        generator: on the device of ``x``.

    Returns:
        Signals in mV (b, l, t); shorter than ``x`` where ``crop_share`` is below 1.
    """
    if config.crop_share < 1:
        x = random_crop(x, max(1, round(config.crop_share * x.shape[-1])), generator)
    if config.warp_p:
        x = time_warp(x, config.warp_p, config.warp_strength, generator)
    if config.shift_p:
        x = circular_shift(x, config.shift_p, round(config.shift_max * fs), generator)
    if config.scale_p:
        x = amplitude_scale(x, config.scale_p, config.scale_range, generator)
    if config.wander_p:
        x = baseline_wander(x, config.wander_p, config.wander_amplitude, fs, generator)
    if config.noise_p:
        x = gaussian_noise(x, config.noise_p, config.noise_sd, generator)
    if config.lead_dropout_p:
        x = lead_dropout(x, config.lead_dropout_p, config.lead_dropout_share, generator)
    return x


def random_crop(x: Tensor, n_times: int, generator: torch.Generator) -> Tensor:
    """A window of ``n_times`` samples, for each record at a place of its own."""
    n_places = x.shape[-1] - n_times + 1
    start = torch.randint(n_places, (len(x), 1), generator=generator, device=x.device)
    index = start + torch.arange(n_times, device=x.device)  # (b, n_times)
    return _gather_times(x, index)


def gaussian_noise(x: Tensor, p: float, sd: float, generator: torch.Generator) -> Tensor:
    """White noise of standard deviation ``sd`` mV added to a share ``p`` of the records."""
    noise = torch.empty_like(x).normal_(0, sd, generator=generator)
    return x + noise * _chosen(x, p, generator)


def amplitude_scale(x: Tensor, p: float, spread: float, generator: torch.Generator) -> Tensor:
    """One factor a record, the same in all leads, so that the axes stay."""
    factor = 1 + spread * (2 * _uniform(x, (len(x), 1, 1), generator) - 1)
    return x * torch.where(_chosen(x, p, generator) > 0, factor, torch.ones_like(factor))


def lead_dropout(x: Tensor, p: float, share: float, generator: torch.Generator) -> Tensor:
    """Leads set to zero, as with an electrode that fell off."""
    dropped = (_uniform(x, (*x.shape[:2], 1), generator) < share) & (_chosen(x, p, generator) > 0)
    return x * ~dropped  # masked_fill would give up the layout of the memory


def baseline_wander(
    x: Tensor, p: float, amplitude: float, fs: int, generator: torch.Generator
) -> Tensor:
    """A slow sine, as of breathing, with its own amplitude and phase in each lead."""
    n_records, n_leads, n_times = x.shape
    frequency = 0.05 + 0.45 * _uniform(x, (n_records, 1, 1), generator)  # Hz
    phase = 2 * torch.pi * _uniform(x, (n_records, n_leads, 1), generator)
    height = amplitude * _uniform(x, (n_records, n_leads, 1), generator)
    seconds = torch.arange(n_times, device=x.device, dtype=x.dtype) / fs
    wander = height * torch.sin(2 * torch.pi * frequency * seconds + phase)  # (b, l, t)
    return x + wander * _chosen(x, p, generator)


def circular_shift(x: Tensor, p: float, largest: int, generator: torch.Generator) -> Tensor:
    """Every record rolled by its own number of samples, up to ``largest`` either way."""
    offset = ((2 * _uniform(x, (len(x), 1), generator) - 1) * largest).round()
    offset = offset * _chosen(x, p, generator)[:, 0]  # (b, 1)
    n_times = x.shape[-1]
    index = (torch.arange(n_times, device=x.device) - offset.long()) % n_times  # (b, t)
    return _gather_times(x, index)


def time_warp(x: Tensor, p: float, strength: float, generator: torch.Generator) -> Tensor:
    """Local speed changed smoothly by up to ``strength``, ends held, linear interpolation."""
    n_times = x.shape[-1]
    u = torch.linspace(0, 1, n_times, device=x.device, dtype=x.dtype)
    wave = torch.sin(torch.pi * u) * torch.cos(
        torch.pi * u + 2 * torch.pi * _uniform(x, (len(x), 1), generator)
    )  # (b, t), zero at both ends, slope at most pi * sqrt(2)
    height = strength * (2 * _uniform(x, (len(x), 1), generator) - 1) / (torch.pi * 2**0.5)
    position = (u + height * wave * _chosen(x, p, generator)[:, 0]) * (n_times - 1)
    position = position.clamp(0, n_times - 1)
    left = position.floor().clamp(max=n_times - 2)
    weight = (position - left)[:, None]  # (b, 1, t)
    before, after = _gather_times(x, left.long()), _gather_times(x, left.long() + 1)
    return torch.lerp(before, after, weight)


def mixup_weights(x: Tensor, config: AugmentationConfig, generator: torch.Generator) -> Tensor:
    """What the next record of the batch weighs in each record, (b, 1); 0 where none is mixed in.

    Zhang et al., "mixup", 2018. https://arxiv.org/abs/1710.09412. Their Beta(1, 1), folded at one
    half so that the record itself weighs more, is ``mixup_max`` 0.5.
    """
    weight = config.mixup_max * _uniform(x, (len(x), 1), generator)
    return weight * _chosen(x, config.mixup_p, generator)[:, 0]  # (b, 1)


def mix(x: Tensor, weight: Tensor) -> Tensor:
    """Each record with the next one of the batch, which is in random order already.

    Args:
        x: signals (b, l, t), features (b, n_features) or labels (b, n_classes).
        weight: of the next record, (b, 1).
    """
    return torch.lerp(x, x.roll(-1, 0), weight.view(-1, *[1] * (x.ndim - 1)))


def _gather_times(x: Tensor, index: Tensor) -> Tensor:
    """``x[b, :, index[b]]`` for every record; rows of (t, l) are copied whole."""
    rows = torch.arange(len(x), device=x.device)[:, None]
    return x.transpose(1, 2)[rows, index].transpose(1, 2)  # (b, l, t)


def _uniform(x: Tensor, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=generator, device=x.device, dtype=x.dtype)


def _chosen(x: Tensor, p: float, generator: torch.Generator) -> Tensor:
    """1.0 for the records that a transform of probability ``p`` takes, else 0.0. (b, 1, 1)"""
    return (_uniform(x, (len(x), 1, 1), generator) < p).to(x.dtype)
