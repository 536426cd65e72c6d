"""What a constant offset on every lead does to the probabilities, in every form of a model.

    python -m benchmarks.offsets --data PTBXL [--records 200] [--no-tflite] [BUNDLE ...]

Records of fold 9 as they are, and with 0.1 to 5 mV of either sign added to each lead at random:
the largest change of a probability and the share of records that keep their labels. Forms: the
bundle, what MLflow serves, and the files for a device, which are made first, unpruned and
calibrated on records of folds 1 to 8.
"""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import numpy as np

from heart_reader.bundle.kinds import AnyBundle, open_bundle
from heart_reader.bundle.measuring import measure
from heart_reader.bundle.single import Bundle
from heart_reader.config.load import load_config
from heart_reader.data.dataset import FeaturesConfig, Records, load_development
from heart_reader.data.ptbxl import TRAIN_FOLDS, VALIDATION_FOLD
from heart_reader.data.spec import PTBXL_SIGNAL
from heart_reader.edge.sample import Array, Sample
from heart_reader.files import cache_folder

OFFSETS_MV = (0.1, 5.0)
FS = 100  # Hz
N_CALIBRATE, N_JUDGE = 256, 64
Say = Callable[[Array], Array]  # mV (n_records, n_leads, n_times) -> probabilities


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundles", nargs="*", type=Path, metavar="BUNDLE")
    parser.add_argument("--data", required=True, help="a PTB-XL tree, or demo")
    parser.add_argument("--records", type=int, default=200)
    parser.add_argument("--no-tflite", action="store_true", help="spares minutes")
    options = parser.parse_args()
    folders = options.bundles or sorted(
        path.parent for path in Path("pretrained").glob("*/*.json")
    )
    config = load_config("default", {"data": options.data})
    records = load_development(config.data, config.task, FeaturesConfig("none"), cache_folder())
    generator = np.random.default_rng(0)
    rows = generator.permutation(records.rows((VALIDATION_FOLD,)))[: options.records]
    plain = records.millivolts(rows).astype(np.float32)
    moved = (plain + offsets(plain.shape[:2], generator)).astype(np.float32)
    print(f"{len(rows)} records of fold 9, {OFFSETS_MV[0]:g} to {OFFSETS_MV[1]:g} mV a lead")
    print(f"{'bundle':16}{'form':24}{'largest change':>15}{'labels kept':>13}")
    for folder in folders:
        bundle = open_bundle(folder)
        with TemporaryDirectory() as work:
            for name, say in forms(folder, bundle, records, Path(work), not options.no_tflite):
                before, after = say(plain), say(moved)
                same = (bundle.labels(before) == bundle.labels(after)).all(axis=1).mean()
                change = np.abs(after - before).max()
                print(f"{folder.name:16}{name:24}{change:15.5f}{same:13.1%}", flush=True)


def offsets(shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
    """mV (n_records, n_leads, 1), each lead its own, of either sign."""
    size = generator.uniform(*OFFSETS_MV, shape)
    return (size * generator.choice([-1, 1], shape))[..., None]


def forms(
    folder: Path, bundle: AnyBundle, records: Records, work: Path, tflite: bool
) -> Iterator[tuple[str, Say]]:
    """Each form of a bundle by name; files are there for one bundle, not for an ensemble."""
    yield "bundle", bundle.predict
    yield "pyfunc", lambda signal: served(folder, bundle, signal)
    if len(bundle.members) == 1:
        for name, path in files(bundle.members[0], records, work, tflite):
            yield name, lambda signal, path=path: on_device(path, signal)


def served(folder: Path, bundle: AnyBundle, signal: Array) -> Array:
    """By the class that MLflow's server runs."""
    from heart_reader.tracking.pyfunc import HeartReaderModel

    model = HeartReaderModel()
    model.load_context(SimpleNamespace(artifacts={"bundle": str(folder)}))
    table = model.predict(SimpleNamespace(), {"signal": signal})
    return table.iloc[:, : len(bundle.thresholds)].to_numpy(np.float32)


def files(
    bundle: Bundle, records: Records, work: Path, tflite: bool
) -> Iterator[tuple[str, Path]]:
    """The files of an export without pruning."""
    from heart_reader.edge.formats.onnx_export import export_onnx
    from heart_reader.edge.formats.quantization import quantize_onnx
    from heart_reader.edge.formats.tflite import export_tflite
    from heart_reader.edge.network.device_model import device_model

    rows = np.random.default_rng(1).permutation(records.rows(TRAIN_FOLDS))
    ranges = sample(records, rows[:N_CALIBRATE])
    judged = sample(records, rows[N_CALIBRATE : N_CALIBRATE + N_JUDGE])
    path, small = work / "model.onnx", work / "model.int8.onnx"
    export_onnx(device_model(bundle, "fused"), path)
    yield "ONNX fp32", path
    quantize_onnx(path, small, ranges, judged)
    yield "ONNX INT8", small
    if tflite:
        for name, file in export_tflite(path, work, ranges).items():
            yield f"TFLite {name}", file


def sample(records: Records, rows: Any) -> Sample:
    """Some records with their features as a device reads them."""
    signal = records.millivolts(rows).astype(np.float32)
    raw = measure(signal, "compute", None, None, PTBXL_SIGNAL)
    known = np.isfinite(raw)
    return Sample(signal, np.where(known, raw, 0).astype(np.float32), known.astype(np.float32))


def on_device(path: Path, signal: Array) -> Array:
    """With the features measured on the very signal."""
    from heart_reader.edge.formats.table import load_runtime

    features = measure(signal, "compute", None, None, PTBXL_SIGNAL)
    return load_runtime(path).probabilities(signal, features, None)


if __name__ == "__main__":
    main()
