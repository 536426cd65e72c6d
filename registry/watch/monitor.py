"""Entry point ``monitor``: whether what a model answers today is like what it was judged by.

python -m registry.watch.monitor --model heart-reader-se_resnet1d@champion
python -m registry.watch.monitor --model heart-reader-se_resnet1d@champion --feedback labels.csv

Reads the log of answers (``HEART_READER_LOG``), holds the newest window against fold 9 and against
the window before, and labels that came later against what was answered. Exits 3 where an alert is
due; the version's tag ``drift`` says which.
"""

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from heart_reader.bundle.kinds import AnyBundle
from heart_reader.cli.entry import dotted_options, run_entry
from heart_reader.config.request import ConfigRequest, config_request
from heart_reader.config.strict import flatten, to_dict
from heart_reader.errors import ConfigError, DataError
from heart_reader.evaluation.plots.figures import save
from heart_reader.files import user_path
from heart_reader.predictions.columns import ANSWER
from heart_reader.predictions.journal import Row
from heart_reader.predictions.log import Table, collect, open_table
from heart_reader.predictions.place import Place, require_place
from heart_reader.tasks.task import class_key
from heart_reader.tracking import ModelVersion, Run, left_behind, load_registered, resolve_version
from heart_reader.tracking import runs as tracking
from registry.client import Registry, pinned
from registry.commands import DEFAULTS
from registry.compare import pages as pages_of
from registry.settings import MonitorConfig, load_settings
from registry.watch import pages, tell
from registry.watch.beside import beside
from registry.watch.feedback import Performance, performance, read_labels
from registry.watch.look import BEFORE, FOLD9, Look, look, window_of
from registry.watch.reference import Reference, find_reference
from registry.watch.sample import sample_of
from registry.watch.schedule import NEXT

ALERT = 3  # exit code
TAG, TAG_RUN = "drift", "drift_run"
NONE = "none"


@dataclass(frozen=True)
class MonitorRequest:
    """What a user asks of ``monitor``.

    Attributes:
        model: address of a version.
        feedback: a CSV of labels, or ``None``.
        config: where the data are.
        settings: what is told, and to whom.
    """

    model: str
    feedback: Path | None
    config: ConfigRequest
    settings: MonitorConfig


def main(words: Sequence[str]) -> None:
    """Reads the options, looks, and exits 3 where there is an alert."""
    request = read_request(dotted_options(words))
    place = require_place("monitor")
    tracking.set_up_tracking()
    seen = monitor(Registry(), request, place)
    if seen is not None and seen.alerts:
        raise SystemExit(ALERT)


def read_request(options: Mapping[str, str]) -> MonitorRequest:
    """What the options ask for.

    Raises:
        ConfigError: unknown options or values; nobody who can be told.
    """
    settings, left = load_settings(options)
    if "model" not in left:
        raise ConfigError("monitor needs --model NAME@ALIAS or NAME/VERSION")
    model, feedback = left.pop("model"), left.pop("feedback", NONE)
    config = config_request(left)
    config.check()
    tell.check(settings.monitor)
    file = None if feedback == NONE else user_path(feedback)
    return MonitorRequest(model, file, config, settings.monitor)


def monitor(registry: Registry, request: MonitorRequest, place: Place) -> Look | None:
    """One run with a report, and the version's tags; ``None`` where there is too little to say."""
    version, settings = resolve_version(request.model), request.settings
    name = pinned(version)
    collect(place)
    table = open_table(place)
    try:
        now, before = window_of(table, name, settings)
        if len(now) < settings.fewest:
            print(
                f"{place} has {len(now):,} answers of {name}: nothing is said of fewer than "
                f"{settings.fewest} (monitor.fewest)"
            )
            _tag(registry, version, next_look(settings))
            return None
        bundle = load_registered(version)
        shadows = [pinned_name(each) for each in registry.versions(version.name)]
        with tracking.open_run(f"monitor {name}") as run:
            run.set_tags({"monitored": name})
            run.log_params(flatten({"monitor": shown(settings)}))
            reference = find_reference(
                version, bundle, request.config.for_bundle(bundle.provenance)
            )
            seen = _look(table, place, request, bundle, reference, now, before, shadows)
            log(run, seen, name, settings)
        _tag(registry, version, tags_of(seen, run) | next_look(settings))
    finally:
        table.close()
    print(pages.intro(seen, name, settings))
    if seen.alerts:
        tell.tell(settings, message_of(seen, name, run))
    return seen


