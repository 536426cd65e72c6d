"""Entry point ``export``: a registered model as files for a device, smaller and faster.

python -m registry.export --model heart-reader-inception1d@champion
python -m registry.export --model heart-reader-se_resnet1d/3 --form signal --finetune_epochs 0
"""

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.table import Table

from heart_reader.bundles import AnyBundle
from heart_reader.cache import cache_folder
from heart_reader.cli import dotted_options, run_entry
from heart_reader.config import Config, as_trained, load_config
from heart_reader.data.dataset import FeaturesConfig, Records, load_development
from heart_reader.describe import fold_profile, markdown_table
from heart_reader.data.ptbxl import TRAIN_FOLDS, VALIDATION_FOLD
from heart_reader.edge import report
from heart_reader.edge.config import EdgeConfig
from heart_reader.edge.stages import Exporter
from heart_reader.errors import ConfigError, DataError
from heart_reader.evaluation.figures import save
from heart_reader.strict import flatten, to_dict
from heart_reader.tracking import ModelVersion, Run, load_registered, register_files
from heart_reader.tracking import runs as tracking
from registry.client import EDGE, LONGEST_DESCRIPTION, pinned, resolve, short_name
from registry.plan import SOURCE
from registry.settings import load_settings

DEVICE = "device"  # the folder among the run's artifacts


def main() -> None:
    """Reads the options, exports, registers, and prints the table."""
    settings, options = load_settings(dotted_options(sys.argv[1:]))
    if "model" not in options:
        raise ConfigError("export needs --model NAME@ALIAS or NAME/VERSION")
    address, overlay = options.pop("model"), options.pop("config", "default")
    load_config(overlay, as_trained({}, options))  # a wrong option is refused before any run
    tracking.set_up_tracking()
    version = resolve(address)
    with tracking.open_run(f"export {pinned(version)}") as run:
        made, rows = export(version, overlay, options, settings.edge, run)
    print_table(f"{EDGE} v{made.version}, made from {pinned(version)}", rows)


def export(
    version: ModelVersion,
    overlay: str,
    options: Mapping[str, str],
    chosen: EdgeConfig,
    run: Run,
) -> tuple[ModelVersion, Sequence[report.Row]]:
    """All stages, logged under the run; the version that is registered, if all keep their word.

    Raises:
        ModelError: a stage that fails or loses too much.
        DataError: data that aren't there, or aren't those that the model was trained on.
    """
    run.set_tags({SOURCE: pinned(version), "form": chosen.form})
    source = load_registered(version)
    config = load_config(overlay, as_trained(source.provenance, options))
    run.log_params(flatten({"edge": to_dict(chosen), "data": to_dict(config.data)}))
    records = _records(source, config, run)
    with TemporaryDirectory() as name:
        folder = Path(name)
        exporter = Exporter(source, records, config, chosen, folder, _say)
        stages = exporter.run()
        rows = report.measured(
            stages, exporter.y_true, exporter.sample, chosen.measure, chosen.seed
        )
        _log_rows(run, rows, chosen, version, folder)
        exporter.write_device_folder()
        run.log_folder(folder / DEVICE, DEVICE)
        run.log_folder(stages_folder(folder), "pytorch")
    text = describe(version, exporter.form, rows)
    run.describe(text)
    tags = _tags(version, exporter.form, rows, config)
    made = register_files(DEVICE, "edge", text[:LONGEST_DESCRIPTION], tags)
    run.set_tags({"model": made.uri})
    return made, rows
