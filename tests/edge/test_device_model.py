"""A device model gives what its bundle predicts, and its ONNX graph is plain.

Covers: heart_reader.edge.network.folding.
"""

from collections import Counter

import numpy as np
import onnx
import pytest
import torch

from heart_reader.edge.formats.onnx_export import export_onnx
from heart_reader.edge.formats.table import load_runtime
from heart_reader.edge.network.device_model import device_model
from heart_reader.errors import ModelError
from tests.edge.bundles import EXPORTED, fresh_bundle, some_features, some_signals
from tests.edge.conftest import without_features

# All that the graphs of the three backbones are made of.
OPERATORS = {
    "Add",
    "AveragePool",
    "Concat",
    "Constant",
    "Conv",
    "Flatten",
    "Gemm",
    "GlobalAveragePool",
    "Max",
    "MaxPool",
    "Min",
    "Mul",
    "ReduceMax",
    "ReduceMean",
    "Relu",
    "Sigmoid",
    "Slice",
    "Sub",
    "Unsqueeze",
}
# And what a layer norm, a GELU and a gated layer over the channels add to them.
OF_S4 = {"Div", "Erf", "MatMul", "Pow", "Split", "Sqrt", "Squeeze", "Transpose"}


@pytest.fixture(scope="module")
def inputs():
    raw = some_features(4)  # none in the first record
    raw[3, :-2] = np.nan  # age and sex alone
    return some_signals(4), raw


@pytest.mark.parametrize("backbone", EXPORTED)
def test_onnx_gives_what_the_bundle_predicts(backbone, inputs, tmp_path):
    signal, raw = inputs
    bundle = fresh_bundle(backbone)
    path = tmp_path / "model.onnx"
    export_onnx(device_model(bundle, "fused"), path)
    runtime = load_runtime(path)
    expected = bundle.predict(signal, raw)
    assert np.ptp(expected, axis=0).min() > 0.001  # records differ
    np.testing.assert_allclose(runtime.probabilities(signal, raw, None), expected, atol=1e-5)
    one = runtime.probabilities(signal[:1], raw[:1], None)
    np.testing.assert_allclose(one, expected[:1], atol=1e-5)
    masked = bundle.predict(signal, None)
    np.testing.assert_allclose(runtime.probabilities(signal, None, None), masked, atol=1e-5)
    export_onnx(device_model(bundle, "signal"), path)
    alone = load_runtime(path).probabilities(signal, None, None)
    np.testing.assert_allclose(alone, masked, atol=1e-5)


@pytest.mark.parametrize("backbone", EXPORTED)
def test_the_graph_is_plain_opset_13(backbone, tmp_path):
    bundle = fresh_bundle(backbone)
    path = tmp_path / "model.onnx"
    export_onnx(device_model(bundle, "fused"), path)
    model = onnx.load(path)
    assert [(item.domain, item.version) for item in model.opset_import] == [("", 13)]
    kinds = Counter(node.op_type for node in model.graph.node)
    assert set(kinds) <= (OPERATORS | OF_S4 if backbone == "s4" else OPERATORS)
    n_convolutions = sum(
        isinstance(m, torch.nn.Conv2d) for m in device_model(bundle, "fused").modules()
    )
    assert kinds["Conv"] == n_convolutions  # none was split
    shapes = {item.name: item.type.tensor_type.shape for item in model.graph.value_info}
    outputs = {name for node in model.graph.node for name in node.output} - {"probabilities"}
    assert outputs <= set(shapes)  # all inferred
    for item in (*model.graph.input, *model.graph.output):
        assert item.type.tensor_type.shape.dim[0].dim_param == "batch"


def test_the_mask_hides_values_and_the_bundle_stays_as_it_was(bundle, raw):
    signal, values = raw
    before = {name: w.clone() for name, w in bundle.model.state_dict().items()}
    model = device_model(bundle, "fused")
    assert not model.training and {p.dtype for p in model.parameters()} == {torch.float32}
    x = torch.from_numpy(signal[:3])
    mask = torch.from_numpy(np.isfinite(values[:3]).astype(np.float32))
    mask[:, 5:9] = 0
    filled = torch.from_numpy(np.nan_to_num(values[:3]))
    wild = filled.clone()
    wild[:, 5:9] = 1e9
    with torch.no_grad():
        given = model(x, filled, mask)
        torch.testing.assert_close(given, model(x, wild, mask), rtol=0, atol=1e-6)
        assert not torch.equal(given, model(x, wild, torch.ones_like(mask)))
    expected = values[:3].copy()
    expected[:, 5:9] = np.nan
    np.testing.assert_allclose(given.numpy(), bundle.predict(signal[:3], expected), atol=1e-6)
    for name, w in bundle.model.state_dict().items():
        assert torch.equal(w, before[name])


def test_a_signal_only_bundle(bundle, raw):
    alone = without_features(bundle)
    with torch.no_grad():
        given = device_model(alone, "signal")(torch.from_numpy(raw[0]))
    np.testing.assert_allclose(given.numpy(), alone.predict(raw[0], None), atol=1e-6)
    with pytest.raises(ModelError, match="'fused' needs a model that was trained with features"):
        device_model(alone, "fused")


def test_an_unknown_form(bundle):
    with pytest.raises(ModelError, match=r"one of \('fused', 'signal'\), but is 'both'"):
        device_model(bundle, "both")


def test_an_operator_that_opset_13_lacks_leaves_no_file(bundle, tmp_path):
    model = device_model(bundle, "signal")
    model.head.append(torch.nn.Unflatten(1, (1, 5)))
    model.head.append(Eigenvalues())
    with pytest.raises(ModelError, match="can't be written as ONNX opset 13"):
        export_onnx(model, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


class Eigenvalues(torch.nn.Module):
    """Something that no version of ONNX knows."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.linalg.svdvals(x)
