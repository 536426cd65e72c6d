"""The web page of an export: the student by its signal alone, judged, and what stands beside it.

web/index.html   the page, with all that it needs inside
web/model/       the same model as a device folder of its own, to hold the page against
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from heart_reader.bundle.folders import whole_folder
from heart_reader.bundle.single import Bundle
from heart_reader.data.demo.marks import KEY, WARNING, is_synthetic, marked
from heart_reader.edge.config import ParityConfig
from heart_reader.edge.device.folder import DeviceFile, write_device_folder
from heart_reader.edge.eager import EagerModel
from heart_reader.edge.formats.onnx_runtime import OnnxRuntime
from heart_reader.edge.measure import predict_all
from heart_reader.edge.network.device_model import device_model
from heart_reader.edge.sample import Array, Sample
from heart_reader.edge.web.page import PAGE, Page, render
from heart_reader.edge.web.runtime import VERSION, BrowserRuntime, NoRuntimeError, browser_runtime
from heart_reader.errors import ModelError
from heart_reader.evaluation.bootstrap import Difference
from heart_reader.files import cache_folder, sha256_of

Wanted = Literal["auto", "always", "never"]
WEB, MODEL = "web", "model"  # folders
_README = """
## In a browser

Open `web/index.html`: it reads ECGs inside the page, shows the leads on ECG paper and what the
model says. Nothing that is chosen there is sent anywhere, and no network is needed. It reads the
signal alone; `python -m heart_reader.edge.run web/model/{model} RECORD` says the same.
ONNX Runtime Web {version} is inside (MIT licence, Copyright Microsoft Corporation).
"""


def runtime_for(wanted: Wanted, say: Callable[[str], None]) -> BrowserRuntime | None:
    """What a page is made with; ``None`` where none is made, and why is said.

    Raises:
        NoRuntimeError: it isn't to be had, but the page is wanted whatever happens.
    """
    if wanted == "never":
        return None
    try:
        return browser_runtime(cache_folder())
    except NoRuntimeError as error:
        if wanted == "always":
            raise
        say(f"the web page is left out: {error} (web=never doesn't ask)")
        return None


def signal_form(student: Bundle, sample: Sample, path: Path, parity: ParityConfig) -> Array:
    """Writes the form of a fused student that reads a signal alone.

    Returns:
        What it says of the sample, (n_records, n_classes).

    Raises:
        ModelError: it says something else than PyTorch.
    """
    from heart_reader.edge.formats.onnx_export import export_onnx  # a board has no PyTorch

    nothing = np.zeros((len(sample), 0), np.float32)
    alone = Sample(sample.signal, nothing, nothing)
    export_onnx(device_model(student, "signal"), path)
    y_score = predict_all(OnnxRuntime(path), alone)
    n = parity.n_records
    first = Sample(sample.signal[:n], nothing[:n], nothing[:n])
    worst = float(np.abs(y_score[:n] - predict_all(EagerModel(student), first)).max())
    if worst > parity.fp32:
        raise ModelError(
            f"the signal alone differs by {worst:.2g} from PyTorch, and may by {parity.fp32:g}"
        )
    return y_score


@dataclass(frozen=True)
class Shown:
    """What a page says of its model.

    Attributes:
        file: with thresholds, calibrator and limits.
        student: whose network it is.
        source: name, version and the like of the registered model.
        reads_features: whether the student could read features that the page doesn't have.
        macro_auc: of the file on fold 9.
        difference: to the original's there.
        n_records: of fold 9.
    """

    file: DeviceFile
    student: Bundle
    source: Mapping[str, str]
    reads_features: bool
    macro_auc: float
    difference: Difference
    n_records: int


def add_page(
    device: Path,
    make: Callable[[], Shown],
    runtime: BrowserRuntime,
    wanted: Wanted,
    say: Callable[[str], None],
) -> None:
    """Adds the page to a device folder, or says why there is none.

    Raises:
        ModelError: there can be none, but it is wanted whatever happens.
    """
    try:
        shown = make()
        page = write_page(device, shown, runtime)
    except ModelError as error:
        if wanted == "always":
            raise
        say(f"the web page is left out: {error}")
        return
    size, auc = page.stat().st_size / 1e6, shown.macro_auc
    say(f"web page: {size:.1f} MB, macro AUC {auc:.4f} on fold 9 by the signal alone")


def write_page(device: Path, shown: Shown, runtime: BrowserRuntime) -> Path:
    """Adds the page to a device folder, whole or not at all.

    Raises:
        ModelError: the page would be too large.
    """
    task, spec, file = shown.student.task, shown.student.spec, shown.file
    name = " v".join(shown.source[key] for key in ("name", "version") if key in shown.source)
    synthetic = is_synthetic(shown.source)
    warning = f"{WARNING[0].upper()}{WARNING[1:]}. " if synthetic else ""
    trust = file.trust.tree(task.classes) or {"calibration": None, "limits": None}
    page = Page(
        title=marked(f"ECG reader: {name or task.name}", synthetic),
        warning=f"{warning}Not a medical device: for research only, not a diagnosis.",
        about=_about(shown, name),
        contract={
            "classes": list(task.classes),
            "titles": list(task.titles),
            "leads": list(spec.leads),
            "sampling_rate": spec.fs,
            "n_times": spec.n_times,
            "thresholds": dict(zip(task.classes, file.thresholds.tolist(), strict=True)),
            "calibration": trust["calibration"],
            "limits": trust["limits"],
        },
        model=file.path,
        runtime=runtime,
    )
    with whole_folder(device / WEB) as folder:
        write_device_folder(folder / MODEL, [file], None, shown.source, task, spec)
        (folder / PAGE).write_text(render(page), encoding="utf-8")
    with (device / "README.md").open("a", encoding="utf-8") as readme:
        readme.write(_README.format(model=file.path.name, version=VERSION))
    return device / WEB / PAGE


def _about(shown: Shown, name: str) -> dict[str, str]:
    task, spec, file = shown.student.task, shown.student.spec, shown.file
    synthetic = is_synthetic(shown.source)
    rest = [f"{k} {v}" for k, v in shown.source.items() if k not in ("name", "version", KEY)]
    low, high = shown.difference.interval_95
    reads = f"{len(spec.leads)} leads ({' '.join(spec.leads)}), {spec.seconds:g} s at {spec.fs} Hz"
    alone = "; measurements that the model could read besides are left out"
    kind = "synthetic records" if synthetic else "records"
    return {
        "Model": ", ".join([name or "a bundle", *rest, f"task {task.name}"]),
        "Reads": f"{reads}, the signal alone{alone if shown.reads_features else ''}",
        "Accuracy": f"macro AUC {shown.macro_auc:.4f} on {shown.n_records:,} {kind} of fold 9, "
        f"{shown.difference.value:+.4f} to the model that it was made from "
        f"(95% paired interval {low:+.4f} to {high:+.4f})",
        "Thresholds": "chosen on fold 9 for this very file",
        "Probabilities": "calibrated on fold 9" if file.calibrator else "as the model gives them",
        "Uncertain": "not told by this model"
        if file.limits is None
        else f"marked where, at {file.limits.error:.0%} error on fold 9's records, the answer of "
        "the threshold isn't the only one left",
        "File": f"{file.path.name}, SHA-256 {sha256_of(file.path)}",
        "Runs by": f"ONNX Runtime Web {VERSION}, one thread, in this browser",
    }
