"""The whole training on one machine with nothing but the core's packages: three bundles.

    python -m benchmarks.full_run --data PTBXL --folder bundles
    python -m benchmarks.full_run --data PTBXL --folder bundles --backbone se_resnet1d \
        --epochs 2 --limit 100 --training.batch_size 256

It needs torch, numpy, pandas, scipy, scikit-learn, safetensors, PyYAML and matplotlib; no MLflow,
Optuna or wfdb. The records lie on the device as the int16 of the files and are augmented there, in
bf16 where the hardware has it. ``mlflow run . -e import`` reads what comes out: one folder a
backbone, fold-9 predictions beside the weights.

It prints seconds an epoch, records a second, and the share of the device's copy bandwidth that the
activations of the network take up: every layer's input and output once forward, and twice
backward. What one H100 took: docs/explanation/gpu.md.
"""

import argparse
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from heart_reader.bundle.evidence import gather, patients_of, save_evidence
from heart_reader.bundle.provenance import git_commit, provenance, train_command, travelling
from heart_reader.bundle.single import Bundle, save_bundle
from heart_reader.cli.entry import dotted_options, run_entry
from heart_reader.config.load import Config, load_config
from heart_reader.config.strict import to_dict
from heart_reader.data.dataset import load_development
from heart_reader.data.ptbxl import SUPERCLASSES
from heart_reader.errors import ConfigError
from heart_reader.evaluation import report
from heart_reader.evaluation.scored import Scored
from heart_reader.files import cache_folder
from heart_reader.fitting import Prepared, make_bundle, make_trainer, prepare
from heart_reader.project import REPOSITORY
from heart_reader.training.trainer import FitResult, Metrics, Trainer

ALL = ("inception1d", "xresnet1d101", "se_resnet1d")
COPIED = {"cpu": 1 << 28, "cuda": 1 << 31}  # bytes; no cache holds them
PASSES = 3  # forward; backward reads the gradient and the input, and writes the input's gradient


@dataclass(frozen=True)
class Row:
    """What a backbone's training came to."""

    backbone: str
    epochs: int
    epoch_seconds: float
    records_per_second: float
    share: float
    seconds: float
    macro_auc: float
    low90: float
    high90: float


def main(words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="a PTB-XL tree")
    parser.add_argument("--folder", required=True, type=Path, help="where the bundles go")
    parser.add_argument("--config", default="recipe", help="of configs/, or a YAML file")
    parser.add_argument("--backbone", default=",".join(ALL), help="names with commas")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--limit", type=int, help="the first so many records of each fold")
    options, dotted = parser.parse_known_args(words)
    overrides: dict[str, object] = {"data": options.data, **dotted_options(dotted)}
    if options.epochs is not None:
        overrides["training.epochs"] = options.epochs
    if options.limit is not None:
        overrides["data.records_per_fold"] = options.limit
    names = options.backbone.split(",")
    configs = [load_config(options.config, overrides | {"backbone": name}) for name in names]
    there = [name for name in names if (options.folder / name).exists()]
    if there:
        raise ConfigError(f"{options.folder} has bundles already: {', '.join(there)}")
    run(configs, options.folder)


def run(configs: list[Config], folder: Path) -> None:
    """Trains and writes one bundle after the other, and prints the table."""
    first = configs[0]
    records = load_development(first.data, first.task, first.features, cache_folder())
    prepared = prepare(records)
    rows: list[Row] = []
    for config in configs:
        started = time.perf_counter()
        trainer = make_trainer(prepared, config)  # and its teacher, unless the cache has it
        if not rows:
            bandwidth = copy_bandwidth(trainer.device)
            print(
                f"{trainer.device.type}, {torch.get_num_threads()} threads, {trainer.dtype}; "
                f"copy {bandwidth / 1e9:.1f} GB/s; {len(trainer.train):,} records to train, "
                f"{len(trainer.validation):,} to validate",
                flush=True,
            )
        print(f"{config.model.backbone}: ready after {time.perf_counter() - started:.0f} s")
        rows.append(train(prepared, config, trainer, bandwidth, started, folder))
    print_rows(rows)


