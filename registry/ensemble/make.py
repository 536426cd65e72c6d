"""Entry point ``ensemble``: weighs the members in the registry and registers one bundle of them.

python -m registry.ensemble.make --data PATH
python -m registry.ensemble.make --members heart-reader-a@champion,heart-reader-b/3 --method mean
"""

import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from heart_reader.bundle.ensemble import KIND, EnsembleBundle
from heart_reader.bundle.evidence import gather, save_evidence
from heart_reader.bundle.provenance import git_commit
from heart_reader.bundle.single import Bundle
from heart_reader.cli.entry import dotted_options, run_entry
from heart_reader.config.load import Config
from heart_reader.config.request import AUTO, ConfigRequest, config_request
from heart_reader.config.strict import flatten, to_dict
from heart_reader.data.demo.marks import KEY, is_synthetic
from heart_reader.errors import ModelError
from heart_reader.evaluation import metrics, report
from heart_reader.evaluation.mixing import CrossFitted, cross_fit, fit_weights, mix_scores
from heart_reader.evaluation.scored import Scored
from heart_reader.evaluation.thresholds import REMEMBERED, choose
from heart_reader.evaluation.trust.made import Made, calibrated_values, make_trust, write_made
from heart_reader.project import REPOSITORY
from heart_reader.tracking import ModelVersion, Run, load_registered, require_editable
from heart_reader.tracking import runs as tracking
from registry.client import (
    Registry,
    choose_members,
    member_tags,
    name_beside,
    pinned,
    register,
    short_name,
)
from registry.commands import DEFAULTS
from registry.ensemble import report as written
from registry.ground.fold9 import (
    LOGGED,
    Fold9,
    Ground,
    find_ground,
    logged_scores,
    predict_fold9,
    require_same_task,
)
from registry.model_card import write_card
from registry.settings import EnsembleConfig, load_settings


@dataclass(frozen=True)
class EnsembleRequest:
    """What a user, or the plan, asks of ``ensemble``.

    Attributes:
        members: addresses with commas between them, or "auto", as `choose_members` takes them.
        config: reads the data that the members were trained on.
        settings: how members are weighed.
    """

    members: str
    config: ConfigRequest
    settings: EnsembleConfig


@dataclass(frozen=True)
class Member:
    """A pinned version, its bundle, and what it said about fold 9.

    ``y_score`` is (n_records, n_classes).
    """

    version: ModelVersion
    bundle: Bundle
    y_score: NDArray[np.float32]

    @property
    def name(self) -> str:
        """Short, as in folder and metric names."""
        return short_name(self.version.name)


@dataclass(frozen=True)
class Fitted:
    """An ensemble, what it says itself about fold 9, and what it may be judged by."""

    bundle: EnsembleBundle
    own: Scored
    judged: Scored
    crossed: CrossFitted
    made: Made


def main(words: Sequence[str]) -> None:
    """Reads the options, fits, registers, and prints the table."""
    request = read_request(dotted_options(words))
    tracking.set_up_tracking()
    make_ensemble(Registry(), request)


def read_request(options: Mapping[str, str]) -> EnsembleRequest:
    """What the options ask for.

    Raises:
        ConfigError: unknown options or values.
    """
    settings, left = load_settings(options)
    members = left.pop("members", AUTO)
    config = config_request(left)
    config.check()
    return EnsembleRequest(members, config, settings.ensemble)


def make_ensemble(registry: Registry, request: EnsembleRequest) -> ModelVersion:
    """One run that ends in a registered version with its members' pins in its tags."""
    task, settings = request.config.changes.get("task.name"), request.settings
    versions = choose_members(registry, request.members, task)
    require_editable(name_beside(versions[0].name, "ensemble"))
    with tracking.open_run(f"ensemble of {len(versions)}") as run:
        commit = git_commit(REPOSITORY)
        made_by = {"method": settings.method, "git_commit": commit}
        run.set_tags(member_tags(versions) | made_by)
        bundles = [_single(version) for version in versions]
        require_same_task(dict(zip(map(pinned, versions), bundles, strict=True)))
        _require_same_data(versions, bundles)
        config = request.config.for_bundle(bundles[0].provenance)
        run.log_params(flatten({"ensemble": to_dict(settings), "data": to_dict(config.data)}))
        ground = find_ground(versions, [], config, request.config.names_data)
        fold = ground.fold
        members = [
            _member(version, bundle, fold, config, run)
            for version, bundle in zip(versions, bundles, strict=True)
        ]
        fitted = fit(members, fold, config, settings, run)
        return log_and_register(run, members, fitted, ground, config, settings)


# ---------------------------------------------------------------- members


def _single(version: ModelVersion) -> Bundle:
    bundle = load_registered(version)
    if bundle.kind == KIND:
        raise ModelError(f"{version.uri} is an ensemble itself: a member must be a single model")
    return bundle.members[0]


def _require_same_data(versions: Sequence[ModelVersion], bundles: Sequence[Bundle]) -> None:
    digests = {
        pinned(version): str(bundle.provenance.get("data_digest", "unknown"))[:16]
        for version, bundle in zip(versions, bundles, strict=True)
    }
    if len(set(digests.values())) > 1:
        shown = ", ".join(f"{name} on {digest}" for name, digest in digests.items())
        raise ModelError(
            f"an ensemble's members must be trained on the same data, but were on: {shown}"
        )


