"""The gate between candidate and champion: what is asked on fold 9, and what came out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heart_reader.evaluation import bootstrap, metrics, report
from heart_reader.evaluation.paired.decision import half_width, is_lost, records_needed
from heart_reader.evaluation.subgroups import FEWEST
from heart_reader.tasks.task import class_key
from registry.settings import GateConfig

LOADS = "loads in a clean process"  # the one rule that `force` doesn't pass by


@dataclass(frozen=True)
class Check:
    """One rule of the gate: its name, whether it holds, and the figures."""

    name: str
    passed: bool
    text: str
    values: dict[str, float]


def reasons(checks: Sequence[Check]) -> str:
    """Why the gate stays shut, or ``""``."""
    return "; ".join(f"{check.name}: {check.text}" for check in checks if not check.passed)


def against_champion(
    y_true: NDArray[np.uint8],
    candidate: NDArray[np.float32],
    champion: NDArray[np.float32],
    classes: Sequence[str],
    config: GateConfig,
) -> list[Check]:
    """No worse than the champion on the same resamples, in the mean and in each class."""
    resamples = report.resamples_for(y_true, config.n_resamples)
    found = bootstrap.compare(y_true, candidate, champion, resamples)
    low, high = found.macro.interval_95
    values = [each.value for each in found.classes]
    losses = {n: loss for n, loss in zip(classes, values, strict=True) if loss == loss}
    held, unheld = _held(y_true, classes, losses)
    worst = min(held, key=losses.__getitem__)
    small, note = _too_few(found.macro, len(y_true), config)
    macro = Check(
        "macro AUC against the champion",
        low > -config.margin or (small and found.macro.value >= 0),
        f"{found.macro.value:+.4f} (95% paired interval {low:+.4f} to {high:+.4f}), "
        f"must lie above {-config.margin:+.4f}{_over(len(losses), classes)}{note}",
        {"macro_auc": found.macro.value, "macro_auc_low95": low, "macro_auc_high95": high},
    )
    each = dict(zip(classes, found.classes, strict=True))
    lost = [name for name in held if is_lost(each[name], config.max_class_loss)]
    worst = min(lost or held, key=losses.__getitem__)
    w_low, w_high = each[worst].interval_95
    one_class = Check(
        "each class against the champion",
        not lost,
        f"{worst} {losses[worst]:+.4f} (95% paired interval {w_low:+.4f} to {w_high:+.4f}), may "
        f"lose at most {config.max_class_loss:.4f}{unheld}",
        {f"auc_{class_key(name)}": value for name, value in losses.items()},
    )
    return [macro, one_class]


def _too_few(
    difference: bootstrap.Difference, n_records: int, config: GateConfig
) -> tuple[bool, str]:
    """Whether an interval is too wide to tell a margin, and what is said then."""
    if half_width(difference) <= config.widest:
        return False, ""
    needed = records_needed(difference, config.margin, n_records)
    return True, (
        f"; {n_records} records are too few to tell, {needed:,} could: what is no worse passes"
    )


def floors(
    y_true: NDArray[np.uint8],
    candidate: NDArray[np.float32],
    classes: Sequence[str],
    config: GateConfig,
) -> list[Check]:
    """What a first champion must reach: there is nothing to compare it with."""
    resamples = report.resamples_for(y_true, config.n_resamples)
    samples = bootstrap.auc_bootstrap(y_true, candidate, resamples)
    low = float(bootstrap.interval(metrics.mean_defined(samples), 0.95)[0])
    values = metrics.defined_auc(y_true, candidate).tolist()
    aucs = {name: auc for name, auc in zip(classes, values, strict=True) if auc == auc}
    held, unheld = _held(y_true, classes, aucs)
    worst = min(held, key=aucs.__getitem__)
    return [
        Check(
            "macro AUC of a first champion",
            low >= config.min_macro_auc,
            f"95% interval from {low:.4f}, must start at {config.min_macro_auc:.4f} or above"
            f"{_over(len(aucs), classes)}",
            {"macro_auc_low95": low},
        ),
        Check(
            "each class of a first champion",
            aucs[worst] >= config.min_class_auc,
            f"{worst} {aucs[worst]:.4f}, must reach {config.min_class_auc:.4f}{unheld}",
            {f"auc_{class_key(name)}": value for name, value in aucs.items()},
        ),
    ]


def _held(
    y_true: NDArray[np.uint8], classes: Sequence[str], judged: Mapping[str, float]
) -> tuple[list[str], str]:
    """The classes that a rule on single classes is about, and what is said of the others.

    With fewer than `FEWEST` positives, or negatives, an AUC jumps by more than any limit from one
    record to the next. Where every class is so rare, all are held.
    """
    counts = np.minimum((y_true == 1).sum(axis=0), (y_true == 0).sum(axis=0)).tolist()
    rarer = dict(zip(classes, counts, strict=True))
    enough = [c for c in judged if rarer[c] >= FEWEST]
    if len(enough) in (0, len(judged)):
        return list(judged), ""
    few = len(judged) - len(enough)
    return enough, f"; {few} with fewer than {FEWEST} positives or negatives aren't held to it"


def _over(n_judged: int, classes: Sequence[str]) -> str:
    """What a figure says where fold 9 lacks positives or negatives of some classes."""
    return "" if n_judged == len(classes) else f"; over {n_judged} of {len(classes)} classes"


def calibration(
    y_true: NDArray[np.uint8], candidate: NDArray[np.float32], n_bins: int, config: GateConfig
) -> Check:
    """The mean expected calibration error under a bound."""
    error = float(
        metrics.mean_defined(metrics.expected_calibration_error(y_true, candidate, n_bins))
    )
    text = f"{error:.4f}, may be at most {config.max_ece:.4f}"
    return Check("calibration error", error <= config.max_ece, text, {"ece": error})


def reproduction(
    logged: NDArray[np.float32] | None,
    again: NDArray[np.float32],
    tolerance: float,
    what: str,
) -> Check:
    """The bundle says in a clean process what was logged of it.

    Args:
        logged: (n_records, n_classes), ``None`` where nothing fitting was logged.
        again: the same by the clean process.
        tolerance: of a probability.
        what: the records are.
    """
    name = "reproduces its logged predictions in a clean process"
    if logged is None:
        text = "its run has no fold-9 predictions of this version and these records"
        return Check(name, False, text, {})
    difference = float(np.abs(logged - again).max())
    text = f"largest difference {difference:.1e} over {len(again)} {what}, may be {tolerance:.1e}"
    return Check(name, difference <= tolerance, text, {"difference": difference})
