"""The quality of a whole pack of records."""

from collections.abc import Sequence

import numpy as np

from heart_reader.data.quality.verdicts import Quality, assess
from heart_reader.data.signals.store import SignalPack
from heart_reader.progress import progress

PART = 256  # records read at once


def survey(pack: SignalPack, leads: Sequence[str]) -> dict[int, Quality]:
    """The quality of each record of a pack, by ``ecg_id``; ``leads`` names its leads."""
    found: list[Quality] = []
    rows = np.arange(len(pack))
    for start in progress(range(0, len(pack), PART), "judging ECGs", f"x {PART} records"):
        found += assess(pack.millivolts(rows[start : start + PART]), pack.fs, leads)
    return dict(zip(pack.ecg_id.tolist(), found, strict=True))
