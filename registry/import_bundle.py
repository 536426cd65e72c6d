"""Entry point ``import``: log and register a bundle folder that was made elsewhere.

python -m registry.import_bundle --bundle FOLDER
"""

import sys
from pathlib import Path

from heart_reader.bundle import Bundle, load_bundle
from heart_reader.cli import dotted_options, run_entry
from heart_reader.errors import ConfigError
from heart_reader.strict import flatten, to_dict
from heart_reader.tracking import ModelVersion, log_bundle
from heart_reader.tracking import runs as tracking


def main() -> None:
    """Reads the options, registers, and prints the version."""
    options = dotted_options(sys.argv[1:])
    if set(options) != {"bundle"}:
        given = ", ".join(sorted(options)) or "nothing"
        raise ConfigError(f"import takes --bundle FOLDER and nothing else, but was given {given}")
    folder = Path(options["bundle"])
    bundle = load_bundle(folder)
    tracking.set_up_tracking()
    version = import_bundle(folder, bundle)
    print(f"registered {version.uri} as candidate")


def import_bundle(folder: Path, bundle: Bundle) -> ModelVersion:
    """One run with the bundle's provenance and metrics, and a registered version."""
    backbone = bundle.config.backbone
    with tracking.open_run(f"import {backbone}") as run:
        made = {key: value for key, value in bundle.provenance.items() if key != "validation"}
        run.log_params(flatten({"model": to_dict(bundle.config), "made": made}))
        tags = {
            "backbone": backbone,
            "data_digest": str(made.get("data_digest", "unknown"))[:16],
            "config_hash": str(made.get("config_hash", "unknown")),
        }
        run.set_tags(tags)
        values = dict(bundle.provenance.get("validation", {}))
        text = f"{backbone}, imported from a bundle of run {made.get('run_id', 'unknown')}."
        if values:
            tags["val_macro_auc"] = f"{values['macro_auc']:.4f}"
            text += f" Fold-9 macro AUC {values['macro_auc']:.4f}, as its maker measured it."
        version = log_bundle(folder, backbone, text, tags)
        if values:
            final = {f"val/{key}": value for key, value in values.items()}
            run.log_metrics(final, 0, version.model_id)
        run.set_tags({"model": version.uri})
        run.describe(text)
        return version


if __name__ == "__main__":
    raise SystemExit(run_entry(main))
