"""A bundle: all that is needed to predict, in one folder. JSON and safetensors, no pickle.

bundle.json          classes, leads, model config, normaliser, encoder, thresholds, provenance
weights.safetensors  the fusion model
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from heart_reader.config.strict import parse, to_dict
from heart_reader.data import delineation
from heart_reader.data.checks import require_signals
from heart_reader.data.features import FeatureEncoder, with_demographics
from heart_reader.data.normaliser import Normaliser
from heart_reader.data.ptbxl import LEADS, N_TIMES, SAMPLING_RATE, SUPERCLASSES
from heart_reader.errors import ConfigError, DataError, ModelError
from heart_reader.models import FusionModel, ModelConfig, build_model
from heart_reader.models.shrink import is_thinner, load_weights

FORMAT = 1
BATCH = 64  # records a forward pass
PARTS = ("bundle.json", "ensemble.json", "weights.safetensors")

Features = Literal["compute"] | NDArray[np.float32] | None


@dataclass(frozen=True)
class Bundle:
    """A trained model with everything around it.

    Attributes:
        config: from which the model is rebuilt.
        model: fp32, on the CPU, in eval mode.
        normaliser: for signals in mV.
        encoder: for raw features; ``None`` for a signal-only model.
        thresholds: one for each class of ``SUPERCLASSES``; at or above means present.
        provenance: data digest, seed, git commit, validation metrics; JSON values.
    """

    config: ModelConfig
    model: FusionModel
    normaliser: Normaliser
    encoder: FeatureEncoder | None
    thresholds: NDArray[np.float64]
    provenance: Mapping[str, Any]

    def predict(
        self,
        signals: NDArray[np.floating[Any]],
        features: Features = "compute",
        age: Sequence[float] | None = None,
        sex: Sequence[float] | None = None,
    ) -> NDArray[np.float32]:
        """Probabilities of the five superclasses.

        Args:
            signals: mV (n_records, 12, 1000), 100 Hz, leads in the order of ``LEADS``.
            features: "compute" measures them on the signals (masks them, where the model was
                trained on a table); ``None`` masks them; an array (n_records, n_features) is taken
                as given, names as in ``encoder.names``.
            age: years, one for each record, NaN where unknown; only with "compute".
            sex: 0 male, 1 female, NaN where unknown; likewise.

        Returns:
            (n_records, n_classes), order of ``SUPERCLASSES``.

        Raises:
            DataError: signals of a wrong shape, not finite, or not in mV; features, ages or
                sexes of another length.
        """
        require_signals(signals)
        if len(signals) == 0:
            return np.empty((0, len(SUPERCLASSES)), np.float32)
        encoded, present = self._encode(signals, features, age, sex)
        parts = []
        for start in range(0, len(signals), BATCH):
            chunk = slice(start, start + BATCH)
            x = torch.as_tensor(np.ascontiguousarray(signals[chunk]), dtype=torch.float32)
            parts.append(self._forward(x, _tensor(encoded, chunk), _tensor(present, chunk)))
        return np.concatenate(parts)  # (n_records, n_classes)

    def labels(self, probabilities: NDArray[np.floating[Any]]) -> NDArray[np.bool_]:
        """Which classes are present, (n_records, n_classes)."""
        return np.asarray(probabilities >= self.thresholds)

    @torch.inference_mode()
    def _forward(
        self, x: torch.Tensor, encoded: torch.Tensor | None, present: torch.Tensor | None
    ) -> NDArray[np.float32]:
        logits = self.model(self.normaliser(x), encoded, present)
        return np.asarray(torch.sigmoid(logits).numpy(), np.float32)

    def _encode(
        self, signals: NDArray[Any], features: Features, age: Any, sex: Any
    ) -> tuple[NDArray[np.float32] | None, NDArray[np.bool_] | None]:
        if self.encoder is None or features is None:
            return None, None
        if isinstance(features, str):
            if self.encoder.source != "compute":
                return None, None  # fitted on another tool's values: ours don't mean the same
            features = measure(signals, features, age, sex)
        if len(features) != len(signals):
            raise DataError(f"{len(features)} rows of features for {len(signals)} signals")
        return self.encoder.encode(features)


def measure(
    signals: NDArray[np.floating[Any]], features: str, age: Any, sex: Any
) -> NDArray[np.float32]:
    """Raw features of signals in mV, (n_records, n_features), as every encoder reads them.

    Raises:
        DataError: ``features`` isn't "compute", or ages or sexes of another length.
    """
    if features != "compute":
        raise DataError(f"features must be 'compute', None or an array, but is {features!r}")
    unknown = np.full(len(signals), np.nan)
    age, sex = (unknown if values is None else np.asarray(values) for values in (age, sex))
    for name, values in (("age", age), ("sex", sex)):
        if values.shape != (len(signals),):
            raise DataError(
                f"{name} must have one value for each of {len(signals)} signals, "
                f"but has the shape {values.shape}"
            )
    measured = delineation.extract(signals, SAMPLING_RATE)
    return with_demographics("compute", measured, age, sex).values


def _tensor(array: NDArray[Any] | None, chunk: slice) -> torch.Tensor | None:
    return None if array is None else torch.from_numpy(array[chunk])


# ---------------------------------------------------------------- the folder


def save_bundle(bundle: Bundle, folder: Path, dtype: torch.dtype = torch.float32) -> None:
    """Writes the folder whole: it is there complete or not at all.

    Args:
        bundle: to be written.
        folder: where.
        dtype: of the weights in the file; loaded they are fp32 again.

    Raises:
        ModelError: the folder exists already.
    """
    with whole_folder(folder) as temporary:
        state = bundle.model.state_dict()
        weights = {
            key: (value.to(dtype) if value.is_floating_point() else value).contiguous()
            for key, value in state.items()
        }
        save_file(weights, temporary / "weights.safetensors")
        text = json.dumps(_description(bundle), indent=1, allow_nan=False)
        (temporary / "bundle.json").write_text(text, encoding="utf-8")


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder that becomes ``folder`` where all goes well, and else is gone.

    Raises:
        ModelError: the folder exists already.
    """
    if folder.exists():
        raise ModelError(f"bundle folder {folder} exists already; bundles are never overwritten")
    temporary = folder.with_name(f"{folder.name}.{os.getpid()}")
    temporary.mkdir(parents=True)
    try:
        yield temporary
        os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def folder_digest(folder: Path) -> str:
    """SHA-256 of what a bundle's folder says and weighs; what lies beside it doesn't count.

    Raises:
        ModelError: no bundle is there.
    """
    files = [path for name in PARTS for path in folder.rglob(name)]
    if not files:
        raise ModelError(f"bundle {folder} can't be read: it has none of {', '.join(PARTS)}")
    text = hashlib.sha256()
    for path in sorted(files):
        text.update(path.relative_to(folder).as_posix().encode())
        text.update(hashlib.sha256(path.read_bytes()).digest())
    return text.hexdigest()


