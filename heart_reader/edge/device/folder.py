"""The folder that goes to a device: model files, what they mean, and how to call them.

FILE.SUFFIX    the models, of the formats in edge/formats/table.py, all of one form
labels.json    classes, thresholds of each file, input contract, source, versions
README.md      the input contract in words
c/             the INT8 TFLite file as C99, where it was asked for
mobile/        how an app calls a TFLite file, in Kotlin and in Swift
example.py     reads one ECG with numpy and an interpreter alone
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heart_reader.bundle.folders import whole_folder
from heart_reader.bundle.formats import read_mapping
from heart_reader.config.strict import parse, to_dict
from heart_reader.data import delineation
from heart_reader.data.demo.marks import is_synthetic
from heart_reader.data.features import FeatureEncoder
from heart_reader.data.spec import SignalSpec
from heart_reader.edge.device import mobile
from heart_reader.edge.device.texts import example, readme
from heart_reader.edge.formats.table import FORMATS
from heart_reader.edge.formats.tflite_metadata import with_metadata
from heart_reader.errors import ConfigError, DataError, ModelError
from heart_reader.evaluation.trust.calibrator import Calibrator, read_calibrator
from heart_reader.evaluation.trust.sets import Limits, read_limits
from heart_reader.evaluation.trust.trust import Trust
from heart_reader.files import sha256_of
from heart_reader.tasks.task import Task, default_task

FORMAT = 1
LABELS = "labels.json"
CURVES, LIMITS = "calibration", "limits"  # keys of a file's entry


def _contract(task: Task, spec: SignalSpec) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "task": to_dict(task),
        "classes": list(task.classes),
        "leads": list(spec.leads),
        "sampling_rate": spec.fs,
        "n_times": spec.n_times,
        "unit": "mV",
    }


@dataclass(frozen=True)
class DeviceFile:
    """A model file and what is known of it.

    Attributes:
        path: ending as one of `FORMATS`.
        thresholds: one for each class of the task, chosen on fold 9 with this very file.
        calibrator, limits: likewise; ``None`` where the model that it was made from has none.
    """

    path: Path
    thresholds: NDArray[np.float64]
    calibrator: Calibrator | None = None
    limits: Limits | None = None

    @property
    def trust(self) -> Trust:
        """What is known of how far its answers can be trusted."""
        return Trust(self.calibrator, self.limits, None)


@dataclass(frozen=True)
class Labels:
    """What labels.json says of one file.

    Attributes:
        thresholds: one for each class of the task; at or above means present.
        feature_source: where the features came from that the model was trained on; ``None``
            for a signal-only file.
        feature_names: in order.
        source: the registered model that the file was made from.
        task: what it answers.
        spec: what it reads.
        trust: calibrator of what the file answers, and when it is uncertain; a device knows
            no more of that.
    """

    thresholds: NDArray[np.float64]
    feature_source: str | None
    feature_names: tuple[str, ...]
    source: Mapping[str, str]
    task: Task
    spec: SignalSpec
    trust: Trust


def write_device_folder(
    folder: Path,
    files: Sequence[DeviceFile],
    encoder: FeatureEncoder | None,
    source: Mapping[str, str],
    task: Task,
    spec: SignalSpec,
    left_out: Mapping[str, str] | None = None,
    c_kit: bool = False,
) -> None:
    """Writes the folder whole: it is there complete or not at all.

    Args:
        folder: isn't there yet.
        files: are copied; all of one form.
        encoder: of the bundle, for the fused form; ``None`` for the signal-only form.
        source: name, version and the like of the registered model.
        task, spec: of the bundle.
        left_out: files that aren't there since their gate refused them, and why.
        c_kit: whether C is made of the INT8 TFLite file; where that can't be, the reason stands
            beside those of ``left_out``.

    Raises:
        ModelError: the folder exists already.
    """
    contract, lost = _contract(task, spec), dict(left_out or {})
    with whole_folder(folder) as temporary:
        copies = [_copied(file, temporary, contract) for file in files]
        tree = contract | _tree(copies, encoder, source, task, spec)
        if c_kit:
            tree |= _with_kit(temporary, copies, encoder, tree, lost)
        if lost:
            tree["left_out"] = lost
        text = json.dumps(tree, indent=1, allow_nan=False)
        (temporary / LABELS).write_text(text, encoding="utf-8")
        (temporary / "README.md").write_text(readme(tree), encoding="utf-8")
        (temporary / "example.py").write_text(example(tree), encoding="utf-8")
        _write_mobile(temporary, tree)


def _copied(file: DeviceFile, folder: Path, contract: Mapping[str, Any]) -> DeviceFile:
    """The file in the folder; a TFLite file says of itself what labels.json says of it."""
    target = folder / file.path.name
    if file.path.suffix != ".tflite":
        shutil.copyfile(file.path, target)
        return replace(file, path=target)
    names = contract["classes"]
    told = {"thresholds": dict(zip(names, file.thresholds.tolist(), strict=True))}
    if file.calibrator is not None:
        told[CURVES] = file.calibrator.tree(names)
    target.write_bytes(with_metadata(file.path.read_bytes(), {**contract, **told}))
    return replace(file, path=target)


def _write_mobile(folder: Path, tree: Mapping[str, Any]) -> None:
    """Classes for apps, where there is a TFLite file: for the smallest."""
    found = [name for name in tree["files"] if name.endswith(".tflite")]
    if not found:
        return
    file = min(found, key=lambda name: int(tree["files"][name]["size"]))
    (folder / mobile.FOLDER).mkdir()
    for name, text in (("EcgReader.kt", mobile.kotlin), ("EcgReader.swift", mobile.swift)):
        (folder / mobile.FOLDER / name).write_text(text(tree, file), encoding="utf-8")


def _with_kit(
    folder: Path,
    files: Sequence[DeviceFile],
    encoder: FeatureEncoder | None,
    tree: Mapping[str, Any],
    lost: dict[str, str],
) -> dict[str, Any]:
    """Writes the C kit; what labels.json says of it. Where there is none, ``lost`` says why."""
    from heart_reader.edge.ckit.emit import Meaning  # a board reads folders, and writes none
    from heart_reader.edge.ckit.kit import KIT_FOLDER, SOURCE, write_kit

    file = next((each for each in files if each.path.name.endswith(SOURCE)), None)
    if file is None:
        lost[KIT_FOLDER] = f"it is made from the file *{SOURCE}, which isn't there"
        return {}
    curves = () if file.calibrator is None else file.calibrator.curves
    task, spec = _read_contract(folder / LABELS, tree)
    names = () if encoder is None else encoder.names
    meaning = Meaning(file.path.name, task, spec, names, file.thresholds, curves)
    try:
        facts = write_kit(
            folder / KIT_FOLDER, file.path, meaning, encoder, is_synthetic(tree["source"])
        )
    except ModelError as error:
        lost[KIT_FOLDER] = str(error)
        return {}
    return {"c_kit": facts.tree(KIT_FOLDER)}


def _tree(
    files: Sequence[DeviceFile],
    encoder: FeatureEncoder | None,
    source: Mapping[str, str],
    task: Task,
    spec: SignalSpec,
) -> dict[str, Any]:
    features = None
    if encoder is not None:
        features = {
            "source": encoder.source,
            "delineation_version": delineation.VERSION,
            "names": list(encoder.names),
        }
    return {
        "form": "signal" if encoder is None else "fused",
        "features": features,
        "files": {file.path.name: _described(file, task, spec) for file in files},
        "source": dict(source),
        "versions": {name: version(name) for name in ("torch", *_packages())},
    }


def _packages() -> list[str]:
    """What makes and runs the files."""
    return [name for each in FORMATS.values() for name in each.packages]


def _described(file: DeviceFile, task: Task, spec: SignalSpec) -> dict[str, Any]:
    n_records = "n" if FORMATS[file.path.suffix].any_number else "1"
    curves = {} if file.calibrator is None else {CURVES: file.calibrator.tree(task.classes)}
    limits = {} if file.limits is None else {LIMITS: file.limits.tree(task.classes)}
    return {
        **curves,
        **limits,
        "sha256": sha256_of(file.path),
        "size": file.path.stat().st_size,
        "layout": f"({n_records}, {spec.n_leads}, {spec.n_times})",
        "thresholds": dict(zip(task.classes, file.thresholds.tolist(), strict=True)),
    }


def read_labels(model: Path) -> Labels:
    """What the labels.json beside a model file says of it.

    Raises:
        ModelError: either missing, of another format, or a model that isn't the one it names.
    """
    path = model.parent / LABELS
    if not model.is_file():
        raise ModelError(f"there is no model file {model}")
    tree = read_mapping(path, str(path))
    try:
        task, spec = _read_contract(path, tree)
        entry = tree["files"].get(model.name)
        if entry is None:
            raise ModelError(f"{path} names {', '.join(tree['files'])}, but not {model.name}")
        thresholds = np.array([entry["thresholds"][name] for name in task.classes], np.float64)
        features = tree["features"] or {"source": None, "names": []}
        labels = Labels(
            thresholds,
            features["source"],
            tuple(features["names"]),
            dict(tree["source"]),
            task,
            spec,
            Trust(
                read_calibrator(entry[CURVES], task.classes) if CURVES in entry else None,
                read_limits(entry[LIMITS], task.classes) if LIMITS in entry else None,
                None,
            ),
        )
        expected = str(entry["sha256"])
    except (KeyError, TypeError, AttributeError, ValueError, ConfigError, DataError) as error:
        raise ModelError(f"{path} can't be read: {error!r}") from error
    if sha256_of(model) != expected:
        raise ModelError(f"{model} is damaged, or another file than {path} was written for")
    return labels


def _read_contract(path: Path, tree: Mapping[str, Any]) -> tuple[Task, SignalSpec]:
    """What the files answer and read; a folder of before there were tasks names the classes."""
    for key, ours in (("format", FORMAT), ("unit", "mV")):
        if tree[key] != ours:
            raise ModelError(f"{path} has {key} {tree[key]!r}, this code reads {ours!r}")
    task = parse(tree["task"], Task) if "task" in tree else default_task()
    if list(task.classes) != tree["classes"]:
        raise ModelError(
            f"{path} has classes {tree['classes']}, its task {task.name} has {list(task.classes)}"
        )
    signal = {"leads": tree["leads"], "fs": tree["sampling_rate"], "n_times": tree["n_times"]}
    return task, parse(signal, SignalSpec)
