"""What an ensemble's run shows: members against it, weights, plots, predictions."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from heart_reader.bundle.kinds import AnyBundle
from heart_reader.config.load import Config
from heart_reader.data.demo.marks import WARNING, data_set
from heart_reader.data.ptbxl import VALIDATION_FOLD
from heart_reader.evaluation import bootstrap, metrics, report, tables
from heart_reader.evaluation.fast_auc import mixture_auc
from heart_reader.evaluation.mixing import simplex_grid
from heart_reader.evaluation.plots.figures import save
from heart_reader.evaluation.plots.simplex import simplex_figure
from heart_reader.evaluation.scored import Scored
from heart_reader.evaluation.thresholds import REMEMBERED, rule_of
from heart_reader.tasks.task import MANY, by_key
from heart_reader.tracking import Run
from registry.client import made_from, pinned
from registry.ensemble.fitting import Fitted, Member
from registry.ground.fold9 import CROSS_FITTED, LOGGED, Ground
from registry.settings import EnsembleConfig

DRAWN = (2, 3)  # members of a weight simplex that can be drawn


@dataclass(frozen=True)
class Against:
    """A member's own AUCs, and by how much the cross-fitted ensemble is better."""

    macro_auc: float
    class_auc: NDArray[np.float64]
    gain: bootstrap.PairedComparison
    brings: bootstrap.Difference | None
    """By how much it is better than it would be without the member; ``None``: it has no weight."""


def comparisons(
    judged: Scored,
    named: Mapping[str, NDArray[np.float32]],
    without: Mapping[str, NDArray[np.float32]],
    n_resamples: int,
) -> dict[str, Against]:
    """The ensemble against each member, and against itself without it, on the same resamples."""
    resamples = report.resamples_for(judged.y_true, n_resamples)
    found = {}
    for name, y_score in named.items():
        aucs = metrics.defined_auc(judged.y_true, y_score)
        gain = bootstrap.compare(judged.y_true, judged.y_score, y_score, resamples)
        brings = None
        if name in without:
            y_without = without[name]
            brings = bootstrap.compare(judged.y_true, judged.y_score, y_without, resamples).macro
        found[name] = Against(float(metrics.mean_defined(aucs)), aucs, gain, brings)
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
        if against.brings is not None:
            values[f"brings/{name}/macro_auc"] = against.brings.value
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
    fitted: Fitted,
    values: dict[str, float],
    named: Mapping[str, NDArray[np.float32]],
    config: Config,
    chosen: EnsembleConfig,
) -> None:
    """Plots, weights and both kinds of fold-9 predictions, as they lie in the run's artifacts."""
    plots, own, judged = folder / "plots", fitted.own, fitted.judged
    whose = f"ensemble of {len(fitted.bundle.members)}, fold 9, cross-fitted"
    report.write_plots(judged, values, config.evaluation.n_bins, plots, whose)
    if len(named) in DRAWN:
        auc = mixture_auc(own.y_true, np.stack(list(named.values())))
        points, aucs = simplex_grid(auc, chosen.grid_steps)
        marks = {
            "chosen": fitted.weights.mean(axis=1),
            "mean": np.full(len(named), 1 / len(named)),
        }
        save(simplex_figure(points, aucs, tuple(named), marks), plots / "weights.png")
    tree = {
        "members": list(named),
        "classes": list(fitted.bundle.task.classes),
        "weights": fitted.weights.tolist(),
        "cross_fitted_weights": fitted.crossed.weights.tolist(),
    }
    (folder / "weights.json").write_text(json.dumps(tree, indent=1), encoding="utf-8")
    own.frame().to_parquet(folder / LOGGED, index=False)
    judged.frame().to_parquet(folder / CROSS_FITTED, index=False)


# ---------------------------------------------------------------- words


def describe(
    members: Sequence[Member],
    fitted: Fitted,
    values: Mapping[str, float],
    table: Mapping[str, Against],
) -> str:
    """The Markdown of the run and of the version."""
    bundle, versions = fitted.bundle, [member.version for member in members]
    rows = [
        (
            f"`{pinned(member.version)}`",
            _weights(fitted.weights[k], bundle.task.classes),
            *_cells(table[member.name]),
        )
        for k, member in enumerate(members)
    ]
    header = ("member", "weight", "macro AUC", "ensemble's gain (95%, paired)", "it brings")
    warning = f"**Careful: {WARNING}.**\n\n" if made_from(bundle) else ""
    which = f"Ensemble of {len(bundle.members)}, method {bundle.provenance['method']}"
    return f"""{warning}{which}: fold-9 macro AUC {values["macro_auc"]:.4f} (95% interval \
{values["macro_auc_low95"]:.4f} to {values["macro_auc_high95"]:.4f}), cross-fitted by patient: \
weights and thresholds always come from other patients than those scored.

{tables.markdown_table(header, rows)}

{_tried(fitted.tried)}Data digest `{str(bundle.provenance["data_digest"])[:16]}`. Member runs: \
{", ".join(f"`{version.run_id}`" for version in versions)}.
"""


def _tried(tried: Mapping[str, float]) -> str:
    """What was chosen among: the best of several flatters itself a little, and says so."""
    if len(tried) == 1:
        return ""
    shown = ", ".join(f"{name} {auc:.4f}" for name, auc in tried.items())
    return f"The method is the best of these by cross-fitted macro AUC: {shown}.\n\n"


def print_table(name: str, values: Mapping[str, float], table: Mapping[str, Against]) -> None:
    """The ensemble and its members on the terminal."""
    shown = Table("member", "macro AUC", "ensemble's gain, 95% paired interval", "it brings")
    shown.title = f"{name} on fold 9, cross-fitted by patient: macro AUC {values['macro_auc']:.4f}"
    for member, against in table.items():
        shown.add_row(member, *_cells(against))
    Console().print(shown)


def _cells(against: Against) -> tuple[str, str, str]:
    brings = "left out" if against.brings is None else _difference(against.brings)
    return f"{against.macro_auc:.4f}", _difference(against.gain.macro), brings


def _difference(found: bootstrap.Difference) -> str:
    low, high = found.interval_95
    return f"{found.value:+.4f} ({low:+.4f} to {high:+.4f})"


def _weights(row: NDArray[np.float64], classes: Sequence[str]) -> str:
    """Of one member, (n_classes,)."""
    if np.allclose(row, row[0]):
        return f"{row[0]:.3f}"
    if len(row) > MANY:
        return f"{row.min():.2f} to {row.max():.2f} by class, see weights.json"
    return ", ".join(f"{one} {w:.2f}" for one, w in zip(classes, row, strict=True))
