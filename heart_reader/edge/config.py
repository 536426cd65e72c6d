"""What a user may choose about an export; the defaults live in ``edge/defaults.yaml``."""

import re
from dataclasses import dataclass
from typing import Any, Literal

from heart_reader.config.strict import at_least
from heart_reader.config.yaml_files import read_yaml
from heart_reader.edge.formats.base import Converter, Precision
from heart_reader.edge.formats.table import format_stages
from heart_reader.errors import did_you_mean
from heart_reader.project import EDGE_DEFAULTS

ALL = "all"  # of the option `stages`
NETWORK_STAGES = ("prune", "finetune")
C_KIT = "c_kit"  # the INT8 TFLite file as C, beside the files
NONE = "none"
UNITS = {"": 1, "B": 1, "kB": 1000, "KiB": 1024, "MB": 1000**2, "MiB": 1024**2}


def stages() -> tuple[str, ...]:
    """What a user may leave out; original and the fp32 ONNX file are always made."""
    return (*NETWORK_STAGES, *format_stages(), C_KIT)


def bytes_of(text: str) -> int:
    """A size as a user types it.

    Raises:
        ValueError: it is none, or nothing.

    >>> bytes_of("256kB"), bytes_of("1.5 MiB"), bytes_of("64000")
    (256000, 1572864, 64000)
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([kKMi]{0,2}B?)", text.strip())
    if found is None or found[2] not in UNITS or not float(found[1]):
        raise ValueError(f"must be a size such as 256kB, but is {text!r}")
    return int(float(found[1]) * UNITS[found[2]])


@dataclass(frozen=True)
class PruneConfig:
    """How many channels go."""

    ratio: float
    max_auc_drop: float | None
    """Searches the largest ratio that loses no more macro AUC of fold 9; null: no search."""
    budget: str
    """Size of the INT8 TFLite file, such as 256kB, for which no more is pruned than must be; or
    "none"."""
    round_to: int
    search_epochs: int
    """Of training before a ratio is judged; no more than the fine-tuning has."""
    n_records: int
    """Of folds 1 to 8, on which the thinner model's batch norms measure anew."""

    def problems(self) -> list[str]:
        """The rules that types can't say."""
        found = at_least(self, {"round_to": 1, "search_epochs": 0, "n_records": 2})
        if not 0 <= self.ratio < 1:
            found.append(f"ratio must lie from 0 to below 1, but is {self.ratio}")
        if self.max_auc_drop is not None and not 0 <= self.max_auc_drop <= 1:
            found.append(f"max_auc_drop must lie from 0 to 1, but is {self.max_auc_drop}")
        if self.budget == NONE:
            return found
        try:
            bytes_of(self.budget)
        except ValueError as error:
            found.append(f"budget {error}")
        if self.max_auc_drop is not None:
            found.append("budget and max_auc_drop are two ways to choose the ratio: give one")
        return found


@dataclass(frozen=True)
class FinetuneConfig:
    """How the thinner model is trained again."""

    epochs: int
    """0 skips it."""
    learning_rate_share: float
    """Of the learning rate of the configuration's training section."""
    distill: float | None
    """Weight of the source's probabilities in the targets; 0: the labels alone; null: 0.5 where
    the source knows more than the student, as an ensemble does, or one that reads features where
    the device measures none; else 0."""

    def problems(self) -> list[str]:
        """The rules that types can't say."""
        found = at_least(self, {"epochs": 0})
        if self.learning_rate_share <= 0:
            found.append(f"learning_rate_share must be above 0, but is {self.learning_rate_share}")
        if self.distill is not None and not 0 <= self.distill <= 1:
            found.append(f"distill must lie from 0 to 1, but is {self.distill}")
        return found


@dataclass(frozen=True)
class QuantizeConfig:
    """Which records of folds 1 to 8 the quantizers see."""

    n_calibrate: int
    """On which the ranges of activations are measured."""
    n_judge: int
    """Others, on which the way to calibrate is chosen."""

    def problems(self) -> list[str]:
        """The rules that types can't say."""
        return at_least(self, {"n_calibrate": 1, "n_judge": 1})


@dataclass(frozen=True)
class ParityConfig:
    """What a file may differ by before the export fails."""

    n_records: int
    """Of fold 9, on which probabilities are compared."""
    fp32: float
    """Largest difference of a probability from PyTorch."""
    fp16: float
    max_auc_loss: float
    """Of fold-9 macro AUC against the original, in whatever goes onto a device."""

    def problems(self) -> list[str]:
        """The rules that types can't say."""
        return at_least(self, {"n_records": 1, "fp32": 0, "fp16": 0, "max_auc_loss": 0})

    def bar(self, precision: Precision) -> float | None:
        """Largest difference of a probability from PyTorch; ``None``: no bar of that kind."""
        return {"fp32": self.fp32, "fp16": self.fp16, "int8": None}[precision]


@dataclass(frozen=True)
class MeasureConfig:
    """How latency is measured."""

    n_runs: int
    """Predictions of one record each, of every stage in turn."""
    n_resamples: int
    """Of fold 9, for the interval of a difference in macro AUC."""

    def problems(self) -> list[str]:
        """The rules that types can't say."""
        return at_least(self, {"n_runs": 1, "n_resamples": 1})


@dataclass(frozen=True)
class EdgeConfig:
    """Everything that decides an export, apart from model, data and training recipe."""

    form: Literal["auto", "fused", "signal"]
    """auto: fused where the model reads features."""
    stages: tuple[str, ...]
    """Of `stages`, or "all"; "original" and the fp32 ONNX file are always there."""
    web: Literal["auto", "always", "never"]
    """Whether a page for browsers is made; auto: where npm can fetch what runs it."""
    converter: Converter
    """Of the ONNX file, or of the network itself, to TFLite."""
    student: str
    """The member of an ensemble that becomes the device's model; "smallest": by parameters."""
    prune: PruneConfig
    finetune: FinetuneConfig
    quantize: QuantizeConfig
    parity: ParityConfig
    measure: MeasureConfig

    def problems(self) -> list[str]:
        """The rules that types can't say."""
        found = []
        known = (ALL, *stages())
        for name in self.stages:
            if name not in known:
                hint = did_you_mean(name, known) or f" (there are {', '.join(known)})"
                found.append(f"stages: unknown stage {name!r}{hint}")
        return found

    @property
    def wanted(self) -> tuple[str, ...]:
        """The stages, each by its name."""
        return stages() if ALL in self.stages else self.stages


def edge_defaults() -> dict[str, Any]:
    """The section's defaults as a tree, for a loader to change and to parse."""
    return read_yaml(EDGE_DEFAULTS)
