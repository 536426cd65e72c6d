"""Entry point ``calibrate``: what a registered version lacks to be trusted, without any training.

python -m registry.trust.calibrate --model heart-reader-se_resnet1d@champion

Calibrator and limits come from the fold-9 predictions that were logged with the version; novelty
needs the training records, and is left out where they aren't on this machine. What comes of it is
a new version, the candidate, with its lineage.
"""

import tempfile
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from heart_reader.bundle.ensemble import EnsembleBundle
from heart_reader.bundle.evidence import load_evidence, save_evidence
from heart_reader.bundle.kinds import AnyBundle
from heart_reader.bundle.scoring import with_novelty
from heart_reader.cli.entry import dotted_options, run_entry
from heart_reader.config.load import Config
from heart_reader.config.request import ConfigRequest, config_request
from heart_reader.errors import ConfigError, ModelError
from heart_reader.evaluation import report
from heart_reader.evaluation.scored import Scored
from heart_reader.evaluation.tables import markdown_table
from heart_reader.evaluation.thresholds import REMEMBERED, rule_of
from heart_reader.evaluation.trust.made import (
    Made,
    calibrated_values,
    calibration_table,
    make_trust,
    write_made,
)
from heart_reader.project import CONFIG_DEFAULTS
from heart_reader.tracking import ModelVersion, Run, load_registered, resolve_version
from heart_reader.tracking import runs as tracking
from heart_reader.tracking.figures import log_figures
from registry.client import Registry, kind_of, pinned, register
from registry.ground.fold9 import CROSS_FITTED, LOGGED, data_present, load_records
from registry.ground.logged import Logged, read_logged
from registry.model_card import write_card
from registry.thresholds import KEPT_TAGS

MADE_FROM = "calibrated_from"  # tag of a version: the one that lacked it


@dataclass(frozen=True)
class Calibration:
    """A bundle with trust, and what it says of fold 9."""

    bundle: AnyBundle
    made: Made
    own: Scored
    judged: Scored
    values: Mapping[str, float]


def main(words: Sequence[str]) -> None:
    """Reads the options, calibrates, registers, and prints the table."""
    options = dict(dotted_options(words))
    if "model" not in options:
        raise ConfigError("calibrate needs --model NAME@ALIAS or NAME/VERSION")
    model, request = options.pop("model"), config_request(options)
    request.check()
    tracking.set_up_tracking()
    version = resolve_version(model)
    with tracking.open_run(f"calibrate {pinned(version)}") as run:
        made = calibrate(Registry(), version, request, run)
    print(f"registered {made.uri} as candidate, made from {pinned(version)}")


def calibrate(
    registry: Registry, version: ModelVersion, request: ConfigRequest, run: Run
) -> ModelVersion:
    """A new version with a calibrator and limits; its run holds what the old one's holds.

    Raises:
        ModelError: it has a calibrator already, no bundle, or no fold-9 predictions of its own.
    """
    run.set_tags({MADE_FROM: pinned(version)})
    bundle = load_registered(version)
    if bundle.trust.calibrated:
        raise ModelError(f"{pinned(version)} is calibrated already")
    config = request.for_bundle(bundle.provenance)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "report").mkdir()
        logged = read_logged(version, folder / "report")
        found = trusted(bundle, logged, config, version)
        _write(found, logged, config, folder / "report")
        return _log(registry, version, run, found, folder, config)


def _write(found: Calibration, logged: Logged, config: Config, folder: Path) -> None:
    """What the version says now instead of what it said, and what made it so."""
    write_made(found.made, config.evaluation, folder, None)
    frame = found.own.frame()
    if logged.patients is not None:
        frame = frame.assign(patient_id=logged.patients)
    frame.to_parquet(folder / LOGGED, index=False)
    if isinstance(found.bundle, EnsembleBundle):
        found.judged.frame().to_parquet(folder / CROSS_FITTED, index=False)
    evidence = load_evidence(folder)
    if evidence is not None:
        now = replace(
            evidence,
            y_score=found.own.y_score,
            y_judged=found.judged.y_score,
            probe_score=found.made.trust.apply(evidence.probe_score),
        )
        save_evidence(now, folder)
    n_bins = config.evaluation.n_bins
    report.write_plots(found.judged, dict(found.values), n_bins, folder / "plots")


