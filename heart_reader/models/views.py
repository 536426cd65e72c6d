"""What a model is asked about of a record: all of it at once, windows of it, or both.

A model that was trained on windows knows them better than the whole; which of the two tells more
is chosen on fold 9 (`heart_reader.bundle.viewing`) and lies in the bundle.

Notation used for tensor shapes: as in ``heart_reader.models.blocks``.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from heart_reader.models.fusion import FusionModel


@dataclass(frozen=True)
class Views:
    """Parts of a record whose probabilities are averaged.

    Attributes:
        windows: so many, each of that share of the record, from its start to its end; 0: none.
        whole: the record at once; beside windows it counts as much as all of them together.
    """

    windows: int
    whole: bool

    def problems(self) -> list[str]:
        """The rules that types can't say."""
        if self.windows < 0 or self.windows == 1:
            return [f"windows must be 0, or at least 2, but is {self.windows}"]
        return [] if self.windows or self.whole else ["a model must be asked about something"]

    def of(self, x: Tensor) -> list[tuple[float, Tensor]]:
        """Each part of (n, c, l) with what it counts; together they count 1."""
        whole = 0.0 if not self.whole else 0.5 if self.windows else 1.0
        found = [(whole, x)] if self.whole else []
        if self.windows:
            size = x.shape[-1] // self.windows
            last = x.shape[-1] - size
            starts = [i * last // (self.windows - 1) for i in range(self.windows)]
            share = (1 - whole) / self.windows
            found += [(share, x[..., start : start + size]) for start in starts]
        return found

    def __str__(self) -> str:
        if not self.windows:
            return "the whole record"
        mean = f"the mean over {self.windows} windows"
        return f"the whole record and {mean}, half each" if self.whole else mean


WHOLE = Views(0, True)


def candidates(windows: int) -> dict[str, Views]:
    """What may be chosen among, the least work first."""
    return {"whole": WHOLE, "windows": Views(windows, False), "both": Views(windows, True)}


def logits_and_vector(
    model: FusionModel,
    normaliser: Callable[[Tensor, Tensor | None], Tensor],
    views: Views,
    x: Tensor,
    encoded: Tensor | None,
    present: Tensor | None,
    lengths: Tensor | None,
) -> tuple[list[tuple[float, Tensor]], Tensor]:
    """The logits (n, n_classes) of each view, with what it counts, and the views' mean embedding
    (n, embedding_size), each by what it counts.

    Args:
        model, normaliser: as trained; each view is normalised for itself, as windows are then.
        views: which.
        x: mV (n, n_leads, n_times).
        encoded, present: as of `FusionModel.forward`; the same for each view.
        lengths: samples that are a record's own, where the only view is the whole; or ``None``.
    """
    said, vectors = [], []
    for share, part in views.of(x):
        vector = model.embed(normaliser(part, lengths), lengths)
        said.append((share, model.classify(vector, encoded, present)))
        vectors.append(vector if share == 1 else share * vector)
    return said, torch.stack(vectors).sum(0) if len(vectors) > 1 else vectors[0]


def mean_probabilities(said: list[tuple[float, Tensor]]) -> Tensor:
    """The probabilities (n, n_classes) that logits of views stand for together."""
    parts = [share * torch.sigmoid(logits) for share, logits in said]
    return torch.stack(parts).sum(0) if len(parts) > 1 else parts[0]
