"""Entry point ``import``: log and register bundle folders that were made elsewhere.

python -m registry.pretrained.import_bundle --bundle FOLDER
python -m registry.pretrained.import_bundle --bundle all        # every bundle of pretrained/
"""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from heart_reader.bundle.ensemble import KIND, member_folders
from heart_reader.bundle.evidence import FILE, Evidence, load_evidence
from heart_reader.bundle.folders import folder_digest
from heart_reader.bundle.kinds import READERS, AnyBundle, open_bundle
from heart_reader.cli.entry import dotted_options, run_entry
from heart_reader.config.load import load_config
from heart_reader.config.strict import flatten, to_dict
from heart_reader.errors import ConfigError, ModelError
from heart_reader.evaluation import report
from heart_reader.files import user_path
from heart_reader.models import Architecture, family
from heart_reader.project import REPOSITORY
from heart_reader.tracking import (
    ModelVersion,
    Run,
    log_bundle,
    registered_name,
    require_registered_model,
)
from heart_reader.tracking import runs as tracking
from heart_reader.tracking.figures import log_figures
from heart_reader.tracking.versions import CANDIDATE
from registry.client import Registry, made_from, member_tags, pinned
from registry.ensemble import report as ensemble_report
from registry.ground.fold9 import CROSS_FITTED, LOGGED

PRETRAINED = REPOSITORY / "pretrained"
DIGEST = "bundle_digest"  # tag of a version: what was imported is known again by it


@dataclass(frozen=True)
class Imported:
    """A bundle's folder with what was read from it."""

    folder: Path
    bundle: AnyBundle
    evidence: Evidence | None

    @property
    def kind(self) -> str:
        """What stands behind ``heart-reader-`` in the registered name."""
        return self.bundle.kind

    @property
    def name(self) -> str:
        """The registered name."""
        return registered_name(self.kind, self.bundle.task.name)

    @property
    def together(self) -> bool:
        """Whether it is an ensemble."""
        return self.kind == KIND

    @property
    def made(self) -> dict[str, Any]:
        """Its provenance without the metrics."""
        return {k: v for k, v in self.bundle.provenance.items() if k != "validation"}

    @property
    def values(self) -> dict[str, float]:
        """Its fold-9 metrics, as its maker measured them."""
        return dict(self.bundle.provenance.get("validation", {}))


def main(words: Sequence[str]) -> None:
    """Reads the options and every bundle, registers them, and prints the versions."""
    options = dotted_options(words)
    if set(options) != {"bundle"}:
        given = ", ".join(sorted(options)) or "nothing"
        raise ConfigError(
            f"import takes --bundle FOLDER and nothing else (all: those of pretrained/), "
            f"but was given {given}"
        )
    everything = options["bundle"] == "all"
    found = [read(folder) for folder in (pretrained() if everything else [options["bundle"]])]
    tracking.set_up_tracking()
    import_all(Registry(), found)


def pretrained(folder: Path | None = None) -> list[Path]:
    """The bundles of ``pretrained/``, or of another folder, ensembles behind their members.

    Raises:
        ModelError: there are none.
    """
    within = folder or PRETRAINED
    found = [path.parent for name in READERS for path in sorted(within.glob(f"*/{name}"))]
    if not found:
        raise ModelError(f"there are no bundles in {within}")
    return found


def read(folder: Path | str) -> Imported:
    """A bundle's folder.

    Raises:
        ModelError: it is damaged.
    """
    folder = user_path(folder).absolute()
    return Imported(folder, open_bundle(folder), load_evidence(folder))


def import_all(registry: Registry, found: list[Imported]) -> list[ModelVersion]:
    """Registers each as a candidate, in a run of its own; below one parent where they are several.

    What is registered already is left as it is, and named candidate again.
    """
    for each in found:
        require_registered_model(each.name, each.bundle.task.name)
    if len(found) == 1:
        return [_import_once(registry, found[0], nested=False)]
    with tracking.open_run(f"import {len(found)} bundles") as run:
        versions = [_import_once(registry, each, nested=True) for each in found]
        run.set_tags({"models": ",".join(map(pinned, versions))})
    return versions


