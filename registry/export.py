"""Entry point ``export``: a registered model as files for a device, smaller and faster.

python -m registry.export --model heart-reader-inception1d@champion
python -m registry.export --model heart-reader-se_resnet1d/3 --form signal --finetune_epochs 0
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from heart_reader.bundle.kinds import AnyBundle
from heart_reader.bundle.scoring import require_labels_of
from heart_reader.cli.entry import dotted_options, run_entry
from heart_reader.config.load import Config
from heart_reader.config.request import AUTO, ConfigRequest, config_request
from heart_reader.config.strict import flatten, to_dict
from heart_reader.data.dataset import FeaturesConfig, Records, load_development
from heart_reader.data.demo.marks import WARNING, data_set, made_of
from heart_reader.data.ptbxl import TRAIN_FOLDS, VALIDATION_FOLD
from heart_reader.edge import report
from heart_reader.edge.config import EdgeConfig
from heart_reader.edge.report import Row
from heart_reader.edge.stage import ORIGINAL
from heart_reader.edge.stages import DEVICE, FILES, PYTORCH, Exporter
from heart_reader.edge.web.making import WEB
from heart_reader.edge.web.page import PAGE as INDEX
from heart_reader.errors import ConfigError, DataError, RefusedByGateError
from heart_reader.evaluation.plots.figures import save
from heart_reader.evaluation.tables import fold_profile, markdown_table
from heart_reader.files import cache_folder
from heart_reader.project import CONFIG_DEFAULTS, EDGE_DEFAULTS
from heart_reader.tracking import (
    ModelVersion,
    Run,
    load_registered,
    register_files,
    require_registered_model,
    resolve_version,
)
from heart_reader.tracking import runs as tracking
from heart_reader.tracking.run import LONGEST_TAG
from registry.client import (
    EXPORT,
    LONGEST_DESCRIPTION,
    REFUSED,
    SOURCE,
    Registry,
    kind_of,
    made_from,
    name_beside,
    pinned,
    task_of,
)
from registry.ground.pace import Pace
from registry.settings import load_settings

PAGE = f"{DEVICE}/{WEB}/{INDEX}"  # among the run's artifacts


@dataclass(frozen=True)
class ExportRequest:
    """What a user, or the plan, asks of ``export``.

    Attributes:
        model: the address of the version that is exported.
        config: "auto" follows that of the version's own run, where it has one.
        settings: of the export.
    """

    model: str
    config: ConfigRequest
    settings: EdgeConfig


def main(words: Sequence[str]) -> None:
    """Reads the options, exports, registers, and prints the table."""
    request = read_request(dotted_options(words))
    tracking.set_up_tracking()
    export(request)


def read_request(options: Mapping[str, str]) -> ExportRequest:
    """What the options ask for.

    Raises:
        ConfigError: no model, unknown options or values.
    """
    settings, left = load_settings(options)
    if "model" not in left:
        raise ConfigError("export needs --model NAME@ALIAS or NAME/VERSION")
    model = left.pop("model")
    config = config_request(left)
    config.check()
    return ExportRequest(model, config, settings.edge)


def export(request: ExportRequest) -> ModelVersion:
    """Exports in a run of its own, registers, and prints the table.

    Raises:
        ModelError: a stage that fails or loses too much.
        DataError: data that aren't there, or aren't those that the model was trained on.
    """
    version = resolve_version(request.model)
    require_registered_model(name_beside(version.name, "edge"), task_of(version.name))
    with tracking.open_run(f"export {pinned(version)}") as run:
        try:
            made, rows = export_in(run, version, request)
        except RefusedByGateError as error:
            _mark(version, {EXPORT: REFUSED, f"{EXPORT}_reason": str(error)[:LONGEST_TAG]}, run)
            raise
        if Registry().tags(version).get(EXPORT) == REFUSED:
            _mark(version, {EXPORT: "made", f"{EXPORT}_reason": "by a later run"}, run)
    print_table(f"{made.name} v{made.version}, made from {pinned(version)}", rows)
    return made


def _mark(version: ModelVersion, tags: Mapping[str, str], run: Run) -> None:
    """On the version that was exported: `sync` doesn't try again what was refused."""
    Registry().set_tags(version, {**tags, f"{EXPORT}_run": run.run_id})


def export_in(
    run: Run, version: ModelVersion, request: ExportRequest
) -> tuple[ModelVersion, Sequence[Row]]:
    """All stages, logged under the run; the version that is registered, if all keep their word.

    Raises:
        ModelError: a stage that fails or loses too much.
        DataError: data that aren't there, or aren't those that the model was trained on.
    """
    run.set_tags({SOURCE: pinned(version)})
    source = load_registered(version)
    config, settings = _config(version, source, request.config), request.settings
    run.log_params(
        flatten(
            {
                "edge": to_dict(settings),
                "data": to_dict(config.data),
                "signal": to_dict(config.signal),
                "training": to_dict(config.training),
            }
        )
    )
    records = _records(source, config, run)
    with TemporaryDirectory() as name:
        folder = Path(name)
        exporter = Exporter(source, records, config, settings, folder, Pace("export").say)
        stages = exporter.run()
        rows = report.measured(
            stages, exporter.y_true, exporter.sample, settings.measure, config.seed
        )
        named = {"name": version.name, "version": version.version}
        exporter.write_device_folder(named | made_from(source))
        has_page = (folder / PAGE).is_file()
        _log(run, rows, version, settings, folder)
    text = describe(version, exporter, rows)
    run.describe(f"## {pinned(version)} on a device\n\n{_page_link(run, has_page)}{text}")
    name = name_beside(version.name, "edge")
    made = register_files(DEVICE, name, text[:LONGEST_DESCRIPTION], tags(version, exporter, rows))
    run.set_tags({"model": made.uri, "form": exporter.form})
    return made, rows


