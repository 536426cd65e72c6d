"""Trust made from what a bundle said of fold 9, and what is logged of it.

calibration_fold9.parquet   ecg_id, true_X, raw_X before calibration, score_X calibrated by others
calibration.csv             a row a class: method, calibration error and loss before and after
uncertainty.csv             what abstaining is worth, of all and by subgroup
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from heart_reader.evaluation import bootstrap, metrics
from heart_reader.evaluation.config import EvaluationConfig
from heart_reader.evaluation.scored import Scored
from heart_reader.evaluation.subgroups import subgroup_masks
from heart_reader.evaluation.thresholds import choose
from heart_reader.evaluation.trust.abstain import FILE as UNCERTAINTY
from heart_reader.evaluation.trust.abstain import hold_out, uncertainty_table
from heart_reader.evaluation.trust.fit import Calibrated, fit_calibrator, groups_of
from heart_reader.evaluation.trust.sets import fit_limits
from heart_reader.evaluation.trust.trust import NOTHING, Trust

LOGGED, TABLE = "calibration_fold9.parquet", "calibration.csv"
NO_ERROR = 0.0  # of the sets: none are made
SEED = 2020  # of the resamples, as for every other figure


@dataclass(frozen=True)
class Made:
    """Trust that was fitted on fold 9.

    Attributes:
        trust: without novelty, which needs signals.
        raw: what the bundle said before.
        own: what it says with it, thresholds by the rule.
        fitted: with the cross-fitted scores that calibration is judged by; ``None`` where there
            is no calibrator.
        groups: of the patients, (n_records,).
    """

    trust: Trust
    raw: Scored
    own: Scored
    fitted: Calibrated | None
    groups: NDArray[np.int64]

    @property
    def honest(self) -> NDArray[np.float32]:
        """Calibrated by other patients, (n_records, n_classes)."""
        return self.raw.y_score if self.fitted is None else self.fitted.y_score


def make_trust(raw: Scored, patients: NDArray[np.generic], chosen: EvaluationConfig) -> Made:
    """Calibrator, thresholds and limits of a bundle.

    Args:
        raw: what it said of fold 9 without a calibrator.
        patients: of the records, (n_records,).
        chosen: rule of the thresholds, method, and error of the sets.
    """
    fitted, alone = None, len(np.unique(patients)) < 2
    if chosen.calibration != "none" and not alone:
        fitted = fit_calibrator(chosen.calibration, raw.y_true, raw.y_score, patients)
    draft = replace(NOTHING, calibrator=None if fitted is None else fitted.calibrator)
    y_score = draft.apply(raw.y_score)
    thresholds = choose(chosen.rule, raw.y_true, y_score, raw.classes)
    error = chosen.conformal_error
    # The curves keep the order: limits on their scale are those on the model's own, which has
    # learned from none of these records.
    limits = None if error == NO_ERROR else fit_limits(raw.y_true, y_score, error)
    own = replace(raw, y_score=y_score, thresholds=thresholds)
    groups = np.zeros(len(patients), np.int64) if alone else groups_of(patients)
    return Made(replace(draft, limits=limits), raw, own, fitted, groups)


# ---------------------------------------------------------------- figures


def calibrated_values(made: Made, n_bins: int) -> dict[str, float]:
    """What changes among the metrics: calibration as other patients have it, and as it was."""
    if made.fitted is None:
        return {}
    truth = made.raw.y_true
    before, after = (_errors(truth, s, n_bins) for s in (made.raw.y_score, made.honest))
    return {
        "ece": float(metrics.mean_defined(after)),
        "ece_uncalibrated": float(metrics.mean_defined(before)),
        "brier": float(metrics.mean_defined(metrics.brier_score(truth, made.honest))),
    }


def calibration_table(made: Made, n_bins: int, n_resamples: int) -> pd.DataFrame:
    """A row a class, and ``mean`` last: error and loss before and after, on other patients.

    Intervals are of 95%, of resamples of records; they are of the error that was measured, which
    is above the true one by what few records in a bin leave to chance.
    """
    truth, fitted = made.raw.y_true, made.fitted
    resamples = bootstrap.draw(truth, n_resamples, np.random.default_rng(SEED))
    columns: dict[str, object] = {
        "class": [*made.raw.classes, "mean"],
        "method": ["none"] * (len(made.raw.classes) + 1),
        "n_positive": [*(truth == 1).sum(axis=0).tolist(), int((truth == 1).sum())],
    }
    if fitted is not None:
        columns["method"] = [*(curve.method for curve in fitted.calibrator.curves), ""]
    for when, scores in (("before", made.raw.y_score), ("after", made.honest)):
        drawn = np.stack(
            [_errors(truth[rows], scores[rows], n_bins) for rows in resamples.indices]
        )
        low, high = bootstrap.interval(_with_mean(drawn), 0.95)
        columns[f"ece_{when}"] = _with_mean(_errors(truth, scores, n_bins))
        columns |= {f"ece_{when}_low95": low, f"ece_{when}_high95": high}
    if fitted is not None:
        columns |= {f"loss_{m}": _with_mean(each) for m, each in fitted.loss.items()}
    return pd.DataFrame(columns)


def _errors(
    y_true: NDArray[np.uint8], y_score: NDArray[np.float32], n_bins: int
) -> NDArray[np.float64]:
    return metrics.expected_calibration_error(y_true, y_score, n_bins)


def _with_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean of the classes that have a value behind them, along the last axis."""
    mean = metrics.mean_defined(values)
    return np.concatenate([values, np.expand_dims(mean, -1)], axis=-1)


# ---------------------------------------------------------------- files


def write_made(
    made: Made, chosen: EvaluationConfig, folder: Path, metadata: pd.DataFrame | None
) -> None:
    """The files of what there is: calibration with a calibrator, uncertainty with limits.

    Args:
        made: on fold 9.
        chosen: rule, bins, resamples.
        folder: where they go.
        metadata: of the records, by which they are grouped; ``None`` where it isn't known.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if made.trust.limits is not None and len(np.unique(made.groups)) > 1:
        held = hold_out(
            made.raw.y_true, made.own.y_score, made.groups, chosen.rule, chosen.conformal_error
        )
        parts = [] if metadata is None else subgroup_masks(metadata)
        table = uncertainty_table(held, made.raw.classes, parts)
        table.to_csv(folder / UNCERTAINTY, index=False, float_format="%.4f")
    if made.fitted is None:
        return
    frame = replace(made.raw, y_score=made.honest).frame()
    raw = {f"raw_{c}": made.raw.y_score[:, k] for k, c in enumerate(made.raw.classes)}
    frame.assign(**raw).to_parquet(folder / LOGGED, index=False)
    table = calibration_table(made, chosen.n_bins, chosen.n_resamples)
    table.to_csv(folder / TABLE, index=False, float_format="%.4f")


def calibration_text(values: Mapping[str, float]) -> str:
    """A line for the run's page, or nothing."""
    if "ece_uncalibrated" not in values:
        return ""
    return (
        f"Calibrated on fold 9, cross-fitted by patient: mean calibration error "
        f"{values['ece']:.4f}, before {values['ece_uncalibrated']:.4f}."
    )