def _member(
    version: ModelVersion, bundle: Bundle, fold: Fold9, config: Config, run: Run
) -> Member:
    y_score = logged_scores(version, fold, LOGGED)
    run.set_tags(
        {f"fold9/{short_name(version.name)}": "recomputed" if y_score is None else LOGGED}
    )
    if y_score is None:
        print(
            f"{pinned(version)}: its logged fold-9 predictions are of other records or of "
            "another version; predicting again",
            file=sys.stderr,
        )
        y_score = predict_fold9(bundle, config)
    return Member(version, bundle, y_score)


# ---------------------------------------------------------------- fitting


def fit(
    members: Sequence[Member], fold: Fold9, config: Config, settings: EnsembleConfig, run: Run
) -> Fitted:
    """Weights and thresholds on fold 9, and the cross-fitted scores beside them."""
    y_scores = np.stack([member.y_score for member in members])  # (n_members, n, n_classes)
    weights = fit_weights(settings.method, fold.y_true, y_scores)
    mixed = mix_scores(y_scores, weights)
    rule = config.evaluation.rule
    generator = np.random.default_rng(settings.seed)
    crossed = cross_fit(
        settings.method, fold.y_true, y_scores, fold.patients, settings.n_groups, generator, rule
    )
    halves = np.full(len(fold.classes), 0.5)
    raw = Scored(fold.rows, fold.ecg_id, fold.y_true, crossed.y_score, halves, fold.classes)
    # Curves and limits come from scores by weights of other patients, as they will be used.
    made = make_trust(raw, fold.patients, config.evaluation)
    y_score = made.trust.apply(mixed)
    thresholds = choose(rule, fold.y_true, y_score, fold.classes)
    judged = replace(made.own, thresholds=thresholds)
    values = values_of(judged, crossed, config)
    values |= calibrated_values(made, config.evaluation.n_bins)
    provenance = {
        "run_id": run.run_id,
        "data": to_dict(config.data),
        "task": to_dict(config.task),
        "data_digest": fold.digest,
        "members": {member.name: member.version.uri for member in members},
        "method": settings.method,
        "threshold_fold": 9,
        REMEMBERED: str(rule),
        "validation": values,
    }
    if any(is_synthetic(member.bundle.provenance) for member in members):
        provenance[KEY] = True
    bundle = EnsembleBundle(
        tuple(member.bundle for member in members),
        tuple(member.name for member in members),
        weights,
        thresholds,
        provenance,
        made.trust,
    )
    own = Scored(fold.rows, fold.ecg_id, fold.y_true, y_score, thresholds, fold.classes)
    return Fitted(bundle, own, judged, crossed, made)


def values_of(judged: Scored, crossed: CrossFitted, config: Config) -> dict[str, float]:
    """Every metric with intervals; those that need thresholds use the cross-fitted ones."""
    values = report.metrics_with_intervals(judged, config.evaluation)
    challenge = metrics.challenge_metrics(judged.y_true, crossed.y_pred)
    return values | {"f_beta": challenge.f_beta, "g_beta": challenge.g_beta}


# ---------------------------------------------------------------- logging


def log_and_register(
    run: Run,
    members: Sequence[Member],
    fitted: Fitted,
    ground: Ground,
    config: Config,
    settings: EnsembleConfig,
) -> ModelVersion:
    """Report, plots and predictions into the run; the bundle into the registry."""
    fold = ground.fold
    versions = [member.version for member in members]
    named = {member.name: member.y_score for member in members}
    table = written.comparisons(fitted.judged, named, config.evaluation.n_resamples)
    values = dict(fitted.bundle.provenance["validation"])
    written.log_data(run, ground, config, is_synthetic(fitted.bundle.provenance))
    text = written.describe(fitted.bundle, versions, values, table)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        written.write_report(
            folder / "report", fitted.bundle, fitted.own, fitted.judged, fitted.crossed,
            values, named, config, settings,
        )  # fmt: skip
        known = ground.records
        about = None if known is None else known.metadata.iloc[fold.rows]
        write_made(fitted.made, config.evaluation, folder / "report", about)
        save_evidence(
            gather(fitted.bundle, fold.digest, fold.patients, fitted.own, fitted.judged.y_score),
            folder / "report",
        )
        run.log_folder(folder / "report")
        tags = member_tags(versions) | written.tags(fitted.bundle, values)
        version = register(fitted.bundle, "ensemble", folder / "bundle", text, tags)
    # From here on the predictions in this run are those of the version.
    run.set_tags({"model": version.uri, "data_digest": fold.digest[:16]})
    own = metrics.macro_auc(fitted.own.y_true, fitted.own.y_score)
    logged = {f"val/{key}": value for key, value in values.items()}
    compared = written.flat(table, fold.classes)
    run.log_metrics(logged | compared | {"fitted/macro_auc": own}, 0, version.model_id)
    run.describe(f"## {version.uri}\n\n{text}")
    write_card(Registry(), version)
    written.print_table(f"{version.name} v{version.version}", values, table)
    return version


if __name__ == "__main__":
    raise SystemExit(run_entry(main, DEFAULTS))
