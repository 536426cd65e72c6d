"""Fine-tuning against training from scratch, on few records and a task that the source hadn't.

    python -m benchmarks.finetune --data PTBXL [--init pretrained/se_resnet1d] [--records 300]

Both learn six rhythms from the same records of folds 1 to 8, and are judged on the same records of
fold 9, paired. The source has seen the signals of folds 1 to 8, with superclasses as labels.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from heart_reader.bundle.scoring import score
from heart_reader.config.load import Config, load_config
from heart_reader.data.dataset import Records, load_development
from heart_reader.data.ptbxl import TRAIN_FOLDS, VALIDATION_FOLD, load_metadata
from heart_reader.evaluation.bootstrap import compare
from heart_reader.evaluation.metrics import macro_auc
from heart_reader.evaluation.report import resamples_for
from heart_reader.files import cache_folder
from heart_reader.fitting import make_trainer, prepare, untuned_bundle
from heart_reader.reading.models.found import find_bundle
from heart_reader.trainings.initial import of_bundle, start_of

RHYTHMS = ("SR", "AFIB", "STACH", "SBRAD", "SARRH", "PACE")
TUNED = {"training.freeze_epochs": "2", "training.layer_decay": "0.8"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="a PTB-XL tree, or demo")
    parser.add_argument("--init", default="pretrained/se_resnet1d")
    parser.add_argument("--records", type=int, default=300)
    parser.add_argument("--judge", type=int, default=800, help="records of fold 9")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        manifest = write_manifest(options, Path(folder))
        source, _ = find_bundle(options.init)
        common = {
            **of_bundle(source), "data": str(manifest), "backbone": source.kind,
            "training.epochs": options.epochs, "training.patience": options.epochs,
            "training.batch_size": 32, "training.learning_rate": 3e-3, "seed": options.seed,
        }  # fmt: skip
        scratch = load_config("default", common)
        tuned = load_config("default", {**common, **TUNED, "init": options.init})
        records = load_development(
            scratch.data, scratch.task, scratch.features, cache_folder(), scratch.signal
        )
        y_true = records.y_true[records.rows((VALIDATION_FOLD,))]
        counts = dict(zip(records.task.classes, y_true.sum(axis=0).tolist(), strict=True))
        print(f"{len(records.rows(TRAIN_FOLDS))} records to learn from, judged on {len(y_true)}: "
              f"{counts}")  # fmt: skip
        scores = {name: fitted(records, each) for name, each in
                  (("scratch", scratch), ("fine-tuned", tuned))}  # fmt: skip
    for name, y_score in scores.items():
        print(f"{name}: macro AUC {macro_auc(y_true, y_score):.4f}")
    gain = compare(y_true, scores["fine-tuned"], scores["scratch"], resamples_for(y_true, 1000))
    low, high = gain.macro.interval_95
    print(f"gain {gain.macro.value:+.4f}, 95% paired interval {low:+.4f} to {high:+.4f}")


def write_manifest(options: argparse.Namespace, folder: Path) -> Path:
    """Records drawn at random, with a column for each rhythm."""
    config = load_config("default", {"data": options.data})
    root = Path(config.data.root).absolute()
    metadata, rng = load_metadata(root), np.random.default_rng(options.seed)
    fold = metadata["strat_fold"].to_numpy()
    train = rng.choice(np.flatnonzero(np.isin(fold, TRAIN_FOLDS)), options.records, replace=False)
    there = np.flatnonzero(fold == VALIDATION_FOLD)
    judge = rng.choice(there, min(options.judge, len(there)), replace=False)
    chosen = metadata.iloc[np.sort(np.concatenate([train, judge]))]
    frame = pd.DataFrame(
        {
            "file": [str(root / name) for name in chosen["filename_lr"]],
            "record_id": chosen.index,
            "patient_id": chosen["patient_id"].to_numpy(),
            "fold": chosen["strat_fold"].to_numpy(),
            "age": chosen["age"].to_numpy(),
            "sex": chosen["sex"].to_numpy(),
        }
    )
    for name in RHYTHMS:
        frame[name] = [int(name in codes) for codes in chosen["scp_codes"]]
    frame.to_csv(folder / "rhythms.csv", index=False)
    return folder / "rhythms.csv"


def fitted(records: Records, config: Config) -> np.ndarray:
    """Fold-9 probabilities of a training."""
    prepared = prepare(records, start=start_of(config))
    result = make_trainer(prepared, config).fit([])
    return score(untuned_bundle(prepared, config, result, {}), records, (VALIDATION_FOLD,)).y_score


if __name__ == "__main__":
    main()
