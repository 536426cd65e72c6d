"""ECGs of the demo's generator that a page brings along: synthetic, of no person."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heart_reader.data.demo.patients import Patients
from heart_reader.data.demo.tree import synthesize
from heart_reader.data.ptbxl import SAMPLING_RATE

SEED = 5
# Title, and what the person has: code and severity.
PEOPLE = (
    ("normal", {"NORM": 1.0}),
    ("anterior infarct", {"AMI": 0.8}),
    ("left bundle branch block", {"CLBBB": 0.9}),
    ("left ventricular hypertrophy", {"LVH": 0.9}),
)


@dataclass(frozen=True)
class Samples:
    """Some ECGs.

    Attributes:
        titles: of each.
        fs: Hz.
        microvolts: (n, 12, n_times) int16.
    """

    titles: tuple[str, ...]
    fs: int
    microvolts: NDArray[np.int16]


def demo_samples() -> Samples:
    """The same on every call."""
    n, rng = len(PEOPLE), np.random.default_rng(SEED)
    patients = Patients(
        findings=[dict(found) for _, found in PEOPLE],
        coded=[True] * n,
        age=np.full(n, 60.0),
        sex=np.zeros(n),
        heart_rate=np.full(n, 70.0),
        fibrillates=np.zeros(n, bool),
    )
    signals, _ = synthesize(patients, np.arange(n), rng)  # (n, n_times, 12)
    titles = tuple(title for title, _ in PEOPLE)
    return Samples(titles, SAMPLING_RATE, np.ascontiguousarray(signals.transpose(0, 2, 1)))
