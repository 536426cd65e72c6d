"""A dynamical model of the ECG: Gaussian events around a beating heart dipole, seen by 12 leads.

The events on the limit cycle are those of McSharry, Clifford, Tarassenko, Smith, "A dynamical
model for generating synthetic electrocardiogram signals", IEEE Trans Biomed Eng 50 (2003) 289;
three of them at once make the heart's dipole, as in Sameni, Clifford, Jutten, Shamsollahi,
"Multichannel ECG and noise modeling", EURASIP J Adv Signal Process 2007, 043407. Without the
pull to the baseline their equation for z integrates to a sum of Gaussians, which is what is
computed here; the angle is written as the time from the R peak. Leads are formed by Dower's
matrix (Dower, Machado, Osborne, "On deriving the electrocardiogram from vectorcardiographic
leads", Clin Cardiol 3 (1980) 87).
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from heart_reader.data.ptbxl import N_TIMES, SAMPLING_RATE

Floats = npt.NDArray[np.float64]

# Frank's axes: x to the left, y to the feet, z to the back. Rows: I, II, V1 to V6.
DOWER = np.array(
    [
        [0.632, -0.235, 0.059],
        [0.235, 1.066, -0.132],
        [-0.515, 0.157, -0.917],
        [0.044, 0.164, -1.387],
        [0.882, 0.098, -1.277],
        [1.213, 0.127, -0.601],
        [1.125, 0.127, -0.086],
        [0.831, 0.076, 0.230],
    ]
)


class Event(IntEnum):
    """The waves of a beat, as columns of the arrays in `Beats`."""

    P_RIGHT = 0  # right atrium
    P_LEFT = 1
    SEPTUM = 2  # the first 30 ms of the QRS
    INFARCT = 3  # what is missing where muscle died
    R = 4
    R_SECOND = 5  # the slow half of a bundle branch block
    S = 6
    ST = 7
    T_RISE = 8
    T_FALL = 9


@dataclass
class Beats:
    """The events of one beat for each heart.

    ``time`` (s from the R peak) and ``width`` (s, standard deviation) are ``(n, n_events)``;
    ``dipole`` is ``(n, n_events, 3)`` in mV along Frank's axes.
    """

    time: Floats
    width: Floats
    dipole: Floats

    def take(self, rows: npt.NDArray[np.integer]) -> "Beats":
        """The hearts of ``rows``, copied."""
        return Beats(self.time[rows], self.width[rows], self.dipole[rows])


def rr_intervals(mean: Floats, spread: Floats, n_beats: int, rng: np.random.Generator) -> Floats:
    """RR intervals in s, ``(n, n_beats)``, with the two-peaked spectrum of McSharry et al.

    Mayer waves at 0.1 Hz, breathing at 0.25 Hz, half as strong; ``mean`` and ``spread``
    (standard deviation) in s, ``(n,)``.
    """
    frequency = np.fft.rfftfreq(n_beats * 4, d=mean.mean())  # Hz
    power = 0.5 * np.exp(-((frequency - 0.1) ** 2) / (2 * 0.02**2))
    power += np.exp(-((frequency - 0.25) ** 2) / (2 * 0.03**2))
    power[0] = 0
    angle = rng.uniform(0, 2 * np.pi, (len(mean), len(frequency)))
    series = np.fft.irfft(np.sqrt(power) * np.exp(1j * angle), axis=1)[:, :n_beats]
    series = (series - series.mean(1, keepdims=True)) / (series.std(1, keepdims=True) + 1e-12)
    rr: Floats = mean[:, None] + spread[:, None] * series
    return np.maximum(rr, 0.3)


def since_and_until_r(rr: Floats, start: Floats) -> tuple[Floats, Floats]:
    """Seconds since the last R peak and (negative) until the next, each ``(n, n_times)``.

    ``start`` in [0, 1): how much of the first interval is over when the record begins.
    """
    peaks = np.pad(np.cumsum(rr, axis=1), ((0, 0), (1, 0)))  # (n, n_beats + 1)
    peaks -= start[:, None] * rr[:, :1]
    t = np.arange(N_TIMES) / SAMPLING_RATE
    last = np.stack([np.searchsorted(row, t, side="right") - 1 for row in peaks])  # (n, n_times)
    since = t - np.take_along_axis(peaks, last, 1)
    until = t - np.take_along_axis(peaks, np.minimum(last + 1, peaks.shape[1] - 1), 1)
    return since, until


def dipole_signal(beats: Beats, since: Floats, until: Floats) -> Floats:
    """The heart's dipole over time, ``(n, 3, n_times)`` in mV."""
    signal = np.zeros((len(since), 3, since.shape[1]))
    for event in Event:
        centre = beats.time[:, event, None]
        scale = -0.5 / beats.width[:, event, None] ** 2
        wave = np.exp(scale * (since - centre) ** 2) + np.exp(scale * (until - centre) ** 2)
        signal += wave[:, None, :] * beats.dipole[:, event, :, None]
    return signal


