"""What a user may choose about the evaluation."""

from dataclasses import dataclass


@dataclass(frozen=True)
class EvaluationConfig:
    """How a trained model is judged.

    ``n_resamples`` bootstrap resamples behind every interval, ``n_bins`` of the calibration error
    and its plot, ``n_sheets`` ECG sheets each of the best and of the worst records.
    """

    n_resamples: int
    n_bins: int
    n_sheets: int

    def problems(self) -> list[str]:
        """The rules that types can't say."""
        rules = (("n_resamples", 1), ("n_bins", 1), ("n_sheets", 0))
        return [
            f"{name} must be at least {least}, but is {getattr(self, name)}"
            for name, least in rules
            if getattr(self, name) < least
        ]
