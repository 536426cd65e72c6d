"""One look at the log: the newest window, the one before, fold 9, and the shadows beside."""

from collections.abc import Sequence
from dataclasses import dataclass

from heart_reader.predictions.columns import ANSWER
from heart_reader.predictions.journal import Row
from heart_reader.predictions.log import Table
from registry.settings import MonitorConfig
from registry.watch.beside import Beside
from registry.watch.drift import Finding, Limits, compare_samples, judge
from registry.watch.feedback import Performance
from registry.watch.sample import Sample, sample_of

FOLD9, BEFORE = "fold 9", "the window before"


@dataclass(frozen=True)
class Look:
    """What was seen.

    Attributes:
        n: answers of the window.
        first, last: seconds since 1970, of its oldest and newest.
        findings: judged, alerts first.
        beside: shadows.
        performance: of feedback, where there was any.
        samples: by what they are called: the window, and those it was held against.
    """

    n: int
    first: int
    last: int
    findings: Sequence[Finding]
    beside: Sequence[Beside]
    performance: Performance | None
    samples: dict[str, Sample]

    @property
    def alerts(self) -> list[str]:
        """In words, the surest first."""
        told = [f"{each.name} against {each.against}" for each in self.findings if each.alert]
        worse = self.performance is not None and self.performance.worse
        return [*(["macro AUC of the feedback"] if worse else []), *told]


def look(
    now: Sequence[Row],
    before: Sequence[Row],
    reference: Sample,
    classes: Sequence[str],
    config: MonitorConfig,
) -> list[Finding]:
    """How a window differs from fold 9 and from the window before, where that is large enough."""
    sample = sample_of(now, classes)
    found = compare_samples(sample, reference, FOLD9)
    if len(before) >= config.fewest:
        found += compare_samples(sample, sample_of(before, classes), BEFORE)
    return judge(found, Limits(config.level, config.psi, config.share))


def window_of(table: Table, model: str, config: MonitorConfig) -> tuple[list[Row], list[Row]]:
    """The newest answers of a model, and as many from before."""
    rows = table.newest(model, ANSWER, 2 * config.window)
    return rows[: config.window], rows[config.window :]
