"""What a user may choose about the evaluation."""

from dataclasses import dataclass

from heart_reader.errors import ConfigError


@dataclass(frozen=True)
class EvaluationConfig:
    """How a trained model is judged.

    ``n_resamples`` bootstrap resamples behind every interval, ``n_bins`` of the calibration error
    and its plot, ``n_sheets`` ECG sheets each of the best and of the worst records.
    """

    n_resamples: int
    n_bins: int
    n_sheets: int

    def __post_init__(self) -> None:
        rules = (("n_resamples", 1), ("n_bins", 1), ("n_sheets", 0))
        problems = [
            f"evaluation.{name} must be at least {least}, but is {getattr(self, name)}"
            for name, least in rules
            if getattr(self, name) < least
        ]
        if problems:
            raise ConfigError("; ".join(problems))
