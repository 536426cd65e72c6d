"""The process that turns one exported program into TFLite files by litert-torch.

python -m heart_reader.edge.formats.litert.converter PROGRAM FOLDER

FOLDER holds calibration.npz. It gets FORMAT.tflite for each format, and inputs.json; or error,
one line, where the conversion failed.
"""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from heart_reader.edge.contract import OUTPUT
from heart_reader.edge.formats.tflite_converter import (
    SIGNATURE,
    SMALLEST,
    converted,
    described,
    stay_in_float,
)
from heart_reader.edge.sample import Array

INPUTS = ("signal", "features", "mask")


class Named(nn.Module):
    """Inputs and output by their names, which become the signature's."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(
        self, signal: Tensor, features: Tensor | None = None, mask: Tensor | None = None
    ) -> dict[str, Tensor]:
        given = [each for each in (signal, features, mask) if each is not None]
        return {OUTPUT: self.inner(*given)}


def _write_all(source: Path, folder: Path) -> None:
    import litert_torch
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    with np.load(folder / "calibration.npz", allow_pickle=False) as arrays:
        calibration: dict[str, Array] = dict(arrays)
    program = torch.export.load(source)
    names = INPUTS[: len(program.graph_signature.user_inputs)]
    first = {name: torch.from_numpy(calibration[name][:1]) for name in names}
    edge = litert_torch.convert(Named(program.module()), sample_kwargs=first)
    edge.export(str(folder / "fp32.tflite"))
    interpreter = Interpreter(
        str(folder / "fp32.tflite"),
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    inputs = {name: calibration[name] for name in names}
    _quantize(folder, stay_in_float(interpreter), inputs)
    runner = interpreter.get_signature_runner(SIGNATURE)
    told = {name: described(item) for name, item in runner.get_input_details().items()}
    (folder / "inputs.json").write_text(json.dumps(told), encoding="utf-8")


def _quantize(folder: Path, kept: set[str], calibration: dict[str, Array]) -> None:
    """The other three, from the float32 file.

    Args:
        folder: of the files.
        kept: operators that stay in float32, by their outputs' names.
        calibration: records by the names of the inputs.
    """
    from ai_edge_quantizer import quantizer, recipe

    source = str(folder / "fp32.tflite")
    halves = quantizer.Quantizer(source)
    _add_halves(halves)
    halves.quantize().export_model(folder / "fp16.tflite")
    dynamic = quantizer.Quantizer(source, recipe.dynamic_wi8_afp32())
    dynamic.quantize().export_model(folder / "dynamic.tflite")
    whole = quantizer.Quantizer(source, recipe.static_wi8_ai8())
    _keep_in_float(whole, kept)
    n = len(next(iter(calibration.values())))
    rows = [{name: x[k : k + 1] for name, x in calibration.items()} for k in range(n)]
    measured = whole.calibrate({SIGNATURE: rows}, num_threads=1)
    _widen(measured)
    whole.quantize(measured).export_model(folder / "int8.tflite")


def _widen(measured: dict[str, Any]) -> None:
    """A range for activations that were 0 throughout, as of a ReLU that is dead: as onnx2tf's
    files have it, else XNNPACK refuses the whole file."""
    for each in measured.values():
        low, high = each.get("min"), each.get("max")
        if low is None or np.size(low) != 1:
            continue
        if max(np.abs(low).max(), np.abs(high).max()) < SMALLEST:
            each["min"], each["max"] = np.zeros_like(low), np.ones_like(high)


def _add_halves(chosen: Any) -> None:
    from ai_edge_quantizer import qtyping
    from ai_edge_quantizer.algorithm_manager import AlgorithmName

    weights = qtyping.TensorQuantizationConfig(num_bits=16, dtype=qtyping.TensorDataType.FLOAT)
    config = qtyping.OpQuantizationConfig(
        weight_tensor_config=weights, compute_precision=qtyping.ComputePrecision.FLOAT
    )
    for operator in (qtyping.TFLOperationName.CONV_2D, qtyping.TFLOperationName.FULLY_CONNECTED):
        chosen.update_quantization_recipe(".*", operator, config, AlgorithmName.FLOAT_CASTING)


def _keep_in_float(chosen: Any, kept: set[str]) -> None:
    from ai_edge_quantizer import qtyping
    from ai_edge_quantizer.algorithm_manager import AlgorithmName

    names, nothing = qtyping.TFLOperationName, AlgorithmName.NO_QUANTIZE
    for operator in (names.INPUT, names.OUTPUT):
        chosen.update_quantization_recipe(".*", operator, algorithm_key=nothing)
    for name in sorted(kept):
        scope = f"^{re.escape(name)};?$"
        chosen.update_quantization_recipe(scope, names.ALL_SUPPORTED, algorithm_key=nothing)


if __name__ == "__main__":
    raise SystemExit(converted(_write_all))