def trusted(
    bundle: AnyBundle, logged: Logged, config: Config, version: ModelVersion
) -> Calibration:
    """The bundle with a calibrator, limits, and thresholds on their scale."""
    chosen, rule = config.evaluation, rule_of(bundle.provenance)
    chosen = replace(chosen, thresholds=str(rule))
    rows = np.arange(len(logged.ecg_id))
    patients = logged.ecg_id if logged.patients is None else logged.patients
    raw = Scored(
        rows, logged.ecg_id, logged.y_true, logged.judged, bundle.thresholds, logged.classes
    )
    made = make_trust(raw, patients, chosen)
    y_score = made.trust.apply(logged.own)
    # The same records are positive as before, whatever these thresholds were chosen by.
    thresholds = made.trust.apply(bundle.thresholds[None].astype(np.float32))[0].astype(np.float64)
    own = replace(made.own, y_score=y_score, thresholds=thresholds)
    judged = replace(made.own, thresholds=thresholds)
    values = report.metrics_with_intervals(judged, chosen) | calibrated_values(made, chosen.n_bins)
    provenance = {
        **bundle.provenance,
        REMEMBERED: str(rule),
        MADE_FROM: pinned(version),
        "validation": values,
    }
    whole = replace(bundle, thresholds=thresholds, provenance=provenance, trust=made.trust)
    if not isinstance(whole, EnsembleBundle) and data_present(config.data.root):
        records = load_records([], config)
        whole = with_novelty(whole, records, chosen.n_novelty, config.seed)
    return Calibration(whole, made, own, judged, values)


def _log(
    registry: Registry,
    version: ModelVersion,
    run: Run,
    found: Calibration,
    folder: Path,
    config: Config,
) -> ModelVersion:
    tags = registry.tags(version)
    kept = {key: tags[key] for key in KEPT_TAGS if key in tags}
    auc = {"val_macro_auc": f"{found.values['macro_auc']:.4f}"}
    kept |= {MADE_FROM: pinned(version), "calibrated": "true", **auc}
    run.log_params(Run(version.run_id).params())
    run.log_folder(folder / "report")
    text = describe(version, found, config)
    new = register(found.bundle, kind_of(version.name), folder / "bundle", text, kept)
    digest = str(kept.get("data_digest", "unknown"))
    # From here on the predictions in this run are those of the new version.
    run.set_tags({**kept, "model": new.uri, "data_digest": digest})
    log_figures(run, {f"val/{k}": v for k, v in found.values.items()}, 0, new.model_id)
    run.describe(f"## {new.uri}\n\n{text}")
    write_card(registry, new)
    print_table(pinned(new), found, config)
    return new


HEADER = ("class", "method", "error before", "95%", "after", "95%")


def cells(found: Calibration, config: Config) -> list[tuple[str, ...]]:
    """A row a class, and the mean."""
    chosen = config.evaluation
    table = calibration_table(found.made, chosen.n_bins, chosen.n_resamples)

    def row(each: Mapping[Hashable, object]) -> tuple[str, ...]:
        ends = [
            text
            for when in ("before", "after")
            for text in (
                f"{each[f'ece_{when}']:.4f}",
                f"{each[f'ece_{when}_low95']:.4f} to {each[f'ece_{when}_high95']:.4f}",
            )
        ]
        return (str(each["class"]), str(each["method"]), *ends)

    return [row(each) for each in table.to_dict("records")]


def describe(version: ModelVersion, found: Calibration, config: Config) -> str:
    """The Markdown of the run and of the version."""
    novelty = found.bundle.trust.novelty
    told = (
        "" if isinstance(found.bundle, EnsembleBundle) or novelty else " Novelty is unknown: the"
    )
    told += " training records weren't on this machine." if told else ""
    return f"""`{pinned(version)}`, calibrated on fold 9; its network is the same.{told}

{markdown_table(HEADER, cells(found, config))}

Calibration errors of patients that the curves weren't fitted on.
"""


def print_table(title: str, found: Calibration, config: Config) -> None:
    """The same on the terminal."""
    table = Table(*HEADER, title=f"{title}: calibration error on fold 9, cross-fitted")
    for row in cells(found, config):
        table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    raise SystemExit(run_entry(main, CONFIG_DEFAULTS))
