"""What windows at prediction and a member of boosted trees are worth on real fold 9.

    python -m benchmarks.unlike_members --data PTBXL [--bundles pretrained/se_resnet1d ...]

Each bundle answers about the whole record, about four windows of it, and about both; then the
plain mean of all bundles, with trees beside them that were fitted on the features of folds 1 to 8.
Differences are paired, on the same resamples.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from heart_reader.bundle.kinds import open_bundle
from heart_reader.bundle.scoring import score
from heart_reader.config.load import load_config
from heart_reader.data.dataset import Records, load_development
from heart_reader.data.ptbxl import VALIDATION_FOLD
from heart_reader.evaluation.bootstrap import compare, draw
from heart_reader.evaluation.metrics import macro_auc
from heart_reader.files import cache_folder
from heart_reader.models.views import candidates
from heart_reader.training.teacher import fold_scores

PRETRAINED = ("se_resnet1d", "xresnet1d101", "inception1d")
WINDOWS, N_RESAMPLES = 4, 500


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", required=True)
    folders = [f"pretrained/{name}" for name in PRETRAINED]
    parser.add_argument("--bundles", nargs="+", default=folders)
    arguments = parser.parse_args()
    config = load_config("default", {"data": arguments.data})
    records = load_development(config.data, config.task, config.features, cache_folder())
    y_true = records.y_true[records.rows((VALIDATION_FOLD,))]
    said = [views_of(Path(folder), records) for folder in arguments.bundles]
    for folder, each in zip(arguments.bundles, said, strict=True):
        print_rows(Path(folder).name, y_true, each)
    mean = {name: np.mean([each[name] for each in said], axis=0) for name in said[0]}
    trees = fold_scores(records.features.values, records.y_true, records.fold == VALIDATION_FOLD)
    share = len(said) / (len(said) + 1)
    print(f"trees alone {macro_auc(y_true, trees):.4f}")
    print_rows("mean", y_true, mean | {"trees": share * mean["whole"] + (1 - share) * trees})
    return 0


def views_of(folder: Path, records: Records) -> dict[str, np.ndarray]:
    """Fold-9 probabilities by each view."""
    bundle = open_bundle(folder)
    return {
        name: score(replace(bundle, views=views), records, (VALIDATION_FOLD,)).y_score
        for name, views in candidates(WINDOWS).items()
    }


def print_rows(title: str, y_true: np.ndarray, said: dict[str, np.ndarray]) -> None:
    """Macro AUC of each, and its difference from the whole record."""
    resamples = draw(y_true, N_RESAMPLES, np.random.default_rng(0))
    for name, y_score in said.items():
        found = compare(y_true, y_score, said["whole"], resamples).macro
        low, high = found.interval_90
        auc = macro_auc(y_true, y_score)
        print(f"{title:14}{name:9}{auc:.4f}  {found.value:+.4f} ({low:+.4f} to {high:+.4f})")


if __name__ == "__main__":
    sys.exit(main())
