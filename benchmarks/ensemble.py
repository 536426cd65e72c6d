"""Nelder-Mead on macro AUC: the AUC inside against scikit-learn's, and the weights of both.

python benchmarks/ensemble.py [PREDICTIONS.parquet ...]

Without files it makes three members of 2,146 records, as many as fold 9 of PTB-XL has.
"""

import argparse
import time

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from heart_reader.data.ptbxl import SUPERCLASSES
from heart_reader.evaluation.fast_auc import DECIMALS, mixture_auc
from heart_reader.evaluation.mixing import maximise

PREVALENCE = (0.45, 0.26, 0.24, 0.23, 0.12)  # NORM to HYP in PTB-XL


def main() -> None:
    """Prints one row a way, and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("predictions", nargs="*", help="predictions_fold9.parquet of each member")
    paths = parser.parse_args().predictions
    y_true, y_scores = read(paths) if paths else made(2146)
    fast = mixture_auc(y_true, y_scores)
    counter = {"calls": 0}

    def slow(weights: np.ndarray) -> float:
        counter["calls"] += 1
        mixed = np.tensordot(weights, y_scores.astype(np.float64), 1)
        return round(float(roc_auc_score(y_true, mixed)), DECIMALS)

    maximise(fast.macro, fast.n_members)  # warm
    rows = []
    for name, objective in (("ours", fast.macro), ("scikit-learn", slow)):
        started = time.perf_counter()
        weights = maximise(objective, fast.n_members)
        rows.append((name, time.perf_counter() - started, weights, objective(weights)))
    print(f"{len(y_true)} records, {len(y_scores)} members, {counter['calls'] - 1} evaluations")
    for name, seconds, weights, value in rows:
        print(f"{name:14s} {seconds * 1e3:9.1f} ms  macro AUC {value:.6f}  {weights.round(6)}")
    print(f"ratio {rows[1][1] / rows[0][1]:.1f}, at least 15 wanted")
    print(f"largest difference of a weight {np.abs(rows[0][2] - rows[1][2]).max():.1e}")


def read(paths: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and the scores of each file."""
    frames = [pd.read_parquet(path) for path in paths]
    y_true = frames[0][[f"true_{name}" for name in SUPERCLASSES]].to_numpy()
    scores = [frame[[f"score_{name}" for name in SUPERCLASSES]].to_numpy() for frame in frames]
    return y_true, np.stack(scores)


def made(n_records: int) -> tuple[np.ndarray, np.ndarray]:
    """Three members of different quality, whose errors are partly the same."""
    generator = np.random.default_rng(0)
    shape = (n_records, len(PREVALENCE))
    y_true = (generator.random(shape) < PREVALENCE).astype(np.uint8)
    shared = generator.normal(size=shape)
    scores = [
        1 / (1 + np.exp(-(2.5 * y_true - 2 + shared + noise * generator.normal(size=shape))))
        for noise in (0.8, 1.0, 1.4)
    ]
    return y_true, np.stack(scores).astype(np.float32)


if __name__ == "__main__":
    main()
