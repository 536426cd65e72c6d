"""Faults put into good ECGs: what electrodes, amplifiers, files and readers do to them."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

Signals = NDArray[np.float64]
Fault = Callable[[Signals, np.random.Generator], Signals]
FS, STEP_MV = 100, 0.001


def _time(x: Signals) -> NDArray[np.float64]:
    return np.arange(x.shape[2]) / FS


def _some_leads(x: Signals, n: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """(n_records, n_leads): ``n`` leads of each record."""
    order = rng.random(x.shape[:2]).argsort(axis=1)
    return np.asarray(order < n)


def flat(n: int) -> Fault:
    """Leads at 0."""

    def fault(x: Signals, rng: np.random.Generator) -> Signals:
        x[_some_leads(x, n, rng)] = 0
        return x

    return fault


def falls_off(x: Signals, rng: np.random.Generator) -> Signals:
    """One lead that comes off in the middle."""
    x[_some_leads(x, 1, rng), x.shape[2] // 2 :] = 0.3
    return x


def clipped(share: float, n: int) -> Fault:
    """Leads cut at a share of their extremes."""

    def fault(x: Signals, rng: np.random.Generator) -> Signals:
        limit = share * np.abs(x).max(axis=2, keepdims=True)
        return np.where(_some_leads(x, n, rng)[..., None], np.clip(x, -limit, limit), x)

    return fault


def copied(x: Signals, rng: np.random.Generator) -> Signals:
    """One lead that repeats another one, other than by the limb leads' own rules."""
    for record in x:
        a, b = rng.permutation(12)[:2]
        record[a] = record[b]
    return x


def all_copied(x: Signals, rng: np.random.Generator) -> Signals:
    """All leads the same."""
    return np.repeat(x[:, 1:2], x.shape[1], axis=1)


def white(sd_mv: float, n: int) -> Fault:
    """Leads of nothing but white noise."""

    def fault(x: Signals, rng: np.random.Generator) -> Signals:
        noise = rng.normal(0, sd_mv, x.shape)
        return np.where(_some_leads(x, n, rng)[..., None], noise, x)

    return fault


def walk(x: Signals, rng: np.random.Generator) -> Signals:
    """Nothing but drift, a random walk."""
    return np.cumsum(rng.normal(0, 0.03, x.shape), axis=2)


def bursts(x: Signals, rng: np.random.Generator) -> Signals:
    """Nothing but muscle, stronger and weaker, on all leads at once."""
    loud = np.abs(np.cumsum(rng.normal(0, 0.1, (len(x), 1, x.shape[2])), axis=2))
    return 0.05 * rng.normal(0, 1, x.shape) * (1 + loud)


def mains(hz: float, resampled: bool, n: int = 12) -> Fault:
    """Leads of nothing but the mains, sampled at 100 Hz, or at 500 Hz and resampled as readers
    do; the frequency drifts by 0.02%."""

    def fault(x: Signals, rng: np.random.Generator) -> Signals:
        fs = 5 * FS if resampled else FS
        n_times = x.shape[2] * fs // FS
        slow = np.cumsum(rng.normal(0, 2e-3 / np.sqrt(n_times), (len(x), n_times)), axis=1)
        phase = 2 * np.pi * (hz * np.arange(n_times) / fs * (1 + 2e-4 * slow))
        wave = np.sin(phase + rng.uniform(0, 2 * np.pi, (len(x), 1)))[:, None]
        hum = rng.uniform(0.1, 0.5, (*x.shape[:2], 1)) * wave
        hum += rng.normal(0, 0.003, hum.shape)
        if resampled:
            hum = resample_poly(hum, 1, 5, axis=2)
        return np.where(_some_leads(x, n, rng)[..., None], hum, x)

    return fault


def times(factor: float) -> Fault:
    """Another amplitude, rounded as files are."""
    return lambda x, rng: np.round(factor * x / STEP_MV) * STEP_MV


def one_lead_times(factor: float) -> Fault:
    """Another amplitude of one lead."""

    def fault(x: Signals, rng: np.random.Generator) -> Signals:
        x[_some_leads(x, 1, rng)] *= factor
        return x

    return fault


FAULTS: Mapping[str, Fault] = {
    "flat: all leads": flat(12),
    "flat: 7 leads": flat(7),
    "flat: 1 lead": flat(1),
    "1 lead comes off": falls_off,
    "clipped at 40%: all leads": clipped(0.4, 12),
    "clipped at 40%: 2 leads": clipped(0.4, 2),
    "1 lead repeats another": copied,
    "all leads the same": all_copied,
    "white noise of 0.1 mV alone": white(0.1, 12),
    "white noise of 0.1 mV: 1 lead": white(0.1, 1),
    "random walk alone": walk,
    "muscle alone": bursts,
    "50 Hz alone, at 100 Hz": mains(50, False),
    "60 Hz alone, at 100 Hz": mains(60, False),
    "50 Hz alone, resampled": mains(50, True),
    "60 Hz alone, resampled": mains(60, True),
    "50 Hz: 1 lead": mains(50, False, 1),
    "amplitude x 0.001 (volts)": times(0.001),
    "amplitude x 0.01": times(0.01),
    "amplitude x 0.1": times(0.1),
    "amplitude x 0.2": times(0.2),
    "amplitude x 5 (gain 200 for 1000)": times(5),
    "amplitude x 10": times(10),
    "amplitude x 100": times(100),
    "amplitude x 1000 (µV)": times(1000),
    "1 lead x 100": one_lead_times(100),
    "1 lead x 0.01": one_lead_times(0.01),
}
