"""Size and latency of exported files against the original in eager PyTorch: one thread, batch 1.

python benchmarks/edge.py [--no-tflite] [BACKBONE ...]   # fresh weights: neither depends on them
python benchmarks/edge.py FOLDER ...                     # files of device folders, without PyTorch
python benchmarks/edge.py --ssh pi@board FOLDER ...      # their C kits, on a board by ssh

The second form runs on the board itself: it needs numpy, pandas and the interpreters alone. Its
ratios are those to the fp32 file of each folder: ONNX where it is there, else TFLite. A folder's
C kit is built and run as well, where there is a compiler. Several folders are compared at the end.
"""

import argparse
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from heart_reader.data.ptbxl import LEADS, N_TIMES
from heart_reader.edge.ckit.bench import kit_cost
from heart_reader.edge.formats.table import load_runtime
from heart_reader.edge.measure import Predictor, file_bytes, latencies, peak_memory
from heart_reader.edge.sample import Sample
from heart_reader.errors import ModelError

BACKBONES = ("inception1d", "xresnet1d101", "se_resnet1d")
N_FEATURES = 205
BASES = ("heart_reader.onnx", "heart_reader.tflite", "heart_reader.fp32.tflite")
RATIO, ROUND_TO = 0.5, 8
N_RUNS = 100


