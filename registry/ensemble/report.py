"""What an ensemble's run shows: members against it, weights, plots, predictions."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from heart_reader.bundle.ensemble import EnsembleBundle
from heart_reader.bundle.kinds import AnyBundle
from heart_reader.config.load import Config
from heart_reader.data.demo.marks import WARNING, data_set
from heart_reader.data.ptbxl import VALIDATION_FOLD
from heart_reader.evaluation import bootstrap, metrics, report, tables
from heart_reader.evaluation.fast_auc import mixture_auc
from heart_reader.evaluation.mixing import CrossFitted, simplex_grid
from heart_reader.evaluation.plots.figures import save
from heart_reader.evaluation.plots.simplex import simplex_figure
from heart_reader.evaluation.scored import Scored
from heart_reader.evaluation.thresholds import REMEMBERED, rule_of
from heart_reader.tasks.task import MANY, by_key
from heart_reader.tracking import ModelVersion, Run
from registry.client import made_from, pinned, short_name
from registry.ground.fold9 import CROSS_FITTED, LOGGED, Ground
from registry.settings import EnsembleConfig

DRAWN = (2, 3)  # members of a weight simplex that can be drawn


@dataclass(frozen=True)
class Against:
    """A member's own AUCs, and by how much the cross-fitted ensemble is better."""

    macro_auc: float
    class_auc: NDArray[np.float64]
    gain: bootstrap.PairedComparison


def comparisons(
    judged: Scored, named: Mapping[str, NDArray[np.float32]], n_resamples: int
) -> dict[str, Against]:
    """The ensemble against each member on the same resamples."""
    resamples = report.resamples_for(judged.y_true, n_resamples)
    found = {}
    for name, y_score in named.items():
        aucs = metrics.defined_auc(judged.y_true, y_score)
        gain = bootstrap.compare(judged.y_true, judged.y_score, y_score, resamples)
        found[name] = Against(float(metrics.mean_defined(aucs)), aucs, gain)
    return found


def flat(table: Mapping[str, Against], classes: Sequence[str]) -> dict[str, float]:
    """The comparisons as figures: ``member/NAME/macro_auc``, ``gain/NAME/macro_auc`` and so on."""
    values: dict[str, float] = {}
    for name, against in table.items():
        gain = against.gain.macro
        values |= {
            f"member/{name}/macro_auc": against.macro_auc,
            f"gain/{name}/macro_auc": gain.value,
            f"gain/{name}/macro_auc_low95": gain.interval_95[0],
            f"gain/{name}/macro_auc_high95": gain.interval_95[1],
            f"gain/{name}/share_better": gain.share_a_better,
        }
        gains = [each.value for each in against.gain.classes]
        values |= by_key(f"member/{name}/auc", classes, against.class_auc.tolist())
        values |= by_key(f"gain/{name}/auc", classes, gains)
    return values


def tags(bundle: AnyBundle, values: Mapping[str, float]) -> dict[str, str]:
    """What the registry filters by."""
    weights = dict(zip(bundle.names, bundle.weights.round(4).tolist(), strict=True))
    return {
        "backbone": "ensemble",
        "task": bundle.task.name,
        "method": str(bundle.provenance["method"]),
        "weights": json.dumps(weights),
        "data_digest": str(bundle.provenance["data_digest"])[:16],
        "val_macro_auc": f"{values['macro_auc']:.4f}",
        REMEMBERED: str(rule_of(bundle.provenance)),
        **made_from(bundle),
    }


def log_data(run: Run, ground: Ground, config: Config, synthetic: bool) -> None:
    """The fold that the weights come from."""
    profile = tables.label_profile(ground.fold.y_true, (VALIDATION_FOLD,), ground.fold.classes)
    digest = ground.fold.digest
    name = data_set("validation", synthetic)
    run.log_dataset(name, digest, config.data.root, "validation", profile)


# ---------------------------------------------------------------- files


def write_report(
    folder: Path,
    bundle: EnsembleBundle,
    own: Scored,
    judged: Scored,
    crossed: CrossFitted,
    values: dict[str, float],
    named: Mapping[str, NDArray[np.float32]],
    config: Config,
    chosen: EnsembleConfig,
) -> None:
    """Plots, weights and both kinds of fold-9 predictions, as they lie in the run's artifacts."""
    plots = folder / "plots"
    whose = f"ensemble of {len(named)}, fold 9, cross-fitted"
    report.write_plots(judged, values, config.evaluation.n_bins, plots, whose)
    if len(bundle.members) in DRAWN:
        auc = mixture_auc(own.y_true, np.stack(list(named.values())))
        points, aucs = simplex_grid(auc, chosen.grid_steps)
        marks = {
            "chosen": bundle.weights.mean(axis=1),
            "mean": np.full(len(named), 1 / len(named)),
        }
        save(simplex_figure(points, aucs, bundle.names, marks), plots / "weights.png")
    tree = {
        "members": list(bundle.names),
        "classes": list(bundle.task.classes),
        "weights": bundle.weights.tolist(),
        "cross_fitted_weights": crossed.weights.tolist(),
    }
    (folder / "weights.json").write_text(json.dumps(tree, indent=1), encoding="utf-8")
    own.frame().to_parquet(folder / LOGGED, index=False)
    judged.frame().to_parquet(folder / CROSS_FITTED, index=False)


# ---------------------------------------------------------------- words


def describe(
    bundle: EnsembleBundle,
    versions: Sequence[ModelVersion],
    values: Mapping[str, float],
    table: Mapping[str, Against],
) -> str:
    """The Markdown of the run and of the version."""
    rows = [
        (f"`{pinned(version)}`", _weights(bundle, k), *_cells(table[short_name(version.name)]))
        for k, version in enumerate(versions)
    ]
    header = ("member", "weight", "macro AUC", "ensemble's gain (95%, paired)")
    warning = f"**Careful: {WARNING}.**\n\n" if made_from(bundle) else ""
    return f"""{warning}Ensemble of {len(versions)}, method {bundle.provenance["method"]}: fold-9 \
macro AUC {values["macro_auc"]:.4f} (95% interval {values["macro_auc_low95"]:.4f} to \
{values["macro_auc_high95"]:.4f}), cross-fitted by patient: weights and thresholds always come \
from other patients than those scored.

{tables.markdown_table(header, rows)}

Data digest `{str(bundle.provenance["data_digest"])[:16]}`. Member runs: \
{", ".join(f"`{version.run_id}`" for version in versions)}.
"""


def print_table(name: str, values: Mapping[str, float], table: Mapping[str, Against]) -> None:
    """The ensemble and its members on the terminal."""
    shown = Table("member", "macro AUC", "ensemble's gain, 95% paired interval")
    shown.title = f"{name} on fold 9, cross-fitted by patient: macro AUC {values['macro_auc']:.4f}"
    for member, against in table.items():
        shown.add_row(member, *_cells(against))
    Console().print(shown)


def _cells(against: Against) -> tuple[str, str]:
    gain = against.gain.macro
    low, high = gain.interval_95
    return f"{against.macro_auc:.4f}", f"{gain.value:+.4f} ({low:+.4f} to {high:+.4f})"


def _weights(bundle: EnsembleBundle, k: int) -> str:
    row = bundle.weights[k]
    if np.allclose(row, row[0]):
        return f"{row[0]:.3f}"
    if len(row) > MANY:
        return f"{row.min():.2f} to {row.max():.2f} by class, see weights.json"
    return ", ".join(f"{one} {w:.2f}" for one, w in zip(bundle.task.classes, row, strict=True))
