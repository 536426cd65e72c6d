"""What is to be known of a C kit."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Facts:
    """Numbers of one kit.

    Attributes:
        source: file that it was made from.
        arena_bytes: of static memory.
        constant_bytes: of weights and the like.
        n_macs: multiplications with a weight, of one record.
        operators: how often each is called, by its name in the file.
        taps_at_500: floats of the filter that resamples from 500 Hz.
        apart: largest difference of a golden probability from LiteRT's usual kernels.
    """

    source: str
    arena_bytes: int
    constant_bytes: int
    n_macs: int
    operators: Mapping[str, int]
    taps_at_500: int
    apart: float

    def tree(self, folder: str) -> dict[str, Any]:
        """As labels.json says it."""
        return {
            "folder": folder,
            "source": self.source,
            "arena_bytes": self.arena_bytes,
            "constant_bytes": self.constant_bytes,
            "multiplications": self.n_macs,
            "operators": dict(self.operators),
        }
