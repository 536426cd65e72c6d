"""Ranges of activations against torch, numpy and scipy."""

import numpy as np
import onnx
import pytest
import torch
from scipy.stats import entropy

from heart_reader.edge.formats import calibration as module
from heart_reader.edge.formats.calibration import (
    METHODS,
    activation_ranges,
    entropy_share,
    histogram,
    percentile_share,
)
from heart_reader.edge.network.device_model import device_model
from heart_reader.edge.sample import Sample
from heart_reader.errors import DataError


def test_ranges_are_those_of_torch(bundle, fused_onnx, calibration):
    model = device_model(bundle, "fused")
    seen = {}
    hook = model.embed.backbone.stem[0].register_forward_hook(
        lambda _, inputs, output: seen.update(x=inputs[0].clone(), y=output.clone())
    )
    with torch.no_grad():
        model(*(torch.from_numpy(getattr(calibration, n)) for n in model.input_names))
    hook.remove()
    graph = onnx.load(fused_onnx).graph
    first = next(node for node in graph.node if node.op_type == "Conv")
    tensors = [first.input[0], first.output[0]]
    ranges = activation_ranges(fused_onnx, tensors, calibration)
    assert tuple(ranges) == METHODS
    for name, values in zip(tensors, (seen["x"], seen["y"]), strict=True):
        whole = (float(values.min()), float(values.max()))
        assert ranges["min-max"][name] == pytest.approx(whole, rel=1e-4)
        margin = 1e-5 * (whole[1] - whole[0])  # the two sum in another order
        limit = np.quantile(np.abs(values.numpy()), module.PERCENTILE / 100)
        cut = ranges["percentile"][name]
        assert max(-cut[0], cut[1]) == pytest.approx(limit, rel=0.01)
        for low, high in (ranges[method][name] for method in METHODS):
            assert whole[0] - margin <= low < high <= whole[1] + margin


def test_histogram_and_percentile_equal_numpy():
    x = np.random.default_rng(0).normal(0, 1, 100_000).astype(np.float32)
    largest = float(np.abs(x).max())
    counts = histogram(x, largest)
    expected = np.histogram(np.abs(x), module.N_BINS, (0, largest))[0]
    assert counts.sum() == expected.sum() == len(x)
    assert np.abs(np.cumsum(counts) - np.cumsum(expected)).max() <= 3  # rounding at the edges
    limit = np.quantile(np.abs(x), module.PERCENTILE / 100)
    assert percentile_share(counts) * largest == pytest.approx(limit, rel=2 / module.N_BINS + 0.01)


def test_entropy_keeps_an_even_spread_and_cuts_a_lone_outlier():
    assert entropy_share(np.full(module.N_BINS, 1000)) == 1.0
    x = np.abs(np.random.default_rng(0).normal(0, 1, 200_000)).astype(np.float32)
    x[0] = 40.0
    share = entropy_share(histogram(x, 40.0))
    assert 2.0 < 40 * share < 8.0


def test_divergence_is_scipys():
    counts = np.random.default_rng(0).integers(1, 1000, module.N_BINS)
    end = 512
    clipped = counts[:end].astype(float)
    coded = clipped.reshape(module.N_LEVELS, -1).mean(1).repeat(end // module.N_LEVELS)
    clipped[-1] += counts[end:].sum()
    assert module._divergence(counts, end) == pytest.approx(entropy(clipped, coded), rel=1e-9)


def test_no_records_and_records_that_are_no_numbers(fused_onnx, calibration):
    graph = onnx.load(fused_onnx).graph
    name = next(node.output[0] for node in graph.node if node.op_type == "Conv")
    none = Sample(*(values[:0] for values in vars(calibration).values()))
    with pytest.raises(DataError, match="no records to calibrate on"):
        activation_ranges(fused_onnx, [name], none)
    signal = calibration.signal.copy()
    signal[0, 0, 0] = np.inf
    wild = Sample(signal, calibration.features, calibration.mask)
    with pytest.raises(DataError, match="isn't finite on the calibration records"):
        activation_ranges(fused_onnx, [name], wild)
