"""What a version costs: how much there is of it, and how long one record takes on this machine."""

import tempfile
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from heart_reader.bundle.evidence import MICROVOLTS, synthetic_probes
from heart_reader.bundle.kinds import AnyBundle, open_bundle
from heart_reader.errors import ModelError
from heart_reader.tracking import ModelVersion, download_bundle

_probes = lru_cache(4)(synthetic_probes)


@dataclass(frozen=True)
class Cost:
    """Of one version.

    Attributes:
        n_parameters: of all members.
        megabytes: of the bundle's files.
        ms: that one record takes by itself, features measured, the quickest of some: what
            else the machine does makes the others slower.
    """

    n_parameters: int
    megabytes: float
    ms: float


def cost_of(version: ModelVersion, n_timed: int) -> Cost | None:
    """What a version costs; ``None`` where its bundle can't be read.

    Args:
        version: in the registry.
        n_timed: records.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            there = download_bundle(version, Path(folder))
            bundle = open_bundle(there)
        except ModelError:
            return None
        size = sum(path.stat().st_size for path in there.rglob("*") if path.is_file())
    parameters = sum(p.numel() for each in bundle.members for p in each.model.parameters())
    return Cost(parameters, size / 1e6, _ms(bundle, n_timed))


def _ms(bundle: AnyBundle, n_timed: int) -> float:
    steps = _probes(bundle.spec)
    signals = (steps.transpose(0, 2, 1) / MICROVOLTS).astype(np.float32)
    taken = []
    for k in range(n_timed + 1):
        one = signals[k % len(signals)][None]
        started = time.perf_counter()
        bundle.predict(one)
        taken.append(time.perf_counter() - started)
    return 1000 * min(taken[1:])  # the first one warms up


def threads() -> int:
    """That a record may take."""
    return torch.get_num_threads()
