"""What a C kit costs where it is built: here, or on a board that ssh reaches."""

import io
import json
import re
import shlex
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from heart_reader.errors import ModelError

COMPILER = "arm-none-eabi-gcc"
WHERE = 'work=$(mktemp -d) && trap "rm -rf $work" EXIT && tar x -C "$work" && cd "$work" && '
BUILD = "make -s build/host >&2 && "


@dataclass(frozen=True)
class KitCost:
    """Of one kit.

    Attributes:
        seconds: of each prediction of one record, (n_runs,).
        arena_bytes: of RAM, beside the caller's signal.
        flash_bytes: linked for a Cortex-M4 where there is a compiler for it, else the constants
            alone.
        linked: whether ``flash_bytes`` counts the code.
    """

    seconds: NDArray[np.float64]
    arena_bytes: int
    flash_bytes: int
    linked: bool


def kit_cost(device: Path, n_runs: int, host: str | None = None) -> KitCost | None:
    """Builds the kit of a device folder in a temporary folder and runs it; ``None``: it has none.

    Args:
        device: the folder with labels.json.
        n_runs: predictions.
        host: words for ssh, such as "pi@board" or "-p 2222 pi@board"; needs make, a C compiler
            and tar there. ``None``: this machine.

    Raises:
        ModelError: a build or a connection that fails.
    """
    labels = device / "labels.json"
    told = json.loads(labels.read_text(encoding="utf-8")) if labels.is_file() else {}
    if "c_kit" not in told:
        return None
    facts = told["c_kit"]
    packed = _packed(device / facts["folder"])
    way = ["sh", "-c"] if host is None else ["ssh", *shlex.split(host)]
    said = _said(way, f"{WHERE}{BUILD}./build/host bench {n_runs}", packed)
    seconds = np.array([float(line) for line in said.split()]) / 1e3
    flash, linked = int(facts["constant_bytes"]), False
    if shutil.which(COMPILER):
        found = re.search(
            r"flash (\d+) bytes", _said(["sh", "-c"], f"{WHERE}make -s size", packed)
        )
        if found:
            flash, linked = int(found[1]), True
    return KitCost(seconds, int(facts["arena_bytes"]), flash, linked)


def _packed(folder: Path) -> bytes:
    """A tar of the folder's files; what was built in it stays."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for path in sorted(folder.iterdir()):
            if path.is_file():
                tar.add(path, path.name)
    return stream.getvalue()


def _said(way: Sequence[str], script: str, packed: bytes) -> str:
    done = subprocess.run([*way, script], input=packed, capture_output=True, check=False)
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no word"]
        raise ModelError(f"the C kit can't be measured by {' '.join(way)}: {lines[-1]}")
    return done.stdout.decode()