def train(
    prepared: Prepared,
    config: Config,
    trainer: Trainer,
    bandwidth: float,
    started: float,
    folder: Path,
) -> Row:
    """Fits one backbone and writes its bundle, evidence beside it."""
    backbone = config.model.backbone

    def say(epoch: int, metrics: Metrics) -> None:
        print(
            f"{backbone} epoch {epoch + 1}: {metrics['epoch_seconds']:.1f} s, "
            f"{metrics['records_per_second']:,.0f} records/s, "
            f"macro AUC {metrics['val/macro_auc']:.4f}",
            flush=True,
        )

    n_cropped = config.training.epochs - config.training.whole_epochs
    cropped = config.augmentation.crop_share < 1 and n_cropped > 0
    traffic = bytes_per_record(trainer, config.augmentation.crop_share if cropped else 1.0)
    result = trainer.fit([say])
    seconds = time.perf_counter() - started
    bundle, _ = write_bundle(prepared, config, result, folder / backbone)
    values = bundle.provenance["validation"]
    # The first epoch warms up: kernels are chosen, pages are touched.
    alike = result.history[:n_cropped] if cropped else result.history
    warm = alike[1:] or alike
    rate = statistics.median(metrics["records_per_second"] for metrics in warm)
    return Row(
        backbone,
        len(result.history),
        statistics.median(metrics["epoch_seconds"] for metrics in warm),
        rate,
        rate * traffic / bandwidth,
        seconds,
        values["macro_auc"],
        values["macro_auc_low90"],
        values["macro_auc_high90"],
    )


def write_bundle(
    prepared: Prepared, config: Config, result: FitResult, folder: Path | None
) -> tuple[Bundle, Scored]:
    """The best weights as a bundle; where there is a folder, there with its fold-9 evidence."""
    records, tree = prepared.records, to_dict(config)
    made = provenance(config, records, "full_run", result.best_epoch) | {"seconds": result.seconds}
    made = travelling(made, tree, train_command(tree), git_commit(REPOSITORY))
    bundle, scored = make_bundle(prepared, config, result, made)
    if folder is None:
        return bundle, scored
    values = report.metrics_with_intervals(scored, config.evaluation)
    bundle = replace(bundle, provenance={**made, "validation": values})
    save_bundle(bundle, folder)
    patients = patients_of(records, scored.rows)
    save_evidence(gather(bundle, records.digest, patients, scored, scored.y_score), folder)
    return bundle, scored


# ---------------------------------------------------------------- against the hardware


def copy_bandwidth(device: torch.device) -> float:
    """Bytes read and written a second by a plain copy on the device, the best of five."""
    source = torch.zeros(COPIED[device.type], dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    best = 0.0
    for _ in range(6):
        started = time.perf_counter()
        target.copy_(source)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = max(best, 2 * source.numel() / (time.perf_counter() - started))
    return best


@torch.no_grad()
def bytes_per_record(trainer: Trainer, share: float, n_records: int = 8) -> float:
    """What the layers of a network read and write for one training record, if nothing is fused.

    Args:
        trainer: of the network.
        share: of a record's length that a step sees.
        n_records: to measure it on.
    """
    total = 0

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        total += sum(x.numel() * x.element_size() for x in (*inputs, output))

    leaves = [m for m in trainer.model.modules() if not list(m.children())]
    hooks = [leaf.register_forward_hook(count) for leaf in leaves]
    trainer.model.eval()
    rows = torch.arange(min(n_records, len(trainer.train)), device=trainer.device)
    signal = trainer.learner.normaliser(trainer.train.millivolts(rows))
    lower = trainer.dtype != torch.float32
    with torch.autocast(trainer.device.type, torch.bfloat16 if lower else None, enabled=lower):
        trainer.model.embed(signal[..., : round(share * signal.shape[-1])])
    for hook in hooks:
        hook.remove()
    return PASSES * total / len(rows)


def print_rows(rows: list[Row]) -> None:
    """The table, plain, since nothing but the core is there."""
    head = f"{'backbone':14}{'epochs':>7}{'s/epoch':>9}{'records/s':>11}{'of copy':>9}"
    print(f"\n{head}{'seconds':>9}  macro AUC, fold 9 (90%)")
    for row in rows:
        print(
            f"{row.backbone:14}{row.epochs:7}{row.epoch_seconds:9.1f}"
            f"{row.records_per_second:11,.0f}{row.share:9.0%}{row.seconds:9.0f}  "
            f"{row.macro_auc:.4f} ({row.low90:.4f} to {row.high90:.4f})"
        )
    print(f"together {sum(row.seconds for row in rows):.0f} s; {len(SUPERCLASSES)} classes")


if __name__ == "__main__":
    raise SystemExit(run_entry(main))
