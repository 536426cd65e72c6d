"""What logging costs an answer, and what a kill -9 loses of it: nothing that was acknowledged.

python -m benchmarks.watch_log --model pretrained/se_resnet1d --data PTBXL

Answers under load from several clients, while the server is killed again and again; then requests
of one record to a server that logs and to one that doesn't, in turns.
"""

import argparse
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import requests
import wfdb

from benchmarks.servers.answering import answering, free_port, url
from heart_reader.files import user_path
from heart_reader.predictions.columns import ANSWER
from heart_reader.predictions.log import Log, collect, open_table
from heart_reader.predictions.place import KEY_VARIABLE, VARIABLE, Place, find_place
from heart_reader.reading.logged import log_answers
from heart_reader.reading.records import findings_of, recorded_of
from heart_reader.reading.sent import Beside, of_signals
from heart_reader.tracking.pyfunc import HeartReaderModel

KEY = "benchmark"
JSON = {"Content-Type": "application/json"}


def main() -> None:
    """Prints both."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="pretrained/se_resnet1d", help="a bundle folder")
    parser.add_argument("--data", type=user_path, required=True, help="a PTB-XL tree")
    parser.add_argument("--answers", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--size", type=int, default=20, help="records of a request under load")
    parser.add_argument(
        "--requests", type=int, default=300, help="of one record, with and without"
    )
    options = parser.parse_args()
    files = sorted(options.data.glob("records100/00000/*.hea"))[:200]
    signals = [np.round(wfdb.rdsamp(str(f)[:-4])[0].T, 3).tolist() for f in files]
    with tempfile.TemporaryDirectory() as name:
        os.environ |= {VARIABLE: f"sqlite:///{name}/log.db", KEY_VARIABLE: KEY,
                       "HEART_READER_CACHE": f"{name}/cache"}  # fmt: skip
        direct(options, signals, Path(name))
        under_kills(options, signals)
        latency(options, signals)


# ---------------------------------------------------------------- killed


def under_kills(options: argparse.Namespace, signals: list[object]) -> None:
    """Counts answers that were acknowledged, and rows that are there."""
    place = find_place()
    assert place is not None
    acknowledged: list[str] = []
    numbers, lock, stop = itertools.count(), threading.Lock(), threading.Event()
    kills = [options.answers * (k + 1) // (options.kills + 1) for k in range(options.kills)]
    port = free_port()

    def ask() -> None:
        session = requests.Session()
        while not stop.is_set():
            with lock:
                first = next(numbers) * options.size
            names = [f"r{first + k}" for k in range(options.size)]
            sent = [signals[(first + k) % len(signals)] for k in range(options.size)]
            body = {"inputs": {"signal": sent}, "params": {"record": names}}
            try:
                answer = session.post(url(port), json.dumps(body), headers=JSON, timeout=60)
            except requests.RequestException:
                time.sleep(0.5)  # killed: it is started again
                continue
            if answer.status_code == 200:
                with lock:
                    acknowledged.extend(names)

    clients = [threading.Thread(target=ask) for _ in range(options.clients)]
    for client in clients:
        client.start()
    process, started = start(options.model, port), time.monotonic()
    while len(acknowledged) < options.answers:
        if kills and len(acknowledged) >= kills[0]:
            kills.pop(0)
            time.sleep(random.random())
            process.send_signal(signal.SIGKILL)
            process.wait()
            process = start(options.model, port)
        time.sleep(0.01)
    stop.set()
    process.send_signal(signal.SIGKILL)
    process.wait()
    for client in clients:
        client.join()
    report(place, options.model, acknowledged, options.kills + 1, time.monotonic() - started)


def report(
    place: Place, model: str, acknowledged: list[str], n_kills: int, seconds: float
) -> None:
    """What of it is in the table."""
    collect(place)
    table = open_table(place)
    rows = table.newest(user_path(model).name, ANSWER, 10**9)
    table.close()
    there = [row["record"] for row in rows]
    lost = {place.hashed(name) for name in acknowledged} - set(there)
    print(
        f"{len(acknowledged):,} answers acknowledged in {seconds:.0f} s, server killed {n_kills} "
        f"times: {len(lost)} lost, {len(there) - len(set(there))} twice, "
        f"{len(there) - len(acknowledged)} answered but never acknowledged"
    )


# ---------------------------------------------------------------- slowed


def latency(options: argparse.Namespace, signals: list[object]) -> None:
    """p50 and p95 of requests of one record, with the log and without, in turns."""
    seconds: dict[str, list[float]] = {"with": [], "without": []}
    with served(options.model, True) as logs, served(options.model, False) as silent:
        session = requests.Session()
        for k in range(options.requests + 10):
            body = json.dumps({"inputs": {"signal": [signals[k % len(signals)]]}})
            for name, port in (("with", logs), ("without", silent)):
                began = time.perf_counter()
                session.post(url(port), body, headers=JSON, timeout=60).raise_for_status()
                seconds[name].append(time.perf_counter() - began)
    for name, values in seconds.items():
        p50, p95 = np.percentile(np.array(values[10:]) * 1e3, [50, 95])
        print(f"{name:8s} the log: p50 {p50:.2f} ms, p95 {p95:.2f} ms of {options.requests}")
    paired = (np.array(seconds["with"]) - np.array(seconds["without"]))[10:] * 1e3
    print(f"median difference of a pair {np.median(paired):+.2f} ms")


@contextmanager
def served(model: str, logs: bool) -> Iterator[int]:
    """A server's port."""
    port = free_port()
    with answering(start(model, port, logs), port):
        yield port


def start(model: str, port: int, logs: bool = True) -> "subprocess.Popen[bytes]":
    """Our server, on a bundle folder."""
    environment = {k: v for k, v in os.environ.items() if logs or k != VARIABLE}
    command = [sys.executable, "-m", "heart_reader.serve", "--model", model, "--port", str(port)]
    return subprocess.Popen(command, env=environment)


# ---------------------------------------------------------------- in the answering thread


def direct(options: argparse.Namespace, signals: list[object], folder: Path) -> None:
    """What the thread that answers does for the log, by itself, while the writer works."""
    model = HeartReaderModel()
    model.read_bundle(user_path(options.model), ANSWER)
    spec = model.bundle.spec
    log = Log(Place("sqlite", f"sqlite:///{folder}/direct.db", 10**6, b"x", folder / "direct"))
    read = of_signals(signals[:50], Beside(None, None, None), spec)
    found = [recorded_of([each], spec) for each in read]
    said = [
        findings_of(model.bundle, each, model.bundle.predict(each.signals), None) for each in found
    ]
    features = [each.features(model.bundle.feature_source) for each in found]
    seconds = []
    for k in range(5_000):
        n = k % len(found)
        began = time.perf_counter()
        log_answers(log, model.origin, found[n], said[n], features[n], [f"d{k}"])
        seconds.append(time.perf_counter() - began)
        time.sleep(0.001)
    p50, p95, p999 = np.percentile(np.array(seconds) * 1e3, [50, 95, 99.9])
    print(f"logging in the thread that answers: p50 {p50:.3f} ms, p95 {p95:.3f}, 99.9% {p999:.3f}")
    log.close()


if __name__ == "__main__":
    main()
