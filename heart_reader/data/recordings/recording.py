"""One ECG as a file gave it, before anything was made of it for a model."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Recording:
    """One ECG.

    Attributes:
        name: as the user gave it.
        kind: of file, such as ``WFDB``.
        leads: names of ``data.ptbxl.LEADS``, each once, in the file's order.
        signal: mV (n_leads, n_times), NaN where the file has no value.
        fs: Hz.
        seconds: that the file holds; ``signal`` may be no more than its beginning.
        others: names of channels that are none of the twelve leads.
        start: when it was recorded, where the file says it.
        age: years, NaN where unknown.
        sex: 0 male, 1 female, NaN where unknown.
        notes: what was assumed, and what is odd, that the reader should know.
    """

    name: str
    kind: str
    leads: tuple[str, ...]
    signal: NDArray[np.floating[Any]]
    fs: float
    seconds: float
    others: tuple[str, ...]
    start: datetime | None
    age: float
    sex: float
    notes: tuple[str, ...]
