"""Calibration and abstention of bundles that brought their fold-9 scores along; no data needed.

    python -m benchmarks.calibration [--folder pretrained] [--resamples 1000]

Curves, limits and thresholds are of other patients than those they are judged on.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from heart_reader.bundle.evidence import Evidence, load_evidence
from heart_reader.config.load import load_config
from heart_reader.evaluation.config import EvaluationConfig
from heart_reader.evaluation.scored import Scored
from heart_reader.evaluation.trust.abstain import COVERAGES, hold_out, uncertainty_table
from heart_reader.evaluation.trust.made import Made, calibration_table, make_trust


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("pretrained"))
    parser.add_argument("--resamples", type=int, default=1000)
    options = parser.parse_args()
    chosen = replace(load_config("default", {}).evaluation, n_resamples=options.resamples)
    risks = [f"of the surest {share:.0%}" for share in COVERAGES]
    errors = Table("model", "before", "95%", "after", "95%", "curves", title="calibration error")
    unsure = Table("model", "sets with truth", "uncertain", "wrong", "of the sure", *risks)
    for file in sorted(options.folder.glob("*/evidence.safetensors")):
        evidence = load_evidence(file.parent)
        if evidence is not None:
            made = made_of(evidence, chosen)
            errors.add_row(file.parent.name, *error_cells(made, chosen))
            unsure.add_row(file.parent.name, *risk_cells(made, chosen))
    console = Console(width=160)
    console.print(errors)
    console.print(unsure)


def made_of(evidence: Evidence, chosen: EvaluationConfig) -> Made:
    """Trust of the scores that a bundle may be judged by."""
    halves = np.full(len(evidence.classes), 0.5)
    return make_trust(evidence.scored(evidence.y_judged, halves), evidence.patient_id, chosen)


def error_cells(made: Made, chosen: EvaluationConfig) -> list[str]:
    """The mean error before and after with intervals, and the curve of each class."""
    table = calibration_table(made, chosen.n_bins, chosen.n_resamples)
    mean, cells = table.iloc[-1], []
    for when in ("before", "after"):
        low, high = mean[f"ece_{when}_low95"], mean[f"ece_{when}_high95"]
        cells += [f"{mean[f'ece_{when}']:.4f}", f"{low:.4f} to {high:.4f}"]
    return [*cells, ", ".join(table["method"][:-1])]


def risk_cells(made: Made, chosen: EvaluationConfig) -> list[str]:
    """Of all records, the mean of the classes."""
    raw: Scored = made.own
    held = hold_out(raw.y_true, raw.y_score, made.groups, chosen.rule, chosen.conformal_error)
    mean = uncertainty_table(held, raw.classes, []).iloc[0]
    names = ("set_coverage", "uncertain", "risk", "risk_sure", *mean.index[-len(COVERAGES) :])
    return [f"{mean[name]:.1%}" for name in names]


if __name__ == "__main__":
    main()
