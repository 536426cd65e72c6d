"""Inputs that mean harm, each made in a folder of its own."""

import json
import os
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from safetensors.numpy import load_file, save_file

from heart_reader.project import REPOSITORY

BUNDLE, RECORD = REPOSITORY / "pretrained" / "se_resnet1d", REPOSITORY / "examples" / "normal"
Case = Callable[[Path], list[str]]  # the words of a command line; ``--config FILE`` is read alone


# ---------------------------------------------------------------- bundles


def bundle(*keys: str, value: Any) -> Case:
    """A bundle whose JSON says something else."""

    def make(folder: Path) -> list[str]:
        copied = _copied(folder)
        tree = json.loads((copied / "bundle.json").read_text())
        inner = tree
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = value
        (copied / "bundle.json").write_text(json.dumps(tree))
        return ["--model", str(copied), str(RECORD)]

    return make


def weights(value: float) -> Case:
    """A bundle with a number among its weights."""

    def make(folder: Path) -> list[str]:
        copied = _copied(folder)
        tensors = load_file(copied / "weights.safetensors")
        name = next(name for name, each in tensors.items() if each.ndim > 1)
        tensors[name].flat[0] = np.array(value).astype(tensors[name].dtype)
        save_file(tensors, copied / "weights.safetensors")
        return ["--model", str(copied), str(RECORD)]

    return make


def instead(name: str, put: Callable[[Path], None]) -> Case:
    """A bundle in which something that isn't a file stands for one."""

    def make(folder: Path) -> list[str]:
        copied = _copied(folder)
        (copied / name).unlink()
        put(copied / name)
        return ["--model", str(copied), str(RECORD)]

    return make


def _copied(folder: Path) -> Path:
    shutil.copytree(BUNDLE, folder / "bundle")
    return folder / "bundle"


# ---------------------------------------------------------------- records


def wfdb(old: str, new: str) -> Case:
    """A record whose header says something else."""

    def make(folder: Path) -> list[str]:
        header = RECORD.with_suffix(".hea").read_text()
        if old not in header:
            raise ValueError(f"{RECORD}.hea has no {old!r}")
        (folder / "normal.hea").write_text(header.replace(old, new))
        shutil.copy(RECORD.with_suffix(".dat"), folder)
        return _read(folder / "normal")

    return make


def segments(*names: str) -> Case:
    """A record of segments."""

    def make(folder: Path) -> list[str]:
        lines = [f"normal/{len(names)} 12 100 1000", *(f"{name} 1000" for name in names)]
        (folder / "normal.hea").write_text("\n".join(lines) + "\n")
        return _read(folder / "normal")

    return make


def table(content: str) -> Case:
    """A text file."""

    def make(folder: Path) -> list[str]:
        (folder / "x.csv").write_text(content)
        return [*_read(folder / "x.csv"), "--fs", "100"]

    return make


def place(name: str) -> Case:
    """A record at a place that is none."""
    return lambda folder: _read(name)


def output(option: str, put: Callable[[Path], None]) -> Case:
    """A page or a sheet that is to be written where nothing can be."""

    def make(folder: Path) -> list[str]:
        put(folder / "there")
        return [*_read(RECORD), option, str(folder / "there")]

    return make


def _read(record: Path | str) -> list[str]:
    return ["--model", str(BUNDLE), str(record)]


def configuration(content: str) -> Case:
    """A YAML file."""

    def make(folder: Path) -> list[str]:
        (folder / "mine.yaml").write_text(content)
        return ["--config", str(folder / "mine.yaml")]

    return make


def _a_file(path: Path) -> None:
    path.write_text("mine")


def _inside_a_file(path: Path) -> None:
    path.symlink_to("/proc/1/nothing")


