"""What structured features are worth, on PTB-XL: folds 1 to 8 against fold 9.

    python benchmarks/features.py --data PATH --work FOLDER --epochs 8

1. features alone: gradient boosting, one classifier a class;
2. fused against signal-only: the same se_resnet1d, recipe and seed, compared on paired resamples;
3. the fused model with its features masked, against the signal-only model.

Trained bundles stay in the work folder, so that a second call only compares. The exit code is 1
where features alone stay under 0.86, or masking loses more than 0.005.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from heart_reader.bundle.single import Bundle, load_bundle, save_bundle
from heart_reader.config.load import Config, load_config
from heart_reader.data.dataset import Records, load_development
from heart_reader.data.ptbxl import SUPERCLASSES, TRAIN_FOLDS, VALIDATION_FOLD
from heart_reader.evaluation.bootstrap import PairedComparison, compare
from heart_reader.evaluation.metrics import class_auc
from heart_reader.evaluation.report import resamples_for
from heart_reader.files import cache_folder
from heart_reader.fitting import make_bundle, make_trainer, prepare

LEAST_ALONE, LARGEST_LOSS = 0.86, 0.005


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--work", required=True, type=Path)
    parser.add_argument("--epochs", type=int, default=8)
    options = parser.parse_args()
    overrides = {
        "data": options.data,
        "backbone": "se_resnet1d",
        "training.epochs": options.epochs,
        "training.patience": options.epochs,
    }
    config = load_config("default", overrides)
    records = load_development(config.data, config.task, config.features, cache_folder())
    alone = features_alone(records)
    bare_config = load_config("default", overrides | {"features": "none"})
    bare = trained(bare_config, options.work / f"signal-only-{options.epochs}")
    fused = trained(config, options.work / f"fused-{options.epochs}")
    return report(records, alone, bare, fused)


def features_alone(records: Records) -> float:
    """Fold-9 macro AUC of gradient boosting on the raw features."""
    values = records.features.values
    train, validation = records.rows(TRAIN_FOLDS), records.rows((VALIDATION_FOLD,))
    scores = [
        HistGradientBoostingClassifier(random_state=0)
        .fit(values[train], records.y_true[train, k])
        .predict_proba(values[validation])[:, 1]
        for k in range(len(SUPERCLASSES))
    ]
    auc = class_auc(records.y_true[validation], np.stack(scores, axis=1))
    each = ", ".join(f"{name} {a:.4f}" for name, a in zip(SUPERCLASSES, auc, strict=True))
    print(f"features alone, gradient boosting: macro AUC {auc.mean():.4f} ({each})")
    return float(auc.mean())


def trained(config: Config, folder: Path) -> Bundle:
    """The bundle of a configuration, trained where the folder isn't there yet."""
    if folder.exists():
        return load_bundle(folder)
    prepared = prepare(load_development(config.data, config.task, config.features, cache_folder()))
    started = time.perf_counter()
    trainer = make_trainer(prepared, config)
    result = trainer.fit([lambda epoch, m: print(f"{folder.name} {epoch} {m}", flush=True)])
    seconds = time.perf_counter() - started
    bundle, _ = make_bundle(prepared, config, result, {"seconds": seconds})
    save_bundle(bundle, folder)
    return bundle


def report(records: Records, alone: float, bare: Bundle, fused: Bundle) -> int:
    """Prints the comparisons and gives the exit code."""
    rows = records.rows((VALIDATION_FOLD,))
    signals, y_true = records.millivolts(rows), records.y_true[rows]
    scores = {
        "signal-only": bare.predict(signals, None),
        "fused": fused.predict(signals, records.features.values[rows]),
        "fused, features masked": fused.predict(signals, None),
    }
    for name, score in scores.items():
        print(f"{name}: macro AUC {class_auc(y_true, score).mean():.4f}")
    resamples = resamples_for(y_true, 1000)
    gain = compare(y_true, scores["fused"], scores["signal-only"], resamples)
    masked = compare(y_true, scores["fused, features masked"], scores["signal-only"], resamples)
    show("fused minus signal-only", gain)
    show("fused with masked features minus signal-only", masked)
    failed = alone < LEAST_ALONE or masked.macro.value < -LARGEST_LOSS
    return int(failed)


def show(title: str, comparison: PairedComparison) -> None:
    """One difference with its interval, and that of each class."""
    low, high = comparison.macro.interval_95
    print(f"{title}: {comparison.macro.value:+.4f} (95% interval {low:+.4f} to {high:+.4f})")
    for name, difference in zip(SUPERCLASSES, comparison.classes, strict=True):
        low, high = difference.interval_95
        print(f"  {name}: {difference.value:+.4f} ({low:+.4f} to {high:+.4f})")


if __name__ == "__main__":
    raise SystemExit(main())
