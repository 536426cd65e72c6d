"""One stage of an export: a model on its way to the device, and what it says."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from heart_reader.edge.formats.table import FORMATS
from heart_reader.edge.measure import Predictor
from heart_reader.edge.sample import Array
from heart_reader.errors import HeartReaderError, ModelError

ORIGINAL, AT_ONCE, PRUNED, FINETUNED = "original", "one pass", "pruned", "fine-tuned"


@dataclass(frozen=True)
class Stage:
    """A model on its way to the device, and what it said about fold 9.

    Attributes:
        name: as the report shows it.
        path: a file, or the folder of a bundle.
        predictor: that runs it.
        n_parameters, macs: of its network.
        y_score: (n_records, n_classes) on fold 9.
        notes: what was chosen on the way.
        left_out: why a file doesn't go onto the device; "": it does.
    """

    name: str
    path: Path
    predictor: Predictor
    n_parameters: int
    macs: int
    y_score: Array
    notes: str
    left_out: str = ""

    @property
    def is_file(self) -> bool:
        """Whether it is a file, not a bundle."""
        return self.path.suffix in FORMATS

    @property
    def on_device(self) -> bool:
        """Whether it is a file for a device, and keeps what it promises."""
        return self.is_file and not self.left_out


@contextmanager
def naming(stage: str) -> Iterator[None]:
    """Errors say at which stage they came."""
    try:
        yield
    except HeartReaderError as error:
        if str(error).startswith("stage "):
            raise
        raise type(error)(f"stage {stage!r}: {error}") from error


def kept(stage: Stage) -> Stage:
    """The stage, whose file goes onto the device.

    Raises:
        ModelError: it doesn't.
    """
    if stage.left_out:
        raise ModelError(stage.left_out)
    return stage


def differs(stage: Stage, exact: Stage, n: int, allowed: float) -> list[str]:
    """Whether a file says something else than PyTorch, on the first ``n`` records."""
    worst = float(np.abs(stage.y_score[:n] - exact.y_score[:n]).max())
    if worst <= allowed:
        return []
    return [
        f"stage {stage.name!r} differs by {worst:.2g} from PyTorch on {n} records of fold 9, "
        f"and may differ by {allowed:g}"
    ]
