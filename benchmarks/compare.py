"""How long ``compare`` takes for ten versions of fold 9's 2,146 records.

    python -m benchmarks.compare [--models 10] [--data PTBXL] [--profile FILE]

A store is made in a temporary folder: the pretrained single models, each again and again with
noise on what it said of fold 9, registered with their bundles. Then the command is called as a
user calls it, and its wall clock and what it computed are told; on a busy machine the second
counts. With ``--data`` parts of the patients are compared as well, and sheets drawn.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import chdir
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from heart_reader.bundle.evidence import Evidence
from heart_reader.project import REPOSITORY
from heart_reader.tracking import ModelVersion, log_bundle
from heart_reader.tracking import runs as tracking
from registry.client import pinned
from registry.ground.fold9 import LOGGED
from registry.pretrained.import_bundle import Imported, pretrained, read

NOISE = 0.5  # of a logit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=10)
    parser.add_argument("--data", default="/nowhere", help="a PTB-XL tree")
    parser.add_argument("--profile", help="where cProfile's figures go")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        versions = make_versions(options.models)
        wall, computed = call(versions, options.data, options.profile)
    print(f"{len(versions)} models: {wall:.1f} s by the clock, {computed:.1f} s of computing")


def make_versions(n_models: int) -> list[ModelVersion]:
    """The first of each backbone is what it is; the others are shaken."""
    tracking.set_up_tracking()
    found = [read(folder) for folder in pretrained()]
    single = [each for each in found if each.evidence is not None and not each.together]
    rng = np.random.default_rng(0)
    return [make_version(single[k % len(single)], k, rng) for k in range(n_models)]


def make_version(it: Imported, k: int, rng: np.random.Generator) -> ModelVersion:
    """A run with fold-9 predictions, and its bundle in the registry."""
    if it.evidence is None:
        raise ValueError(f"{it.folder} brought no scores along")
    with tracking.open_run(f"version {k}") as run, tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / LOGGED
        scored(it.evidence, 0.0 if k < 3 else NOISE, rng).to_parquet(path, index=False)
        run.log_folder(path.parent)
        run.log_params({"training.epochs": k, "training.learning_rate": 0.01 * (k + 1)})
        version = log_bundle(it.folder, it.kind, "", {})
        run.set_tags({"model": version.uri, "backbone": it.kind, "git_commit": f"{k:040x}"})
    return version


def scored(evidence: Evidence, noise: float, rng: np.random.Generator):  # type: ignore[no-untyped-def]
    """The table of predictions with noise on the logits."""
    shaken = shake(evidence.y_score, noise, rng)
    return evidence.scored(shaken, np.full(shaken.shape[1], 0.5)).frame()


def shake(
    y_score: NDArray[np.float32], noise: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Probabilities whose logits have normal noise of this size."""
    p = np.clip(y_score.astype(np.float64), 1e-6, 1 - 1e-6)
    logits = np.log(p / (1 - p)) + rng.normal(0, 1, p.shape) * noise
    return (1 / (1 + np.exp(-logits))).astype(np.float32)


def call(versions: list[ModelVersion], data: str, profile: str | None) -> tuple[float, float]:
    """Seconds by the clock, and of computing, of a user's command."""
    words = [sys.executable, *(["-m", "cProfile", "-o", profile] if profile else [])]
    words += ["-m", "registry.compare.make", "--models", ",".join(map(pinned, versions))]
    ours = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([*words, "--data", data], check=True, env=ours)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    wall = time.perf_counter() - started
    return wall, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


if __name__ == "__main__":
    main()
