"""What trainings on the same cores take from each other, by how OpenMP's threads wait.

    python -m benchmarks.two_at_once [--seconds 20] [--repeats 2] [--backbone se_resnet1d]

Steps of a training a second: alone, two at once (of each), and beside busy loops, one a core. The
settings take turns, so that a busy machine slows all of them. "ours" is what the package sets.
Exit code 1 where two at once take more than 1.7 times as long as one with it, or one beside busy
loops 2.5 times.
"""

import argparse
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from heart_reader.project import REPOSITORY

SETTINGS: Mapping[str, Mapping[str, str]] = {
    "OpenMP's default": {"GOMP_SPINCOUNT": "20000000"},
    "ours": {},
    "passive": {"OMP_WAIT_POLICY": "passive"},
}
BARS = {"two at once": 1.7, "beside busy loops": 2.5}
STEPS = """
import sys, time
import heart_reader
from benchmarks.train_step import make_steps
step = make_steps(sys.argv[1], 16)["float32"]
step()
begun, n = time.monotonic(), 0
while time.monotonic() - begun < float(sys.argv[2]):
    step()
    n += 1
print(n / (time.monotonic() - begun))
"""
LOOP = "import time\nend = time.monotonic() + float(__import__('sys').argv[1])\n" \
    "while time.monotonic() < end: pass"  # fmt: skip


def trainings(n: int, backbone: str, seconds: float, setting: Mapping[str, str]) -> float:
    """Steps a second of each of some trainings at once, the mean."""
    command = [sys.executable, "-c", STEPS, backbone, str(seconds)]
    free = {k: v for k, v in os.environ.items() if k not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    started = [
        subprocess.Popen(
            command, env={**free, **setting}, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
        )
        for _ in range(n)
    ]
    return statistics.mean(float(process.communicate()[0]) for process in started)


def beside_loops(backbone: str, seconds: float, setting: Mapping[str, str]) -> float:
    """Steps a second of one training beside a busy loop a core."""
    cores = len(os.sched_getaffinity(0))
    loops = [
        subprocess.Popen([sys.executable, "-c", LOOP, str(seconds * 2 + 30)]) for _ in range(cores)
    ]
    try:
        return trainings(1, backbone, seconds, setting)
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def measure(backbone: str, seconds: float, repeats: int) -> dict[str, dict[str, float]]:
    """Median steps a second of each setting in each situation."""
    found: dict[str, dict[str, list[float]]] = {}
    for _ in range(repeats):
        for name, setting in SETTINGS.items():
            rates = {
                "alone": trainings(1, backbone, seconds, setting),
                "two at once": trainings(2, backbone, seconds, setting),
                "beside busy loops": beside_loops(backbone, seconds, setting),
            }
            for situation, rate in rates.items():
                found.setdefault(name, {}).setdefault(situation, []).append(rate)
    return {
        name: {situation: statistics.median(rates) for situation, rates in each.items()}
        for name, each in found.items()
    }


def main(words: Sequence[str] | None = None) -> int:
    """Measures, prints the table, and says whether the bars hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement")
    parser.add_argument("--repeats", type=int, default=2, help="of which the median is taken")
    parser.add_argument("--backbone", default="se_resnet1d", help="that is trained")
    options = parser.parse_args(words)
    found = measure(options.backbone, options.seconds, options.repeats)
    table = Table("threads wait", "situation", "steps/s", "times as long as alone")
    for name, rates in found.items():
        for situation, rate in rates.items():
            table.add_row(name, situation, f"{rate:.2f}", f"{rates['alone'] / rate:.2f}")
    Console().print(table)
    ours = found["ours"]
    missed = [each for each, bar in BARS.items() if ours["alone"] / ours[each] > bar]
    for each in missed:
        print(f"{each}: more than {BARS[each]} times as long", file=sys.stderr)
    return int(bool(missed))


if __name__ == "__main__":
    raise SystemExit(main())
