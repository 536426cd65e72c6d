"""What a device folder says to who holds it: README and example."""

from collections.abc import Mapping
from typing import Any

_README = """# {title}

Reads a 12-lead ECG and gives the probability of each of {classes}.

| input | shape | type | what |
|---|---|---|---|
| `signal` | {shape} | float32 | millivolts, {fs} Hz, {seconds} s; leads {leads} |
{feature_rows}
The output `probabilities` is float32, one row a record, in the order above. Nothing else is to be
done: normalisation, scaling of features and the sigmoid are inside the model. A probability at
or above its threshold in `labels.json` means that the finding is there; thresholds were chosen on
PTB-XL's fold 9 for each file. TFLite files take one record at a time, ONNX files any number.
Match inputs by name: their order differs between files.

A model answers whatever it is given, a flat line too. `heart_reader.edge.run` judges the signal
first (flat or copied leads, no QRS, impossible amplitudes) and gives no labels where it can't be
read; `example.py` refuses flat lines alone.

| file | bytes | SHA-256 |
|---|---|---|
{files}

    python example.py {first} ECG.csv    # 1000 lines of 12 numbers
    python -m heart_reader.edge.run {first} RECORD

Not a medical device. Made from {source}.
"""

_FEATURE_ROWS = """| `features` | (n, {n}) | float32 | raw, named in `labels.json`; 0 if missing |
| `mask` | (n, {n}) | float32 | 1 where a feature was measured, 0 where not; all 0: no features |
"""

_EXAMPLE = '''"""Reads an ECG: python example.py MODEL ECG.csv (1000 lines of 12 numbers in mV)."""

import json
import pathlib
import sys

import numpy as np
{load}

model, ecg = map(pathlib.Path, sys.argv[1:])
labels = json.loads((model.parent / "labels.json").read_text())
thresholds = labels["files"][model.name]["thresholds"]
signal = np.loadtxt(ecg, delimiter=",", dtype=np.float32).T[None]  # (1, 12, 1000)
if np.median(np.ptp(signal, axis=2)) < 0.05:
    sys.exit("no signal: most leads are flat (values in volts?), so that nothing is said")
{run}
for name, p in zip(labels["classes"], probabilities[0]):
    print(f"{{name:5}} {{p:.3f}}", "present" if p >= thresholds[name] else "")
'''

# Interpreter's import, and the lines from `signal` to `probabilities`. A signal-only model has no
# other input; features and mask of a fused one stay 0: none was measured.
_CALLS = {
    "tflite": (
        "from ai_edge_litert.interpreter import Interpreter",
        """runner = Interpreter(str(model), num_threads=1).get_signature_runner()
shapes = {name: item["shape"] for name, item in runner.get_input_details().items()}
feed = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
probabilities = runner(**(feed | {"signal": signal}))["probabilities"]""",
    ),
    "onnx": (
        "import onnxruntime",
        """session = onnxruntime.InferenceSession(model)
shapes = {item.name: [1, *item.shape[1:]] for item in session.get_inputs()}
feed = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
(probabilities,) = session.run(None, feed | {"signal": signal})""",
    ),
}


def readme(tree: Mapping[str, Any]) -> str:
    """README.md of a folder whose labels.json holds ``tree``."""
    features = tree["features"]
    rows = "" if features is None else _FEATURE_ROWS.format(n=len(features["names"]))
    files = tree["files"]
    return _README.format(
        title=f"ECG model for a device, form {tree['form']!r}",
        classes=", ".join(tree["classes"]),
        shape=f"(n, {len(tree['leads'])}, {tree['n_times']})",
        fs=tree["sampling_rate"],
        seconds=tree["n_times"] // tree["sampling_rate"],
        leads=" ".join(tree["leads"]),
        feature_rows=rows,
        files="\n".join(f"| `{k}` | {v['size']} | `{v['sha256']}` |" for k, v in files.items()),
        first=next(iter(_examples(tree))),
        source=", ".join(f"{key} {value}" for key, value in tree["source"].items()) or "a bundle",
    )


def example(tree: Mapping[str, Any]) -> str:
    """example.py: for the folder's TFLite files, or its ONNX files where it has no others."""
    load, run = _CALLS[_examples(tree)[0].rpartition(".")[2]]
    return _EXAMPLE.format(load=load, run=run)


def _examples(tree: Mapping[str, Any]) -> list[str]:
    """Files that the example runs, the smallest first."""
    files = tree["files"]
    lite = [name for name in files if name.endswith(".tflite")]
    return sorted(lite or files, key=lambda name: files[name]["size"])