def _import_once(registry: Registry, it: Imported, nested: bool) -> ModelVersion:
    version = _registered(registry, it)
    if version is not None:
        registry.set_alias(version, CANDIDATE)
        print(f"{version.uri} is registered already")
        return version
    with tracking.open_run(f"import {it.kind}", nested=nested) as run:
        lineage = _members(registry, it) if it.together else {}
        version = _log(run, it, lineage)
    print(f"registered {version.uri} as candidate")
    return version


def _registered(registry: Registry, it: Imported) -> ModelVersion | None:
    digest = folder_digest(it.folder)
    for each in registry.versions(it.name):
        if each.tags.get(DIGEST) == digest:
            return registry.version(it.name, str(each.version))
    return None


def _members(registry: Registry, it: Imported) -> dict[str, str]:
    """An ensemble's members are registered before it, so that its lineage leads somewhere."""
    members = [read(folder) for folder in member_folders(it.folder)]
    return member_tags(
        [_registered(registry, each) or _import_once(registry, each, True) for each in members]
    )


# ---------------------------------------------------------------- one run


def _log(run: Run, it: Imported, lineage: Mapping[str, str]) -> ModelVersion:
    """Provenance, metrics, plots and predictions into the run; the bundle into the registry."""
    made, values = it.made, it.values
    params: dict[str, Any] = {"made": made}
    if not it.together:
        params["model"] = _model_params(it.bundle.members[0].config)
    run.log_params(flatten(params))
    tags = {
        "backbone": it.kind,
        "task": it.bundle.task.name,
        "data_digest": str(made.get("data_digest", "unknown"))[:16],
        "config_hash": str(made.get("config_hash", "unknown")),
        **lineage,
        **made_from(it.bundle),
    }
    run.set_tags(tags)
    text = f"{it.kind}, imported from a bundle of run {made.get('run_id', 'unknown')}."
    if values:
        tags["val_macro_auc"] = f"{values['macro_auc']:.4f}"
        text += f" Fold-9 macro AUC {values['macro_auc']:.4f}, as its maker measured it."
    if it.together:
        tags |= ensemble_report.tags(it.bundle, values)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if it.evidence is not None:
            write_evidence(it, it.evidence, folder / "report")
            run.log_folder(folder / "report")
        tags[DIGEST] = folder_digest(it.folder)
        version = log_bundle(_whole(it, folder / "bundle"), it.kind, text, tags)
    if values:
        final = {f"val/{key}": value for key, value in values.items()}
        log_figures(run, final, 0, version.model_id)
    run.set_tags({"model": version.uri})
    run.describe(text)
    return version


def _whole(it: Imported, folder: Path) -> Path:
    """A folder with all that the bundle needs: an ensemble's members may lie beside it."""
    if not it.together:
        return it.folder
    it.bundle.save(folder)
    return folder


def _model_params(config: Architecture) -> dict[str, Any]:
    """As a training logs them, of its own backbone."""
    tree = to_dict(config)
    return {**tree, family(config.backbone): tree.pop("shape")}


def write_evidence(it: Imported, evidence: Evidence, folder: Path) -> None:
    """Plots and fold-9 predictions from what came along, as they lie in the run's artifacts."""
    folder.mkdir(parents=True)
    limits, config = it.bundle.thresholds, load_config("default", {}).evaluation
    own = evidence.scored(evidence.y_score, limits)
    judged = evidence.scored(evidence.y_judged, limits)
    values = report.metrics_with_intervals(judged, config)
    report.write_plots(judged, values, config.n_bins, folder / "plots", f"{it.kind}, fold 9")
    own.frame().to_parquet(folder / LOGGED, index=False)
    if it.together:
        judged.frame().to_parquet(folder / CROSS_FITTED, index=False)
    shutil.copy(it.folder / FILE, folder / FILE)


if __name__ == "__main__":
    raise SystemExit(run_entry(main))
