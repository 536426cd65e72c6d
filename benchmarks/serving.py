"""Latency of `mlflow models serve` for one record, and its answers against the process's own.

mlflow models serve -m models:/heart-reader-ensemble@champion --env-manager local -p 5010
python benchmarks/serving.py http://127.0.0.1:5010 models:/heart-reader-ensemble@champion
"""

import argparse
import json
import time

import numpy as np
import requests

from heart_reader.config.load import load_config
from heart_reader.data.dataset import load_development
from heart_reader.data.ptbxl import SUPERCLASSES
from heart_reader.files import cache_folder
from heart_reader.tracking import load_registered, resolve_version

N_REQUESTS = 200
JSON = {"Content-Type": "application/json"}


def main() -> None:
    """Prints p50 and p95, and the largest difference of a probability."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="of the model server, http://...")
    parser.add_argument("model", help="that it serves, models:/NAME@ALIAS")
    options = parser.parse_args()
    bundle = load_registered(resolve_version(options.model))
    config = load_config("default", {"features": "none"})
    records = load_development(config.data, config.task, config.features, cache_folder())
    signals = records.millivolts(np.arange(20)).astype(np.float32)  # (20, n_leads, n_times)
    for features in ("compute", "none"):
        seconds, worst = [], 0.0
        for k in range(N_REQUESTS + 5):
            signal = signals[[k % len(signals)]]
            body = {"inputs": {"signal": signal.tolist()}, "params": {"features": features}}
            text = json.dumps(body)
            started = time.perf_counter()
            answer = requests.post(
                f"{options.url}/invocations",
                text,
                headers={"Content-Type": "application/json"},
                timeout=60,
            )
            seconds.append(time.perf_counter() - started)
            answer.raise_for_status()
            if k < len(signals):
                row = answer.json()["predictions"][0]
                ours = bundle.predict(signal, features if features == "compute" else None)[0]
                said = np.array([row[name] for name in SUPERCLASSES])
                worst = max(worst, float(np.abs(said - ours).max()))
        p50, p95 = np.percentile(np.array(seconds[5:]) * 1e3, [50, 95])
        print(
            f"features {features:8s} {N_REQUESTS} requests of one record: p50 {p50:.1f} ms, "
            f"p95 {p95:.1f} ms; largest difference from in-process {worst:.1e}"
        )


if __name__ == "__main__":
    main()
