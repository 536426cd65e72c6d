"""A signal that is known, and the person whose it is said to be: nobody."""

from dataclasses import dataclass

import numpy as np

from heart_reader.data.ptbxl import LEADS

UV_PER_STEP = 5.0  # of all that hold steps of a converter
SURNAME, GIVEN, NUMBER = "Quixotebury", "Zebedee", "PX4711-0815"  # nobody's
BORN = "19310423"


@dataclass(frozen=True, eq=False)
class Truth:
    """``signal`` is mV (12, n_times), in steps of `UV_PER_STEP`; a woman of 63."""

    signal: np.ndarray
    fs: int

    @property
    def steps(self) -> np.ndarray:
        return np.rint(self.signal * 1000 / UV_PER_STEP).astype("<i2")


def truth_of(signal: np.ndarray, fs: int) -> Truth:
    """A signal in whole steps, whose limb leads hang together to the last one."""
    steps = np.rint(signal * 1000 / UV_PER_STEP)
    i, ii = 2 * (steps[0] // 2), 2 * (steps[1] // 2)
    steps[:6] = [i, ii, ii - i, -(i + ii) / 2, i - ii / 2, ii - i / 2]
    return Truth(steps * UV_PER_STEP / 1000, fs)


# Codes of the leads, as SCP-ECG and MFER have them.
SCPECG = {lead: code for lead, code in zip(LEADS, (1, 2, 61, 62, 63, 64, 3, 4, 5, 6, 7, 8),
                                            strict=True)}  # fmt: skip