HUGE = "9" * 9
ROW = ",".join(["0.1"] * 12)
DIGITS = "9" * 20_000
ALIASES = "seed:\n- &a [x, x]\n" + "".join(
    f"- &{now} [*{before}, *{before}]\n" for before, now in pairwise("abcdefghijklmnopqrstuvwxyz")
)
CHOICES = yaml.safe_dump({"training": {"loss": [f"x{n}" for n in range(10_000)]}})
CASES: dict[str, dict[str, Case]] = {
    "bundle": {
        "a width of 1e9": bundle("model", "se_resnet1d", "width", value=10**9),
        "a kernel of 1e9": bundle("model", "se_resnet1d", "kernel_sizes", value=[10**9, 3]),
        "no feature sizes": bundle("model", "fusion", "feature_sizes", value=[]),
        "a million blocks": bundle("model", "se_resnet1d", "stage_depths", value=[10**6] * 3),
        "a normaliser of 3 leads": bundle("normaliser", "mean", value=[0.0] * 3),
        "a normaliser of NaN": bundle("normaliser", "mean", value=[float("nan")] * 12),
        "a normaliser of 1e308": bundle("normaliser", "std", value=[1e308] * 12),
        "an encoder of infinities": bundle("encoder", "scale", value=[float("inf")] * 12),
        "thresholds of NaN": bundle("thresholds", value=[float("nan")] * 5),
        "thresholds of 1e308": bundle("thresholds", value=[1e308] * 5),
        "1e9 samples": bundle("n_times", value=10**9),
        "a number of 20,000 digits": instead(
            "bundle.json", lambda path: path.write_text('{"format": ' + DIGITS + "}") and None
        ),
        "a weight of NaN": weights(float("nan")),
        "a weight of infinity": weights(float("inf")),
        "a fifo for weights": instead("weights.safetensors", os.mkfifo),
        "a fifo for JSON": instead("bundle.json", os.mkfifo),
        "/dev/zero for weights": instead(
            "weights.safetensors", lambda path: path.symlink_to("/dev/zero")
        ),
        "/dev/zero for JSON": instead("bundle.json", lambda path: path.symlink_to("/dev/zero")),
        "JSON nested 100,000 deep": instead(
            "bundle.json", lambda path: path.write_text("[" * 100_000) and None
        ),
    },
    "WFDB": {
        "1e9 leads": wfdb("normal 12 ", f"normal {HUGE} "),
        "1e9 samples": wfdb("100 1000", f"100 {HUGE}"),
        "a huge skew": wfdb("normal.dat 16 ", f"normal.dat 16:{HUGE} "),
        "no samples a frame": wfdb("normal.dat 16 ", "normal.dat 16x0 "),
        "1e9 samples a frame": wfdb("normal.dat 16 ", f"normal.dat 16x{HUGE} "),
        "a byte offset of 1e18": wfdb("normal.dat 16 ", "normal.dat 16+" + "9" * 18 + " "),
        "huge initial values": wfdb(
            "normal.dat 16 1000.0(0)/mV 16 0 -", f"normal.dat 8 1000.0(0)/mV 16 0 {HUGE}"
        ),
        "gains of 1e-300": wfdb("1000.0(0)", "1e-300(0)"),
        "gains of 1e308": wfdb("1000.0(0)", "1e308(0)"),
        "a rate of 1e-300": wfdb("normal 12 100 ", "normal 12 1e-300 "),
        "a record that is its own segment": segments("normal", "normal"),
        "1e6 segments": segments(*["~"] * 10**6),
        "a signal file elsewhere": wfdb("normal.dat", "../../../../etc/passwd"),
        "a fifo as its signals": lambda folder: _with_fifo(folder),
    },
    "CSV": {
        "an empty first row": table("\n" + "\n".join([ROW] * 1000)),
        "an empty first cell": table("," * 11 + "\n" + "\n".join(["x," * 11] * 1000)),
        "a header alone": table("I,II,III,aVR,aVL,aVF,V1,V2,V3,V4,V5,V6\n"),
        "a line of 4 MB": table("1," * 2**21),
        "columns numbered by 20,000 digits": table(",".join([DIGITS] * 12) + f"\n{ROW}" * 500),
        "columns numbered ²": table(",".join("²" * 12) + f"\n{ROW}" * 500),
        "a million columns": table("\n".join(["1," * 10**6] * 3)),
    },
    "place": {
        "a NUL in a name": place("x\0y"),
        "s3://": place("s3://bucket/record"),
        "https://": place("https://127.0.0.1/record"),
        "/dev/zero": place("/dev/zero"),
        "a name of 70,000 letters": place("x" * 70_000),
        "--plot into a file": output("--plot", _a_file),
        "--report into a file": output("--report", _a_file),
        "--explain where nothing can be written": output("--explain", _inside_a_file),
    },
    "YAML": {
        "nested 5,000 deep": configuration("a: " + "[" * 5000 + "]" * 5000),
        "dashes nested 5,000 deep": configuration("a:\n  " + "- " * 5000 + "x"),
        "aliases of aliases": configuration(ALIASES),
        "10,000 choices": configuration(CHOICES),
        "100,000 choices": configuration("a: [" + "x, " * 10**5 + "]"),
        "a number of 20,000 digits": configuration(f"seed: {DIGITS}"),
        "a day that isn't": configuration("seed: 2026-99-99"),
    },
}  # fmt: skip


def _with_fifo(folder: Path) -> list[str]:
    shutil.copy(RECORD.with_suffix(".hea"), folder)
    os.mkfifo(folder / "normal.dat")
    return _read(folder / "normal")
