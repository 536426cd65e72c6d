"""What a user may choose about the evaluation."""

from dataclasses import dataclass

from heart_reader.errors import ConfigError, did_you_mean
from heart_reader.evaluation.thresholds import Rule, parse_rule
from heart_reader.evaluation.trust.fit import CHOICES

MOST_ERROR = 0.5


@dataclass(frozen=True)
class EvaluationConfig:
    """How a trained model is judged.

    ``n_resamples`` bootstrap resamples behind every interval, ``n_bins`` of the calibration error
    and its plot, ``n_sheets`` ECG sheets each of the best and of the worst records,
    ``thresholds`` the rule that chooses them on fold 9, as `thresholds.parse_rule` reads it,
    ``windows`` of a record that the model is asked about where fold 9 says so; 0: none;
    ``calibration`` how probabilities are made to keep their word there, of `fit.CHOICES`;
    ``conformal_error`` of the sets by which an answer is uncertain, 0 where none are made;
    ``n_novelty`` training records by whose embeddings novelty is measured, 0 where it isn't.
    """

    n_resamples: int
    n_bins: int
    n_sheets: int
    thresholds: str
    windows: int
    calibration: str
    conformal_error: float
    n_novelty: int

    def problems(self) -> list[str]:
        """The rules that types can't say."""
        rules = (("n_resamples", 1), ("n_bins", 1), ("n_sheets", 0), ("n_novelty", 0))
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
        if self.calibration not in CHOICES:
            near = did_you_mean(self.calibration, CHOICES)
            found.append(
                f"calibration must be {', '.join(CHOICES)}, but is {self.calibration!r}{near}"
            )
        if not 0 <= self.conformal_error <= MOST_ERROR:
            found.append(
                f"conformal_error must lie from 0 to {MOST_ERROR}, but is {self.conformal_error}"
            )
        return found

    @property
    def rule(self) -> Rule:
        """The rule of ``thresholds``."""
        return parse_rule(self.thresholds)
