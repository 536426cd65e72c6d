"""What a user may choose about the evaluation."""

from dataclasses import dataclass

from heart_reader.errors import ConfigError
from heart_reader.evaluation.thresholds import Rule, parse_rule


@dataclass(frozen=True)
class EvaluationConfig:
    """How a trained model is judged.

    ``n_resamples`` bootstrap resamples behind every interval, ``n_bins`` of the calibration error
    and its plot, ``n_sheets`` ECG sheets each of the best and of the worst records,
    ``thresholds`` the rule that chooses them on fold 9, as `thresholds.parse_rule` reads it,
    ``windows`` of a record that the model is asked about where fold 9 says so; 0: none.
    """

    n_resamples: int
    n_bins: int
    n_sheets: int
    thresholds: str
    windows: int

    def problems(self) -> list[str]:
        """The rules that types can't say."""
        rules = (("n_resamples", 1), ("n_bins", 1), ("n_sheets", 0))
        found = [
            f"{name} must be at least {least}, but is {getattr(self, name)}"
            for name, least in rules
            if getattr(self, name) < least
        ]
        if self.windows < 0 or self.windows == 1:
            found.append(f"windows must be 0, or at least 2, but is {self.windows}")
        try:
            parse_rule(self.thresholds)
        except ConfigError as error:
            found.append(str(error))
        return found

    @property
    def rule(self) -> Rule:
        """The rule of ``thresholds``."""
        return parse_rule(self.thresholds)