def load_bundle(folder: Path) -> Bundle:
    """The bundle of a folder.

    Raises:
        ModelError: a file missing, damaged, of another format, or weights that don't fit.
    """
    tree = _read_description(folder)
    try:
        bundle = _untrained(tree)
    except (KeyError, TypeError, ValueError, ConfigError) as error:
        raise ModelError(f"bundle.json of bundle {folder} is damaged: {error!r}") from error
    try:
        weights = load_file(folder / "weights.safetensors")
        load_weights(bundle.model, weights, tree.get("pruned", False))
    except (OSError, SafetensorError, RuntimeError) as error:
        # PyTorch gives a line for each tensor that doesn't fit: the first says enough.
        why = " ".join(str(error).split("\n")[:2])
        raise ModelError(
            f"weights of bundle {folder} don't fit or can't be read: {why}"
        ) from error
    return bundle


def _read_description(folder: Path) -> dict[str, Any]:
    try:
        tree = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"bundle {folder} can't be read: {error}") from error
    if not isinstance(tree, dict):
        raise ModelError(f"bundle.json of bundle {folder} must hold a mapping")
    # Classes or leads in another order would be read as these without a word.
    for key, ours in _CONTRACT.items():
        if tree.get(key) != ours:
            raise ModelError(
                f"bundle {folder} has {key} {tree.get(key)!r}, this code reads {ours}"
            )
    return tree


def _untrained(tree: Mapping[str, Any]) -> Bundle:
    config = parse(tree["model"], ModelConfig)
    encoder = None if tree["encoder"] is None else _encoder(tree["encoder"])
    thresholds = np.array(tree["thresholds"], np.float64)
    if thresholds.shape != (len(SUPERCLASSES),):
        raise ValueError(f"{len(SUPERCLASSES)} thresholds are needed, but it has {thresholds}")
    return Bundle(
        config,
        build_model(config, 0 if encoder is None else encoder.n_encoded).eval(),
        parse(tree["normaliser"], Normaliser),
        encoder,
        thresholds,
        tree["provenance"],
    )


_CONTRACT = {
    "format": FORMAT,
    "classes": list(SUPERCLASSES),
    "leads": list(LEADS),
    "sampling_rate": SAMPLING_RATE,
    "n_times": N_TIMES,
}


def _description(bundle: Bundle) -> dict[str, Any]:
    encoder = bundle.encoder
    return {
        **_CONTRACT,
        "model": to_dict(bundle.config),
        "pruned": is_thinner(bundle.model, bundle.config, encoder),
        "normaliser": to_dict(bundle.normaliser),
        "encoder": None if encoder is None else _encoder_tree(encoder),
        "thresholds": bundle.thresholds.tolist(),
        "provenance": dict(bundle.provenance),
    }


_ARRAYS = ("low", "high", "median", "scale")


def _encoder_tree(encoder: FeatureEncoder) -> dict[str, Any]:
    arrays = {name: getattr(encoder, name).tolist() for name in _ARRAYS}
    return {
        "source": encoder.source,
        "names": list(encoder.names),
        "folds": list(encoder.folds),
        **arrays,
    }


def _encoder(tree: Mapping[str, Any]) -> FeatureEncoder:
    arrays = {name: np.array(tree[name], np.float32) for name in _ARRAYS}
    return FeatureEncoder(
        source=tree["source"], names=tuple(tree["names"]), folds=tuple(tree["folds"]), **arrays
    )
