"""Weights of members by what they said about fold 9, and what each of them brings."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from heart_reader.bundle.ensemble import EnsembleBundle
from heart_reader.bundle.single import Bundle
from heart_reader.config.load import Config
from heart_reader.config.strict import to_dict
from heart_reader.data.demo.marks import KEY, is_synthetic
from heart_reader.evaluation import metrics, report
from heart_reader.evaluation.mixing import (
    BEST,
    METHODS,
    CrossFitted,
    cross_fit,
    fit_weights,
    mix_scores,
)
from heart_reader.evaluation.scored import Scored
from heart_reader.evaluation.thresholds import REMEMBERED, choose
from heart_reader.evaluation.trust.made import Made, calibrated_values, make_trust
from heart_reader.tracking import ModelVersion, Run
from registry.ground.fold9 import Fold9
from registry.settings import EnsembleConfig


@dataclass(frozen=True)
class Member:
    """A pinned version, its bundle, and what it said about fold 9.

    ``name`` is short, as in folder and metric names; ``y_score`` is (n_records, n_classes).
    """

    name: str
    version: ModelVersion
    bundle: Bundle
    y_score: NDArray[np.float32]


@dataclass(frozen=True)
class Fitted:
    """An ensemble, what it says itself about fold 9, and what it may be judged by.

    Attributes:
        bundle: of the members that have a weight.
        own: by weights and thresholds of all of fold 9.
        judged: cross-fitted by patient.
        crossed: the same with the groups' weights, of all members that there were.
        weights: of all members, (n_members, n_classes).
        without: what the ensemble would have said, cross-fitted, had a member not been there; by
            name, of those that have a weight.
        tried: cross-fitted macro AUC of each method that was asked for.
        made: calibrator and limits.
    """

    bundle: EnsembleBundle
    own: Scored
    judged: Scored
    crossed: CrossFitted
    weights: NDArray[np.float64]
    without: dict[str, NDArray[np.float32]]
    tried: dict[str, float]
    made: Made


def fit(
    members: Sequence[Member], fold: Fold9, config: Config, settings: EnsembleConfig, run: Run
) -> Fitted:
    """Weights and thresholds on fold 9, and the cross-fitted scores beside them."""
    y_scores = np.stack([member.y_score for member in members])  # (n_members, n, n_classes)
    crossing = {
        method: _crossed(method, y_scores, fold, config, settings)
        for method in (METHODS if settings.method == BEST else (settings.method,))
    }
    tried = {
        name: float(metrics.macro_auc(fold.y_true, crossed.y_score))
        for name, crossed in crossing.items()
    }
    method = max(tried, key=lambda name: tried[name])  # the first of equal ones
    weights = fit_weights(method, fold.y_true, y_scores)
    kept = np.asarray(weights.any(axis=1))
    mixed = mix_scores(y_scores[kept], weights[kept])
    crossed = crossing[method]
    halves = np.full(len(fold.classes), 0.5)
    raw = Scored(fold.rows, fold.ecg_id, fold.y_true, crossed.y_score, halves, fold.classes)
    # Curves and limits come from scores by weights of other patients, as they will be used.
    made = make_trust(raw, fold.patients, config.evaluation)
    y_score = made.trust.apply(mixed)
    thresholds = choose(config.evaluation.rule, fold.y_true, y_score, fold.classes)
    judged = replace(made.own, thresholds=thresholds)
    values = values_of(judged, crossed, config)
    values |= calibrated_values(made, config.evaluation.n_bins)
    chosen = [member for member, has_weight in zip(members, kept, strict=True) if has_weight]
    bundle = EnsembleBundle(
        tuple(member.bundle for member in chosen),
        tuple(member.name for member in chosen),
        weights[kept],
        thresholds,
        _provenance(chosen, members, fold, config, method, values, run),
        made.trust,
    )
    own = replace(judged, y_score=y_score)
    without = _without_each(method, members, y_scores, kept, fold, config, settings)
    return Fitted(bundle, own, judged, crossed, weights, without, tried, made)


def _crossed(
    method: str,
    y_scores: NDArray[np.float32],
    fold: Fold9,
    config: Config,
    settings: EnsembleConfig,
) -> CrossFitted:
    """The same groups of patients on every call."""
    generator = np.random.default_rng(settings.seed)
    return cross_fit(
        method,
        fold.y_true,
        y_scores,
        fold.patients,
        settings.n_groups,
        generator,
        config.evaluation.rule,
    )


def _without_each(
    method: str,
    members: Sequence[Member],
    y_scores: NDArray[np.float32],
    kept: NDArray[np.bool_],
    fold: Fold9,
    config: Config,
    settings: EnsembleConfig,
) -> dict[str, NDArray[np.float32]]:
    """Cross-fitted scores of all members but one; of two members the other one's own."""
    found = {}
    for k in np.flatnonzero(kept).tolist():
        others = np.delete(y_scores, k, axis=0)
        crossed = _crossed(method, others, fold, config, settings)
        found[members[k].name] = crossed.y_score
    return found


def _provenance(
    chosen: Sequence[Member],
    members: Sequence[Member],
    fold: Fold9,
    config: Config,
    method: str,
    values: dict[str, float],
    run: Run,
) -> dict[str, object]:
    names = {member.name for member in chosen}
    left_out = {m.name: m.version.uri for m in members if m.name not in names}
    made = any(is_synthetic(member.bundle.provenance) for member in chosen)
    return {
        "run_id": run.run_id,
        "data": to_dict(config.data),
        "task": to_dict(config.task),
        "signal": to_dict(config.signal),
        "data_digest": fold.digest,
        "members": {member.name: member.version.uri for member in chosen},
        **({"left_out": left_out} if left_out else {}),
        "method": method,
        "threshold_fold": 9,
        REMEMBERED: str(config.evaluation.rule),
        "validation": values,
        **({KEY: True} if made else {}),
    }


def values_of(judged: Scored, crossed: CrossFitted, config: Config) -> dict[str, float]:
    """Every metric with intervals; those that need thresholds use the cross-fitted ones."""
    values = report.metrics_with_intervals(judged, config.evaluation)
    challenge = metrics.challenge_metrics(judged.y_true, crossed.y_pred)
    return values | {"f_beta": challenge.f_beta, "g_beta": challenge.g_beta}
