"""Broken bundles, ensembles, configurations, tables and tasks: each is taken or refused in a line.

python -m benchmarks.fuzz [--inputs 2500] [--seed 0] [--kind bundle] [--seconds 300]

`benchmarks.fuzz_files` does the same for ECG files. What is taken must answer with probabilities.
A kind's inputs are read in a process of its own. Time is computing time, memory is what an input
took above what the process held before it.
"""

import argparse
import copy
import json
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from benchmarks.damage.attempts import Outcome, attempt, mutated, print_outcome, print_table
from heart_reader.bundle.kinds import open_bundle
from heart_reader.config.load import load_config
from heart_reader.config.strict import flatten, to_dict
from heart_reader.data.manifest.read import read_manifest
from heart_reader.errors import SHOWN
from heart_reader.project import REPOSITORY
from heart_reader.tasks.file import read_task

# Of all inputs: an ensemble is three networks to open, and gets the fewest.
SHARES = {
    "bundle": 0.2, "ensemble": 0.05, "configuration": 0.4, "manifest": 0.175, "task": 0.175,
}  # fmt: skip
MEMORY = 6 * 2**30  # bytes that a process of inputs may take
Rng = np.random.Generator
ODD: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 10**9, 10**18, 1e308, -1e-300, float("nan"), float("inf")),
    *("", "x", "1e9", "nan", "a\nb", "\0", "../../etc/passwd", "/dev/zero", "x" * 70_000),
    *([], [[]], {}, {"a": 1}, [None]),
)
MANIFEST = "file,record_id,patient_id,fold,age,sex,AF,SB\n" + "".join(
    f"r{n}.csv,{n},{n},{1 + n % 10},{40 + n},{'mf'[n % 2]},{n % 2},{int(n % 3 == 0)}\n"
    for n in range(30)
)
TASK = {"name": "mine", "classes": {"AF": {"title": "Fibrillation"}, "SB": {"group": "rate"}}}


# ---------------------------------------------------------------- damage


def odd_tree(tree: Any, rng: Rng) -> Any:
    """A copy in which one value, or key, isn't what it should be."""
    changed = copy.deepcopy(tree)
    places = list(_places(changed))
    where, key = places[int(rng.integers(len(places)))]
    match int(rng.integers(4)):
        case 0:
            del where[key]
        case 1 if isinstance(where, dict):
            where[f"{key}_"] = where.pop(key)
        case _:
            where[key] = copy.deepcopy(ODD[int(rng.integers(len(ODD)))])
    return changed


def _places(tree: Any) -> Any:
    """Each value of a tree as what it lies in and its key there."""
    keys = list(tree) if isinstance(tree, dict) else range(len(tree))
    for key in keys:
        yield tree, key
        if isinstance(tree[key], dict | list):
            yield from _places(tree[key])


def damage(path: Path, rng: Rng) -> None:
    """Bytes of a file, or a value of what it says."""
    if path.suffix == ".safetensors" or rng.random() < 0.3:
        path.write_bytes(mutated(path.read_bytes(), rng))
        return
    tree = odd_tree(yaml.safe_load(path.read_text()), rng)
    text = json.dumps(tree) if path.suffix == ".json" else yaml.safe_dump(tree)
    path.write_text(text)


# ---------------------------------------------------------------- the kinds


def bundles(name: str) -> Callable[[Path, Rng], None]:
    """Opens a copy of a pretrained bundle in which one file is damaged, and asks it."""
    origin = REPOSITORY / "pretrained" / name

    def read(folder: Path, rng: Rng) -> None:
        for each in ("inception1d", "xresnet1d101", "se_resnet1d"):  # an ensemble's lie beside it
            (folder / each).symlink_to(origin.parent / each)
        copied = folder / "copy"
        shutil.copytree(origin, copied)
        files = sorted(each for each in copied.iterdir() if "evidence" not in each.name)
        damage(files[int(rng.integers(len(files)))], rng)
        bundle = open_bundle(copied)
        signals = rng.normal(0, 0.1, (2, len(bundle.spec.leads), bundle.spec.n_times))
        said = bundle.predict(signals, "compute", [50.0, 60.0], [0.0, 1.0])
        if not ((said >= 0) & (said <= 1)).all():
            raise ValueError(f"it answers with {said.tolist()}")

    return read


def configurations(folder: Path, rng: Rng) -> None:
    """One to three keys of the configuration with odd values, as the command line gives them."""
    keys = sorted(flatten(to_dict(load_config("default", {}))))
    some = rng.choice(len(keys), int(rng.integers(1, 4)), replace=False)
    load_config("default", {keys[k]: ODD[int(rng.integers(len(ODD)))] for k in some})


def manifests(folder: Path, rng: Rng) -> None:
    """A table of records with damaged bytes, or an odd cell."""
    path = folder / "records.csv"
    for n in range(30):
        (folder / f"r{n}.csv").touch()
    if rng.random() < 0.5:
        path.write_bytes(mutated(MANIFEST.encode(), rng))
    else:
        rows = [line.split(",") for line in MANIFEST.splitlines()]
        row, column = int(rng.integers(len(rows))), int(rng.integers(len(rows[0])))
        rows[row][column] = str(ODD[int(rng.integers(len(ODD)))])
        path.write_text("\n".join(",".join(row) for row in rows))
    read_manifest(path, None, 0)


def tasks(folder: Path, rng: Rng) -> None:
    """A file of classes."""
    path = folder / "task.yaml"
    path.write_text(yaml.safe_dump(TASK))
    damage(path, rng)
    read_task(path)


KINDS: dict[str, Callable[[Path, Rng], None]] = {
    "bundle": bundles("se_resnet1d"),
    "ensemble": bundles("ensemble"),
    "configuration": configurations,
    "manifest": manifests,
    "task": tasks,
}


def fuzz(kind: str, n_inputs: int, seed: int, seconds: float) -> Outcome:
    """Reads a kind's share of so many broken inputs, or as many as the time allows."""
    rng = np.random.default_rng([seed, sorted(KINDS).index(kind)])
    outcome = Outcome(kind)
    end = time.monotonic() + seconds
    for _ in range(round(SHARES[kind] * n_inputs)):
        if time.monotonic() > end:
            break
        with tempfile.TemporaryDirectory() as folder:
            attempt(partial(KINDS[kind], Path(folder), rng), outcome, _unclear)
    return outcome


def _unclear(text: str) -> bool:
    return not 0 < len(text.splitlines()) <= 2 * SHOWN


# ---------------------------------------------------------------- command line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=2500, help="broken inputs in all")
    parser.add_argument("--seconds", type=float, default=300, help="at most, for each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", choices=list(KINDS), help="one, in this process")
    options = parser.parse_args()
    if options.kind:
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
        print_outcome(fuzz(options.kind, options.inputs, options.seed, options.seconds))
    else:
        given = vars(options)
        words = [
            word for key in ("inputs", "seed", "seconds") for word in (f"--{key}", given[key])
        ]
        print_table("benchmarks.fuzz", KINDS, list(map(str, words)))


if __name__ == "__main__":
    main()
