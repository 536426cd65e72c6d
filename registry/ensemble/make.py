"""Entry point ``ensemble``: weighs the members in the registry and registers one bundle of them.

python -m registry.ensemble.make --data PATH
python -m registry.ensemble.make --members heart-reader-a@champion,heart-reader-b/3 --method mean
"""

import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from heart_reader.bundle.ensemble import KIND
from heart_reader.bundle.evidence import gather, save_evidence
from heart_reader.bundle.provenance import git_commit
from heart_reader.bundle.single import Bundle
from heart_reader.cli.entry import dotted_options, run_entry
from heart_reader.config.load import Config
from heart_reader.config.request import AUTO, ConfigRequest, config_request
from heart_reader.config.strict import flatten, to_dict
from heart_reader.data.demo.marks import is_synthetic
from heart_reader.errors import ModelError
from heart_reader.evaluation import metrics
from heart_reader.evaluation.trust.made import write_made
from heart_reader.project import REPOSITORY
from heart_reader.tracking import ModelVersion, Run, load_registered, require_registered_model
from heart_reader.tracking import runs as tracking
from heart_reader.tracking.figures import log_figures
from registry.client import (
    Registry,
    choose_members,
    member_names,
    member_tags,
    name_beside,
    pinned,
    register,
    task_of,
)
from registry.commands import DEFAULTS
from registry.ensemble import report as written
from registry.ensemble.fitting import Fitted, Member, fit
from registry.ground.again import require_own_words
from registry.ground.fold9 import (
    LOGGED,
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
    settings = request.settings
    versions = choose_members(registry, request.members, request.config.task)
    require_registered_model(name_beside(versions[0].name, "ensemble"), task_of(versions[0].name))
    with tracking.open_run(f"ensemble of {len(versions)}") as run:
        commit = git_commit(REPOSITORY)
        made_by = {"method": settings.method, "git_commit": commit}
        run.set_tags(member_tags(versions) | made_by)
        bundles = [_single(version) for version in versions]
        require_same_task(dict(zip(map(pinned, versions), bundles, strict=True)))
        _require_same_data(versions, bundles)
        config = request.config.for_bundle(bundles[0].provenance)
        read = {"data": to_dict(config.data), "signal": to_dict(config.signal)}
        run.log_params(flatten({"ensemble": to_dict(settings), **read}))
        ground = find_ground(versions, [], config, request.config.names_data)
        fold = ground.fold
        members = [
            _member(name, version, bundle, ground, config, run)
            for name, version, bundle in zip(
                member_names(versions), versions, bundles, strict=True
            )
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
    name: str, version: ModelVersion, bundle: Bundle, ground: Ground, config: Config, run: Run
) -> Member:
    y_score = logged_scores(version, ground.fold, LOGGED)
    run.set_tags({f"fold9/{name}": "recomputed" if y_score is None else LOGGED})
    if y_score is None:
        print(
            f"{pinned(version)}: its logged fold-9 predictions are of other records or of "
            "another version; predicting again",
            file=sys.stderr,
        )
        y_score = predict_fold9(bundle, config)
    else:
        require_own_words(pinned(version), bundle, ground, y_score)
    return Member(name, version, bundle, y_score)


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
    named = {member.name: member.y_score for member in members}
    versions = [m.version for m in members if m.name in fitted.bundle.names]
    n_resamples = config.evaluation.n_resamples
    table = written.comparisons(fitted.judged, named, fitted.without, n_resamples)
    values = dict(fitted.bundle.provenance["validation"])
    written.log_data(run, ground, config, is_synthetic(fitted.bundle.provenance))
    text = written.describe(members, fitted, values, table)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        written.write_report(folder / "report", fitted, values, named, config, settings)
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
    beside = written.flat(table, fold.classes) | {"fitted/macro_auc": own}
    log_figures(run, logged, 0, version.model_id, beside)
    run.describe(f"## {version.uri}\n\n{text}")
    write_card(Registry(), version)
    written.print_table(f"{version.name} v{version.version}", values, table)
    return version


if __name__ == "__main__":
    raise SystemExit(run_entry(main, DEFAULTS))
