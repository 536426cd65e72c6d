"""What a device folder says to who holds it: README and example."""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from heart_reader.data.demo.marks import KEY, WARNING, is_synthetic, marked
from heart_reader.edge.formats.base import Format
from heart_reader.edge.formats.table import FORMATS
from heart_reader.evaluation.trust.calibrator import EDGE, OWN_SHARE

_README = """# {title}

{warning}Reads a 12-lead ECG and gives the probability of each of {classes}.

| input | shape | type | what |
|---|---|---|---|
| `signal` | {shape} | float32 | millivolts, {fs} Hz, {seconds} s; leads {leads} |
{feature_rows}
The output `probabilities` is float32, one row a record, in the order above. {rest}:
normalisation, scaling of features and the sigmoid are inside the model. A probability at or
above its threshold in `labels.json` means that the finding is there; thresholds were chosen on
{data} for each file. {numbers}
Match inputs by name: their order differs between files.

A model answers whatever it is given, a flat line too. `heart_reader.edge.run` judges the signal
first (flat or copied leads, no QRS, impossible amplitudes) and gives no labels where it can't be
read; `example.py` refuses flat lines alone.

| file | bytes | SHA-256 |
|---|---|---|
{files}
{left_out}{kit}
    python example.py {first} ECG.csv    # {n_times} lines of {n_leads} numbers
    python -m heart_reader.edge.run {first} RECORD

Not a medical device. Made from {source}.
"""

_FEATURE_ROWS = """| `features` | (n, {n}) | float32 | raw, named in `labels.json`; 0 if missing |
| `mask` | (n, {n}) | float32 | 1 where a feature was measured, 0 where not; all 0: no features |
"""

_KIT = """
`{folder}/` holds `{source}` as C99 for a microcontroller: {arena_bytes:,} bytes of RAM,
{constant_bytes:,} of flash beside the code. `make -C {folder} check` builds it and compares with
golden vectors.
"""

_EXAMPLE = '''"""python example.py MODEL ECG.csv: {n_times} lines of {n_leads} numbers in mV."""
import json
import pathlib
import sys

import numpy as np
{load}

model, ecg = map(pathlib.Path, sys.argv[1:])
labels = json.loads((model.parent / "labels.json").read_text())
thresholds = labels["files"][model.name]["thresholds"]{curves}
signal = np.loadtxt(ecg, delimiter=",", dtype=np.float32).T[None]  # (1, {n_leads}, {n_times})
if np.median(np.ptp(signal, axis=2)) < 0.05: sys.exit("most leads are flat: nothing is said")
{run}
for name, p in zip(labels["classes"], probabilities[0]):
{through}    print(f"{{name:5}} {{p:.3f}}", "present" if p >= thresholds[name] else "")
'''

# Only where there is something to calibrate by.
_CURVES = f"""
curves = labels["files"][model.name]["calibration"]


def calibrated(p, curve):
    \"\"\"A probability that keeps its word, by the constants of labels.json.\"\"\"
    if curve["method"] == "isotonic":
        return {1 - OWN_SHARE} * np.interp(p, curve["x"], curve["y"]) + {OWN_SHARE} * p
    if curve["method"] == "none":
        return p
    p = min(max(float(p), {EDGE}), 1 - {EDGE})
    return 1 / (1 + np.exp(-curve["slope"] * np.log(p / (1 - p)) - curve["offset"]))


"""


def readme(tree: Mapping[str, Any]) -> str:
    """README.md of a folder whose labels.json holds ``tree``."""
    features, synthetic = tree["features"], is_synthetic(tree["source"])
    rows = "" if features is None else _FEATURE_ROWS.format(n=len(features["names"]))
    files, lost = tree["files"], tree.get("left_out", {})
    named = [f"{key} {value}" for key, value in tree["source"].items() if key != KEY]
    return _README.format(
        title=marked(f"ECG model for a device, form {tree['form']!r}", synthetic),
        warning=f"**Careful: {WARNING}.**\n\n" if synthetic else "",
        data="fold 9 of synthetic ECGs" if synthetic else "PTB-XL's fold 9",
        classes=", ".join(tree["classes"]),
        shape=f"(n, {len(tree['leads'])}, {tree['n_times']})",
        fs=tree["sampling_rate"],
        seconds=f"{tree['n_times'] / tree['sampling_rate']:g}",
        **_sizes(tree),
        rest=_rest(tree),
        leads=" ".join(tree["leads"]),
        feature_rows=rows,
        numbers=_numbers(),
        files="\n".join(f"| `{k}` | {v['size']} | `{v['sha256']}` |" for k, v in files.items()),
        left_out="".join(f"\nLeft out: `{k}`, {v}.\n" for k, v in lost.items()),
        kit=(_KIT.format(**tree["c_kit"]) if "c_kit" in tree else "") + _mobile(tree),
        first=next(iter(_examples(tree))),
        source=", ".join(named) or "a bundle",
    )


def example(tree: Mapping[str, Any]) -> str:
    """example.py: for the folder's files of the last format of `FORMATS` that it has."""
    call = _format_of(_examples(tree)[0]).example
    parts = {"curves": "", "through": ""}
    if _is_calibrated(tree):
        parts = {"curves": _CURVES, "through": "    p = calibrated(p, curves[name])\n"}
    return _EXAMPLE.format(load=call.load, run=call.run, **parts, **_sizes(tree))


def _rest(tree: Mapping[str, Any]) -> str:
    """What is left to do with the output."""
    if not _is_calibrated(tree):
        return "Nothing else is to be done"
    return (
        "It is to be calibrated by each file's `calibration` in `labels.json`, as `example.py` "
        "does, before it is read as a probability; nothing else is to be done"
    )


def _mobile(tree: Mapping[str, Any]) -> str:
    if not any(name.endswith(".tflite") for name in tree["files"]):
        return ""
    return (
        "\n`mobile/` has a class in Kotlin and one in Swift that call the smallest TFLite file.\n"
    )


def _is_calibrated(tree: Mapping[str, Any]) -> bool:
    return any("calibration" in entry for entry in tree["files"].values())


def _numbers() -> str:
    """How many records the files of each format take, in a sentence."""
    number = {False: "one record at a time", True: "any number"}
    ordered = sorted(FORMATS.values(), key=lambda each: each.any_number)
    said = [f"{each.name} files take {number[each.any_number]}" for each in ordered]
    return "; ".join(said) + "."


def _sizes(tree: Mapping[str, Any]) -> dict[str, int]:
    return {"n_times": tree["n_times"], "n_leads": len(tree["leads"])}


def _examples(tree: Mapping[str, Any]) -> list[str]:
    """Files that the example runs, the smallest first."""
    files = tree["files"]
    suffixes = [suffix for suffix in FORMATS if any(name.endswith(suffix) for name in files)]
    chosen = [name for name in files if name.endswith(suffixes[-1])]
    return sorted(chosen, key=lambda name: files[name]["size"])


def _format_of(name: str) -> Format:
    return FORMATS[PurePath(name).suffix]
