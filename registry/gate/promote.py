"""Entry point ``promote``: the gate. It judges on fold 9 alone, and exits 2 where it refuses.

python -m registry.gate.promote --model heart-reader-se_resnet1d@candidate
python -m registry.gate.promote --model all
python -m registry.gate.promote --model heart-reader-se_resnet1d@candidate --force "REASON"
python -m registry.gate.promote --model heart-reader-se_resnet1d --rollback true
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from heart_reader.bundle.kinds import AnyBundle
from heart_reader.cli.entry import dotted_options, run_entry, truth
from heart_reader.config.load import Config
from heart_reader.config.request import ConfigRequest, config_request
from heart_reader.config.strict import flatten, to_dict
from heart_reader.data.demo.marks import data_set, is_synthetic
from heart_reader.errors import ConfigError, DataError, ModelError, TrackingError
from heart_reader.tracking import (
    ModelVersion,
    Run,
    load_registered,
    require_editable,
    require_promoter,
    resolve_version,
)
from heart_reader.tracking import runs as tracking
from heart_reader.tracking.delivery.outage import shown_uri
from heart_reader.tracking.versions import CANDIDATE
from registry.client import CHAMPION, Registry, backbone_names, name_of, pinned
from registry.commands import DEFAULTS
from registry.compare.make import log_pair
from registry.gate import rules as gate
from registry.gate import shadow
from registry.gate.back import roll_back
from registry.gate.parts import NAME as PARTS
from registry.gate.parts import each_part
from registry.gate.reproduce import arrays_of_probes, predict_in_clean_process
from registry.gate.rules import Check
from registry.gate.texts import gate_text, print_checks
from registry.ground.again import Arrays, arrays_of, drawn, reads_table
from registry.ground.fold9 import (
    LOGGED,
    Ground,
    calibrated_by_others,
    evidence_of,
    find_ground,
    logged_scores,
    require_same_task,
    scores_to_judge,
)
from registry.ground.pace import Pace
from registry.model_card import write_card
from registry.settings import GateConfig, load_settings
from registry.trust.chain import AUDITED, write_record

REFUSED = 2  # exit code
NONE, ALL = "none", "all"


@dataclass(frozen=True)
class PromoteRequest:
    """What a user, or the plan, asks of ``promote``.

    Attributes:
        model: the address of a version, or a registered name: its candidate; ``all``: the
            candidates of all backbones.
        force: a reason to promote in spite of the gate, or ``None``.
        config: reads the data that versions are judged on.
        settings: what the gate demands.
    """

    model: str
    force: str | None
    config: ConfigRequest
    settings: GateConfig

    def version(self) -> ModelVersion:
        """The version, pinned."""
        named = "@" in self.model or "/" in self.model.removeprefix("models:/")
        return resolve_version(self.model if named else f"{self.model}@{CANDIDATE}")


def main(words: Sequence[str]) -> None:
    """Reads the options, judges or rolls back, and exits 2 where the gate stays shut."""
    options = dotted_options(words)
    rollback = truth("rollback", options.pop("rollback", "false"))
    request = read_request(options)
    tracking.set_up_tracking()
    registry = Registry()
    asked = [replace(request, model=model) for model in models_of(registry, request)]
    for name in {name_of(each.model) for each in asked}:
        require_editable(name)
        require_promoter(name)
    if rollback:
        for each in asked:
            roll_back(registry, name_of(each.model))
    else:
        pace = Pace("promote", len(asked))
        if not all([promote(registry, each, pace) for each in asked]):
            raise SystemExit(REFUSED)


def models_of(registry: Registry, request: PromoteRequest) -> list[str]:
    """The model that was named; for ``all``, those of the backbones that have a candidate.

    Raises:
        ModelError: there are none.
    """
    if request.model != ALL:
        return [request.model]
    task = request.config.task
    found = [name for name in backbone_names(task) if registry.find(name, CANDIDATE) is not None]
    if not found:
        raise ModelError(
            f"no backbone has a candidate for task {task} in {shown_uri()}: train some first"
        )
    return found


def read_request(options: Mapping[str, str]) -> PromoteRequest:
    """What the options ask for.

    Raises:
        ConfigError: no model, unknown options or values.
    """
    settings, left = load_settings(options)
    model, force = left.pop("model", NONE), left.pop("force", NONE)
    if model == NONE:
        raise ConfigError("promote needs --model NAME@ALIAS, NAME/VERSION or NAME")
    config = config_request(left)
    config.check()
    shadow.check(settings.gate)
    return PromoteRequest(model, None if force == NONE else force, config, settings.gate)


# ---------------------------------------------------------------- the gate


def promote(registry: Registry, request: PromoteRequest, pace: Pace | None = None) -> bool:
    """Judges a version in a run of its own, writes the outcome on it, and moves the aliases.

    Args:
        registry: where it is.
        request: which it is.
        pace: of several that are judged.

    Returns:
        Whether it is champion now.

    Raises:
        TrackingError: the champion was moved by somebody while this judged.
    """
    version = request.version()
    champion = registry.find(version.name, CHAMPION)
    if champion == version:
        print(f"{pinned(version)} is champion already")
        return True
    pace = Pace("promote") if pace is None else pace
    with tracking.open_run(f"promote {pinned(version)}") as run:
        rival = "none" if champion is None else pinned(champion)
        pace.say(f"{pinned(version)}: compares its fold-9 predictions with champion {rival}")
        run.set_tags({"model": version.uri, "model_run_id": version.run_id, "champion": rival})
        run.log_params(flatten({"gate": to_dict(request.settings)}))
        bundle = load_registered(version)
        config = request.config.for_bundle(bundle.provenance)
        # Features are measured, if at all, where something has to be predicted again.
        tables = [bundle] if reads_table(bundle) else []
        both = [version] if champion is None else [version, champion]
        ground = find_ground(both, tables, config, request.config.names_data)
        run.log_dataset(
            data_set("validation", is_synthetic(bundle.provenance)),
            ground.fold.digest,
            config.data.root,
            "gate",
            '{"folds": [9]}',
        )
        checks = judge(version, champion, bundle, ground, config, request.settings, pace.say)
        if champion is not None:
            log_pair(registry, run, champion, version)
        digest = ground.fold.digest
        is_champion = conclude(registry, run, version, champion, checks, request.force, digest)
        pace.done()
        return is_champion


def judge(
    version: ModelVersion,
    champion: ModelVersion | None,
    bundle: AnyBundle,
    ground: Ground,
    config: Config,
    settings: GateConfig,
    say: Callable[[str], None],
) -> list[Check]:
    """Every rule of the gate, whether the one before held or not; each step is said."""
    fold = ground.fold
    mine = scores_to_judge(version, bundle, fold, config)
    if champion is None:
        checks = gate.floors(fold.y_true, mine, fold.classes, settings)
    else:
        rival = load_registered(champion)
        require_same_task({pinned(version): bundle, pinned(champion): rival})
        theirs = scores_to_judge(champion, rival, fold, config)
        checks = gate.against_champion(fold.y_true, mine, theirs, fold.classes, settings)
        if ground.records is not None:
            about = ground.records.metadata.iloc[fold.rows]
            checks.append(each_part(about, fold.y_true, mine, theirs, settings))
        checks += shadow.beside_champion(version, champion, fold.classes, settings)
    honest = calibrated_by_others(version, fold)
    judged = mine if honest is None else honest
    checks.append(gate.calibration(fold.y_true, judged, config.evaluation.n_bins, settings))
    logged, arrays, what = to_reproduce(version, bundle, ground, settings.n_reproduced)
    say(f"{pinned(version)}: predicts {what} again in a clean process")
    try:
        again = predict_in_clean_process(version, arrays)
    except ModelError as error:
        return [*checks, Check(gate.LOADS, False, str(error), {})]
    return [*checks, gate.reproduction(logged, again, settings.tolerance, what)]


def to_reproduce(
    version: ModelVersion, bundle: AnyBundle, ground: Ground, n_records: int
) -> tuple[NDArray[np.float32] | None, Arrays, str]:
    """What was logged of a version, the records that it was said of, and what these are.

    They are drawn from fold 9, so that nobody knows them beforehand; where the data aren't here,
    synthetic ones that came along.

    Raises:
        DataError: neither is there.
    """
    if ground.records is not None:
        some = drawn(len(ground.fold.rows), n_records)
        logged = logged_scores(version, ground.fold, LOGGED)
        arrays = arrays_of(bundle, ground.records, ground.fold.rows[some])
        return None if logged is None else logged[some], arrays, "fold-9 records"
    evidence = evidence_of(version)
    if evidence is None:
        raise DataError(f"{pinned(version)} brought no ECGs along to be tried on: give data=PATH")
    what = "synthetic ECGs that came along (fold 9 isn't on this machine)"
    return evidence.probe_score, arrays_of_probes(evidence), what


def conclude(
    registry: Registry,
    run: Run,
    version: ModelVersion,
    champion: ModelVersion | None,
    checks: Sequence[Check],
    force: str | None,
    data_digest: str,
) -> bool:
    """Writes the outcome into the run and on the version, and moves the aliases."""
    why = gate.reasons(checks)
    # Nobody can want a champion that doesn't load.
    shut = force is None or any(c.name == gate.LOADS and not c.passed for c in checks)
    outcome = "promoted" if not why else "refused" if shut else "forced"
    reason = {
        "promoted": "every rule holds",
        "refused": why,
        "forced": f"{force} (against: {why})",
    }
    # A part of the patients isn't worth a column among the runs: they stand in the record.
    whole = [check for check in checks if check.name not in (PARTS, shadow.NAME)]
    values = {f"gate/{k}": v for check in whole for k, v in check.values.items()}
    run.log_metrics(values, 0, version.model_id or None)
    run.set_tags({"gate": outcome, "reason": reason[outcome]})
    run.describe(gate_text(version, champion, checks, f"{outcome}: {reason[outcome]}"))
    if outcome != "refused":
        if registry.find(version.name, CHAMPION) != champion:
            raise TrackingError(
                f"the champion of {version.name} was moved while {pinned(version)} was judged: "
                "promote again"
            )
        figures = {c.name: {"held": c.passed, "text": c.text, **c.values} for c in checks}
        write_record(
            registry, run, version, champion, outcome, reason[outcome], figures, data_digest
        )
        registry.make_champion(version)
    audited = {} if outcome == "refused" else {AUDITED: run.run_id}
    tags = audited | {
        "gate": outcome,
        "gate_reason": reason[outcome],
        "gate_run": run.run_id,
        "gate_against": "none" if champion is None else pinned(champion),
        "gate_time": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    registry.set_tags(version, tags)
    write_card(registry, version)
    print_checks(version, champion, checks, outcome)
    return outcome != "refused"


if __name__ == "__main__":
    raise SystemExit(run_entry(main, DEFAULTS))