def _look(
    table: Table,
    place: Place,
    request: MonitorRequest,
    bundle: AnyBundle,
    reference: Reference,
    now: Sequence[Row],
    before: Sequence[Row],
    shadows: Sequence[str],
) -> Look:
    classes, settings = bundle.task.classes, request.settings
    known = None
    if request.feedback is not None:
        known = _feedback(table, place, request, classes, reference, now[0]["model"])
    samples = {"the window": sample_of(now, classes), FOLD9: reference.sample}
    if len(before) >= settings.fewest:
        samples[BEFORE] = sample_of(before, classes)
    return Look(
        n=len(now),
        first=int(now[-1]["time"]),
        last=int(now[0]["time"]),
        findings=look(now, before, reference.sample, classes, settings),
        beside=beside(table, now, shadows),
        performance=known,
        samples=samples,
    )


def _feedback(
    table: Table,
    place: Place,
    request: MonitorRequest,
    classes: Sequence[str],
    reference: Reference,
    name: str,
) -> Performance:
    if request.feedback is None:
        raise DataError("no feedback was given")
    labels = read_labels(request.feedback, place, classes)
    rows = table.newest(name, ANSWER, place.most_rows)
    return performance(rows, labels, classes, reference.logged, request.settings.n_resamples)


# ---------------------------------------------------------------- what is left of it


def log(run: Run, seen: Look, name: str, settings: MonitorConfig) -> None:
    """Metrics, page, picture and Markdown."""
    title, said, parts = f"monitor {name}", pages.intro(seen, name, settings), pages.tables(seen)
    drawn = pages.figure(seen, settings)
    text = pages_of.markdown(title, said, parts)
    with tempfile.TemporaryDirectory() as folder:
        there = Path(folder)
        (there / "monitor.html").write_text(pages_of.html(title, said, parts, drawn), "utf-8")
        (there / "monitor.md").write_text(text, "utf-8")
        save(drawn, there / "monitor.png")
        run.log_folder(there)
    run.log_metrics(values(seen), 0)
    run.set_tags({TAG: tags_of(seen, run)[TAG]})
    run.describe(text)


def values(seen: Look) -> dict[str, float]:
    """The figures that looks can be sorted by."""
    flat = {"n": float(seen.n), "n_alerts": float(len(seen.alerts))}
    for each in seen.findings:
        if each.against == FOLD9:
            flat[f"{each.kind}/{class_key(each.name.replace(' ', '_'))}"] = each.size
    for shadow in seen.beside:
        flat[f"shadow/{class_key(shadow.model)}/agreement"] = shadow.agreement
    if seen.performance is not None:
        flat["feedback/macro_auc"] = seen.performance.auc[0]
    return flat


def tags_of(seen: Look, run: Run) -> dict[str, str]:
    """What stands on the version."""
    alerts = f"alert: {', '.join(seen.alerts)}"[:500] if seen.alerts else NONE
    return {TAG: alerts, TAG_RUN: run.run_id}


def next_look(settings: MonitorConfig) -> dict[str, str]:
    """When `sync` looks again."""
    return {NEXT: f"{time.time() + settings.interval:.0f}"}


def message_of(seen: Look, name: str, run: Run) -> dict[str, Any]:
    """What somebody is told."""
    return {"model": name, "run": run.run_id, "n": seen.n, "first": seen.first,
            "last": seen.last, "alerts": seen.alerts}  # fmt: skip


def shown(settings: MonitorConfig) -> dict[str, Any]:
    """As it may stand in a run: an address may hold a secret."""
    kept = to_dict(settings)
    return {k: v if k not in ("url", "command") or v == NONE else "set" for k, v in kept.items()}


def pinned_name(version: Any) -> str:
    """Of a version as the registry's client gives it."""
    return f"{version.name}/{version.version}"


def _tag(registry: Registry, version: ModelVersion, tags: Mapping[str, str]) -> None:
    with left_behind("the tags of a look at the log"):
        registry.set_tags(version, tags)


if __name__ == "__main__":
    raise SystemExit(run_entry(main, DEFAULTS))