def electrode_noise(
    level: Floats, wander: Floats, rng: np.random.Generator, n_times: int = N_TIMES
) -> Floats:
    """Noise of the nine electrodes RA, LA, LL, V1 to V6 in mV, ``(n, 9, n_times)``.

    Muscle noise (standard deviation ``level``), flicker below it, and a wander (``wander``) of
    breathing and slow drift. ``level`` and ``wander`` are ``(n,)``.
    """
    n = len(level)
    frequency = np.fft.rfftfreq(n_times, 1 / SAMPLING_RATE)
    shape = 0.6 + 1 / np.sqrt(1 + (frequency / 2) ** 2) * 1.5
    shape[frequency < 0.5] = 0
    spectrum = rng.standard_normal((n, 9, len(frequency), 2)) @ np.array([1, 1j])
    noise = np.fft.irfft(spectrum * shape, n_times, axis=2)
    noise *= level[:, None, None] / noise.std(axis=2, keepdims=True)
    noise *= rng.lognormal(0, 0.3, (n, 9, 1))
    t = np.arange(n_times) / SAMPLING_RATE
    for low, high, part in ((0.15, 0.35, 0.6), (0.04, 0.12, 1.0)):
        f = rng.uniform(low, high, (n, 1, 1))
        phase = rng.uniform(0, 2 * np.pi, (n, 9, 1))
        size = part * wander[:, None, None] * rng.lognormal(0, 0.4, (n, 9, 1))
        noise += size * np.sin(2 * np.pi * f * t + phase)
    return noise


def to_leads(dipole: Floats, matrix: Floats, noise: Floats) -> npt.NDArray[np.int16]:
    """Twelve leads in steps of 1 uV, ``(n, n_times, 12)`` int16.

    ``matrix`` ``(n, 8, 3)`` is each body's own form of `DOWER`. I + III = II holds to the step.
    """
    eight = matrix @ dipole  # (n, 8, n_times)
    ra, la, ll = noise[:, 0], noise[:, 1], noise[:, 2]
    eight[:, 0] += la - ra
    eight[:, 1] += ll - ra
    eight[:, 2:] += noise[:, 3:] - noise[:, :3].mean(axis=1, keepdims=True)
    steps = np.rint(np.clip(eight, -16, 16) * 1000).astype(np.int32)
    lead_i, lead_ii = steps[:, 0], steps[:, 1]
    limbs = [lead_i, lead_ii, lead_ii - lead_i]
    limbs += [-((lead_i + lead_ii) // 2), lead_i - lead_ii // 2, lead_ii - lead_i // 2]
    leads = np.concatenate([np.stack(limbs, axis=1), steps[:, 2:]], axis=1)  # (n, 12, n_times)
    return np.ascontiguousarray(leads.transpose(0, 2, 1).astype("<i2"))  # (n, n_times, 12)