def _config(version: ModelVersion, source: AnyBundle, asked: ConfigRequest) -> Config:
    """What fine-tuning follows: by default the recipe that the model was trained by."""
    if asked.overlay != AUTO or not version.run_id:
        return asked.for_bundle(source.provenance)
    with TemporaryDirectory() as name:
        own = Run(version.run_id).download("config.yaml", Path(name))
        return asked.for_bundle(source.provenance, "default" if own is None else str(own))


def _records(source: AnyBundle, config: Config, run: Run) -> Records:
    """Folds 1 to 9 with the features that the source reads.

    Raises:
        DataError: other labels or data than those that it was trained on.
    """
    features = FeaturesConfig("none" if source.encoder is None else source.encoder.source)
    records = load_development(config.data, config.task, features, cache_folder(), config.signal)
    require_labels_of(source.task, records.task)
    digest, trained = records.digest[:16], str(source.provenance.get("data_digest", ""))[:16]
    if trained != digest:
        raise DataError(
            f"the model was trained on data of digest {trained or 'unknown'}, but "
            f"{config.data.root} has {digest}: name its data with data=PATH"
        )
    run.set_tags({"data_digest": digest})
    synthetic = made_of(records.metadata)
    for context, folds in (("calibration", TRAIN_FOLDS), ("validation", (VALIDATION_FOLD,))):
        profile = fold_profile(records, folds)
        run.log_dataset(
            data_set(context, synthetic), records.digest, config.data.root, context, profile
        )
    return records


# ---------------------------------------------------------------- what is logged


def _log(
    run: Run, rows: Sequence[Row], version: ModelVersion, settings: EdgeConfig, folder: Path
) -> None:
    title = f"{pinned(version)} on its way to a device"
    save(report.stage_figure(rows, settings.parity.max_auc_loss, title), folder / "stages.png")
    (folder / "stages.json").write_text(json.dumps([asdict(row) for row in rows], indent=1))
    # The registry has the original, the device folder the files.
    for known in (folder / PYTORCH / ORIGINAL, folder / FILES):
        shutil.rmtree(known)
    run.log_folder(folder)
    run.log_metrics(report.metrics(rows), 0)


def _page_link(run: Run, has_page: bool) -> str:
    if not has_page:
        return ""
    address = f"{tracking.run_page(run.run_id)}/artifacts/{PAGE}"
    return (
        f"[The page that reads ECGs in a browser]({address}): opens here, or from a disk; nothing "
        "leaves it.\n\n"
    )


def tags(version: ModelVersion, exporter: Exporter, rows: Sequence[Row]) -> dict[str, str]:
    """What the registry filters by, and how a version is told from the others."""
    files = [stage.path.name for stage in exporter.stages if stage.on_device]
    lost = [stage.path.name for stage in exporter.stages if stage.left_out]
    named = zip(exporter.stages, rows, strict=True)
    by_name = {stage.path.name: row for stage, row in named}
    table = {
        row.name: {
            "bytes": row.n_bytes,
            "ms": round(row.median_ms, 3),
            "macro_auc": round(row.macro_auc, 4),
        }
        for row in rows
    }
    return {
        SOURCE: pinned(version),
        "source_run": version.run_id,
        "backbone": kind_of(version.name),
        "task": exporter.source.task.name,
        "form": exporter.form,
        "formats": ",".join(files),
        "stages": json.dumps(table),
        "data_digest": exporter.records.digest[:16],
        **made_from(exporter.source),
        **({"left_out": ",".join(lost)} if lost else {}),
        "val_macro_auc": f"{by_name[files[-1]].macro_auc:.4f}",
    }


def describe(version: ModelVersion, exporter: Exporter, rows: Sequence[Row]) -> str:
    """The Markdown of the run and of the version."""
    table = markdown_table(report.COLUMNS, [report.cells(row, rows[0]) for row in rows])
    notes = "\n".join(f"- {row.name}: {row.notes}" for row in rows if row.notes)
    warning = f"**Careful: {WARNING}.**\n\n" if made_from(exporter.source) else ""
    return f"""{warning}From `{pinned(version)}`, form {exporter.form}. Fold 9, \
{len(exporter.y_true):,} records; time and memory on one thread of the machine that exported.

{table}

{notes}
"""


def print_table(title: str, rows: Sequence[Row]) -> None:
    """The stages, as they stand in the run."""
    table = Table(*report.COLUMNS, title=title)
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        table.add_row(*report.cells(row, rows[0]))
    Console(width=190).print(table)


if __name__ == "__main__":
    raise SystemExit(run_entry(main, EDGE_DEFAULTS, CONFIG_DEFAULTS))
