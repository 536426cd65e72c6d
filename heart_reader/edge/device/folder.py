"""The folder that goes to a device: model files, what they mean, and how to call them.

FILE.onnx, FILE.tflite   the models, all of one form
labels.json              classes, thresholds of each file, input contract, source, versions
README.md                the input contract in words
example.py               reads one ECG with numpy and an interpreter alone
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heart_reader.bundle.single import whole_folder
from heart_reader.data import delineation
from heart_reader.data.features import FeatureEncoder
from heart_reader.data.ptbxl import LEADS, N_TIMES, SAMPLING_RATE, SUPERCLASSES
from heart_reader.edge.device.texts import example, readme
from heart_reader.errors import ModelError
from heart_reader.files import sha256_of

FORMAT = 1
LABELS = "labels.json"

_CONTRACT = {
    "format": FORMAT,
    "classes": list(SUPERCLASSES),
    "leads": list(LEADS),
    "sampling_rate": SAMPLING_RATE,
    "n_times": N_TIMES,
    "unit": "mV",
}


@dataclass(frozen=True)
class DeviceFile:
    """A model file and what is known of it.

    Attributes:
        path: ending in .onnx or .tflite.
        thresholds: one for each class of ``SUPERCLASSES``, chosen on fold 9 with this very file.
    """

    path: Path
    thresholds: NDArray[np.float64]


@dataclass(frozen=True)
class Labels:
    """What labels.json says of one file.

    Attributes:
        thresholds: one for each class of ``SUPERCLASSES``; at or above means present.
        feature_source: where the features came from that the model was trained on; ``None``
            for a signal-only file.
        feature_names: in order.
        source: the registered model that the file was made from.
    """

    thresholds: NDArray[np.float64]
    feature_source: str | None
    feature_names: tuple[str, ...]
    source: Mapping[str, str]


def write_device_folder(
    folder: Path,
    files: Sequence[DeviceFile],
    encoder: FeatureEncoder | None,
    source: Mapping[str, str],
) -> None:
    """Writes the folder whole: it is there complete or not at all.

    Args:
        folder: isn't there yet.
        files: are copied; all of one form.
        encoder: of the bundle, for the fused form; ``None`` for the signal-only form.
        source: name, version and the like of the registered model.

    Raises:
        ModelError: the folder exists already.
    """
    tree = _tree(files, encoder, source)
    with whole_folder(folder) as temporary:
        for file in files:
            shutil.copyfile(file.path, temporary / file.path.name)
        text = json.dumps(tree, indent=1, allow_nan=False)
        (temporary / LABELS).write_text(text, encoding="utf-8")
        (temporary / "README.md").write_text(readme(tree), encoding="utf-8")
        (temporary / "example.py").write_text(example(tree), encoding="utf-8")


def _tree(
    files: Sequence[DeviceFile], encoder: FeatureEncoder | None, source: Mapping[str, str]
) -> dict[str, Any]:
    features = None
    if encoder is not None:
        features = {
            "source": encoder.source,
            "delineation_version": delineation.VERSION,
            "names": list(encoder.names),
        }
    return {
        **_CONTRACT,
        "form": "signal" if encoder is None else "fused",
        "features": features,
        "files": {file.path.name: _described(file) for file in files},
        "source": dict(source),
        "versions": {
            name: version(name)
            for name in ("torch", "onnx", "onnxruntime", "onnx2tf", "tensorflow", "ai-edge-litert")
        },
    }


def _described(file: DeviceFile) -> dict[str, Any]:
    return {
        "sha256": sha256_of(file.path),
        "size": file.path.stat().st_size,
        # Static shapes of TFLite files; an ONNX file takes any number of records.
        "layout": "(1, 12, 1000)" if file.path.suffix == ".tflite" else "(n, 12, 1000)",
        "thresholds": dict(zip(SUPERCLASSES, file.thresholds.tolist(), strict=True)),
    }


def read_labels(model: Path) -> Labels:
    """What the labels.json beside a model file says of it.

    Raises:
        ModelError: either missing, of another format, or a model that isn't the one it names.
    """
    path = model.parent / LABELS
    if not model.is_file():
        raise ModelError(f"there is no model file {model}")
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
        _check_contract(path, tree)
        entry = tree["files"].get(model.name)
        if entry is None:
            raise ModelError(f"{path} names {', '.join(tree['files'])}, but not {model.name}")
        thresholds = np.array([entry["thresholds"][name] for name in SUPERCLASSES], np.float64)
        features = tree["features"] or {"source": None, "names": []}
        labels = Labels(
            thresholds, features["source"], tuple(features["names"]), dict(tree["source"])
        )
        expected = str(entry["sha256"])
    except (OSError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise ModelError(f"{path} can't be read: {error!r}") from error
    if sha256_of(model) != expected:
        raise ModelError(f"{model} is damaged, or another file than {path} was written for")
    return labels


def _check_contract(path: Path, tree: Mapping[str, Any]) -> None:
    for key, ours in _CONTRACT.items():
        if tree[key] != ours:
            raise ModelError(f"{path} has {key} {tree[key]!r}, this code reads {ours!r}")