def main() -> None:
    """Measures folders, or makes the files first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="backbones, or device folders")
    parser.add_argument("--no-tflite", action="store_true", help="ONNX alone: no converter")
    parser.add_argument("--ssh", metavar="HOST", help="where C kits run, as ssh takes it")
    options = parser.parse_args()
    names = options.names
    if names and all(Path(name).is_dir() for name in names):
        costs = {name: folder_costs(Path(name), options.ssh) for name in names}
        for name, found in costs.items():
            show(name, found)
        if len(costs) > 1:
            compare(costs)
        return
    if options.ssh:
        parser.error("--ssh is for device folders")
    for backbone in names or BACKBONES:
        with TemporaryDirectory() as folder:
            models = made(backbone, Path(folder), not options.no_tflite)
            show(backbone, measured(models))


@dataclass(frozen=True)
class Cost:
    """Of one file, or of a C kit.

    Attributes:
        n_bytes: of the file; of a kit, in flash.
        seconds: of each prediction.
        memory_mb: that a process grows by; of a kit, the arena.
    """

    n_bytes: int
    seconds: NDArray[np.float64]
    memory_mb: float


def folder_costs(folder: Path, host: str | None) -> dict[str, Cost]:
    """All files of a device folder and its C kit here, or the kit alone on another machine."""
    found: dict[str, Cost] = {}
    if host is None:
        files = [path for end in ("*.onnx", "*.tflite") for path in folder.glob(end)]
        files.sort(key=lambda path: (path.name not in BASES, path.suffix, path.name))
        found = measured({file.name: (file, load_runtime(file)) for file in files})
        if shutil.which("make") is None or shutil.which("cc") is None:
            return found
    kit = kit_cost(folder, N_RUNS, host)
    if kit is not None:
        name = "C99" if kit.linked else "C99 (without its code)"
        found[name] = Cost(kit.flash_bytes, kit.seconds, kit.arena_bytes / 1e6)
    elif host is not None:
        raise ModelError(f"{folder} has no C kit to run on {host}")
    return found


def noise(n_records: int, n_features: int) -> Sample:
    """Signals as weak as an ECG, features unknown."""
    signal = np.random.default_rng(0).normal(0, 0.2, (n_records, len(LEADS), N_TIMES))
    nothing = np.zeros((n_records, n_features), np.float32)
    return Sample(signal.astype(np.float32), nothing, nothing)


def measured(models: Mapping[str, tuple[Path, Predictor]]) -> dict[str, Cost]:
    """All models; they take turns."""
    if not models:
        return {}
    predictors = {name: predictor for name, (_, predictor) in models.items()}
    first = next(iter(predictors.values()))
    seconds = latencies(predictors, noise(8, first.n_features), N_RUNS)
    return {
        name: Cost(file_bytes(path), seconds[name], peak_memory(path))
        for name, (path, _) in models.items()
    }


def show(title: str, costs: Mapping[str, Cost]) -> None:
    """A row a model; ratios to the first."""
    print(
        f"\n{title}\n{'':24}{'kB':>8}{'smaller':>9}{'median ms':>11}{'p95 ms':>9}{'faster':>8}  MB"
    )
    if not costs:
        return
    first = next(iter(costs.values()))
    for name, cost in costs.items():
        median = np.median(cost.seconds)
        print(
            f"{name:24}{cost.n_bytes / 1e3:8.0f}{first.n_bytes / cost.n_bytes:9.1f}"
            f"{median * 1e3:11.2f}{np.quantile(cost.seconds, 0.95) * 1e3:9.2f}"
            f"{np.median(first.seconds) / median:8.1f}{cost.memory_mb:6.1f}"
        )


def compare(costs: Mapping[str, Mapping[str, Cost]]) -> None:
    """Folders side by side, a row a kind of file."""
    kinds = list(dict.fromkeys(kind for found in costs.values() for kind in found))
    titles = [name[-24:] for name in costs]
    print(f"\nkB / median ms / MB\n{'':28}" + "".join(f"{title:>26}" for title in titles))
    for kind in kinds:
        cells = [_cell(found.get(kind)) for found in costs.values()]
        print(f"{kind:28}" + "".join(f"{cell:>26}" for cell in cells))


def _cell(cost: Cost | None) -> str:
    if cost is None:
        return "-"
    return f"{cost.n_bytes / 1e3:.0f} / {np.median(cost.seconds) * 1e3:.2f} / {cost.memory_mb:.2f}"


def made(backbone: str, folder: Path, tflite: bool) -> dict[str, tuple[Path, Predictor]]:
    """The original and what an export makes of it, fused form."""
    from heart_reader.bundle.single import save_bundle
    from heart_reader.edge.eager import EagerModel
    from heart_reader.edge.formats.onnx_export import export_onnx
    from heart_reader.edge.formats.quantization import quantize_onnx
    from heart_reader.edge.formats.tflite import export_tflite
    from heart_reader.edge.network.device_model import device_model
    from heart_reader.edge.network.prune import pruned

    original = fresh(backbone)
    thin = pruned(original, RATIO, ROUND_TO)
    found: dict[str, tuple[Path, Predictor]] = {}
    for name, bundle in (("original", original), ("pruned", thin)):
        save_bundle(bundle, folder / name)
        found[name] = folder / name, EagerModel(bundle)
    path, small = folder / "model.onnx", folder / "int8.onnx"
    export_onnx(device_model(thin, "fused"), path)
    quantize_onnx(path, small, noise(8, N_FEATURES), noise(4, N_FEATURES))
    files = {"ONNX fp32": path, "ONNX INT8": small}
    if tflite:
        made_by = export_tflite(path, folder, noise(8, N_FEATURES))
        files |= {f"TFLite {key}": file for key, file in made_by.items()}
    return found | {name: (file, load_runtime(file)) for name, file in files.items()}


def fresh(backbone: str):  # type: ignore[no-untyped-def]
    """An untrained bundle of the published shape; residual branches don't start at zero."""
    import torch
    from torch import nn

    from heart_reader.bundle.single import Bundle
    from heart_reader.config.load import load_config
    from heart_reader.data.features import FeatureEncoder
    from heart_reader.data.normaliser import Normaliser
    from heart_reader.data.spec import default_spec
    from heart_reader.models import build_model
    from heart_reader.tasks.task import default_task

    torch.manual_seed(0)
    config = load_config("default", {"backbone": backbone}).model.architecture
    names = tuple(f"feature_{k}" for k in range(N_FEATURES))
    zeros, ones = np.zeros(N_FEATURES, np.float32), np.ones(N_FEATURES, np.float32)
    encoder = FeatureEncoder("compute", names, -ones, ones, zeros, ones, (1,))
    model = build_model(config, encoder.n_encoded, 5, len(LEADS)).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.2, 0.5)
    normaliser = Normaliser((0.0,) * len(LEADS), (0.2,) * len(LEADS), (1,))
    task, spec = default_task(), default_spec()
    return Bundle(config, model, normaliser, encoder, np.full(5, 0.5), {}, task, spec)


if __name__ == "__main__":
    main()
