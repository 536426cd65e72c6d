"""Calibration and abstention of bundles that brought their fold-9 scores along; no data needed.

    python -m benchmarks.calibration [--folder pretrained] [--resamples 1000]
    python -m benchmarks.calibration --task all --data PTBXL [--name se_resnet1d]

Curves, limits and thresholds are of other patients than those they are judged on.

With a task that no bundle has, each single bundle gets a linear head for it: learnt from its
embeddings of the signals of some training folds, asked about fold 9. That takes a minute a bundle.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from heart_reader.bundle.evidence import Evidence, load_evidence, patients_of
from heart_reader.bundle.single import Bundle, load_bundle
from heart_reader.config.load import load_config
from heart_reader.data.dataset import Records, load_development
from heart_reader.data.ptbxl import VALIDATION_FOLD
from heart_reader.evaluation.config import EvaluationConfig
from heart_reader.evaluation.metrics import defined_auc, mean_defined
from heart_reader.evaluation.scored import Scored
from heart_reader.evaluation.trust.abstain import COVERAGES, hold_out, uncertainty_table
from heart_reader.evaluation.trust.made import Made, calibration_table, make_trust
from heart_reader.files import cache_folder
from heart_reader.models.predicting import probabilities_and_vectors

MANY = 10  # classes whose curves are counted, not named


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("pretrained"))
    parser.add_argument("--name", default="*", help="of one bundle in the folder")
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--task", help="of which heads are learnt; the bundles' own otherwise")
    parser.add_argument("--data", help="a PTB-XL tree, for --task")
    parser.add_argument("--folds", default="1,2,3,4,5,6,7,8", help="that heads are learnt from")
    parser.add_argument("--steps", type=int, default=300)
    options = parser.parse_args()
    chosen = replace(load_config("default", {}).evaluation, n_resamples=options.resamples)
    risks = [f"of the surest {share:.0%}" for share in COVERAGES]
    errors = Table("model", "before", "95%", "after", "95%", "curves", title="calibration error")
    unsure = Table("model", "sets with truth", "uncertain", "wrong", "of the sure", *risks)
    for name, made in found(options, chosen):
        errors.add_row(name, *error_cells(made, chosen))
        unsure.add_row(name, *risk_cells(made, chosen))
    console = Console(width=160)
    console.print(errors)
    console.print(unsure)


def found(options: argparse.Namespace, chosen: EvaluationConfig) -> Iterator[tuple[str, Made]]:
    """Each bundle's name, and the trust of what it says."""
    if options.task is None:
        for file in sorted(options.folder.glob(f"{options.name}/evidence.safetensors")):
            evidence = load_evidence(file.parent)
            if evidence is not None:
                yield file.parent.name, made_of(evidence, chosen)
        return
    config = load_config(
        "default", {"data": options.data, "task": options.task, "features": "none"}
    )
    records = load_development(config.data, config.task, config.features, cache_folder())
    folds = tuple(int(word) for word in options.folds.split(","))
    for file in sorted(options.folder.glob(f"{options.name}/bundle.json")):
        scored = with_head(load_bundle(file.parent), records, folds, options.steps)
        auc = float(mean_defined(defined_auc(scored.y_true, scored.y_score)))
        print(f"{file.parent.name}: head of {len(scored.classes)} classes, macro AUC {auc:.4f}")
        yield file.parent.name, make_trust(scored, patients_of(records, scored.rows), chosen)


def with_head(bundle: Bundle, records: Records, folds: Sequence[int], steps: int) -> Scored:
    """What a linear head on a bundle's embeddings says of fold 9."""
    rows, held = records.rows(tuple(folds)), records.rows((VALIDATION_FOLD,))
    train, test = (torch.from_numpy(embedded(bundle, records, each)) for each in (rows, held))
    mean, spread = train.mean(0), train.std(0).clamp(min=1e-6)
    train, test = (train - mean) / spread, (test - mean) / spread
    truth = torch.from_numpy(records.y_true[rows].astype(np.float32))
    torch.manual_seed(0)
    head = torch.nn.Linear(train.shape[1], truth.shape[1])
    torch.nn.init.constant_(head.bias, -4.0)  # most classes are rare
    optimizer = torch.optim.AdamW(head.parameters(), lr=0.01, weight_decay=0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(head(train), truth).backward()
        optimizer.step()
    with torch.no_grad():
        said = torch.sigmoid(head(test)).numpy()
    classes = records.task.classes
    halves = np.full(len(classes), 0.5)
    return Scored(held, records.ecg_id[held], records.y_true[held], said, halves, classes)


def embedded(bundle: Bundle, records: Records, rows: NDArray[np.intp]) -> NDArray[np.float32]:
    """Embeddings (n_rows, size) of the signals, without features."""
    signals = records.millivolts(rows)
    found = probabilities_and_vectors(bundle.model, bundle.normaliser, signals, None, None)
    return found[1]


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
    curves = table["method"][:-1]
    counts = ", ".join(f"{n} {method}" for method, n in curves.value_counts().items())
    return [*cells, counts if len(curves) > MANY else ", ".join(curves)]


def risk_cells(made: Made, chosen: EvaluationConfig) -> list[str]:
    """Of all records, the mean of the classes."""
    raw: Scored = made.own
    held = hold_out(raw.y_true, raw.y_score, made.groups, chosen.rule, chosen.conformal_error)
    mean = uncertainty_table(held, raw.classes, []).iloc[0]
    names = ("set_coverage", "uncertain", "risk", "risk_sure", *mean.index[-len(COVERAGES) :])
    return [f"{mean[name]:.1%}" for name in names]


if __name__ == "__main__":
    main()
