"""What range each activation of a graph takes on real records, by three methods."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from heart_reader.edge.sample import Array, Sample
from heart_reader.errors import DataError

Range = tuple[float, float]
Ranges = Mapping[str, Range]  # by tensor

METHODS = ("min-max", "entropy", "percentile")
PERCENTILE = 99.99  # of the absolute values: cuts what one artefact among 512 records reaches
N_BINS = 2048
N_LEVELS = 128  # of an 8-bit code on one side of zero
BATCH = 16  # records; all activations of a batch are in memory at once


def activation_ranges(graph: Path, tensors: Sequence[str], sample: Sample) -> dict[str, Ranges]:
    """The range of each of ``tensors`` by each of ``METHODS``.

    Args:
        graph: ONNX file in float32.
        tensors: names of its activations.
        sample: records of the training folds.

    Raises:
        DataError: no records, or an activation that isn't finite.
    """
    if len(sample) == 0:
        raise DataError("there are no records to calibrate on: INT8 needs some of folds 1 to 8")
    low = dict.fromkeys(tensors, np.inf)
    high = dict.fromkeys(tensors, -np.inf)
    for values in _activations(graph, tensors, sample):
        for name, x in values.items():
            # NumPy's, which keep a NaN; Python's would drop it.
            low[name] = float(np.minimum(low[name], x.min()))
            high[name] = float(np.maximum(high[name], x.max()))
    wild = [name for name in tensors if not np.isfinite([low[name], high[name]]).all()]
    if wild:
        raise DataError(f"activation {wild[0]} isn't finite on the calibration records")
    largest = {name: max(-low[name], high[name], 1e-6) for name in tensors}
    counts = {name: np.zeros(N_BINS, np.int64) for name in tensors}
    for values in _activations(graph, tensors, sample):
        for name, x in values.items():
            counts[name] += histogram(x, largest[name])
    limits = {
        "min-max": largest,
        "entropy": {n: largest[n] * entropy_share(counts[n]) for n in tensors},
        "percentile": {n: largest[n] * percentile_share(counts[n]) for n in tensors},
    }
    return {
        method: {n: (max(low[n], -limit[n]), min(high[n], limit[n])) for n in tensors}
        for method, limit in limits.items()
    }


def _activations(path: Path, tensors: Sequence[str], sample: Sample) -> Iterator[dict[str, Array]]:
    model = onnx.load(path)
    inputs = [item.name for item in model.graph.input]
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in tensors)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    for start in range(0, len(sample), BATCH):
        feed = sample.feed(inputs, slice(start, start + BATCH))
        yield dict(zip(tensors, session.run(list(tensors), feed), strict=True))


def histogram(x: Array, largest: float) -> NDArray[np.int64]:
    """Counts of ``abs(x)`` in ``N_BINS`` equal bins from 0 to ``largest``."""
    bins = (np.abs(x).ravel() * np.float32(N_BINS / largest)).astype(np.int64)
    return np.bincount(np.minimum(bins, N_BINS - 1), minlength=N_BINS)


def percentile_share(counts: NDArray[np.int64]) -> float:
    """The share of the histogram's width below which ``PERCENTILE`` of the values lie."""
    cumulated = np.cumsum(counts)
    bins = np.searchsorted(cumulated, cumulated[-1] * PERCENTILE / 100) + 1
    return float(min(bins, N_BINS) / N_BINS)


def entropy_share(counts: NDArray[np.int64]) -> float:
    """The share of the histogram's width that, cut off there and coded in 8 bits, loses least.

    Migacz, "8-bit Inference with TensorRT", GTC 2017: the smallest Kullback-Leibler divergence
    from the clipped histogram to the same histogram in ``N_LEVELS`` levels.
    https://on-demand.gputechconf.com/gtc/2017/presentation/s7310-8-bit-inference-with-tensorrt.pdf
    """
    # The first bin holds the zeros of a ReLU, which any code represents exactly.
    counts = counts.copy()
    counts[0] = counts[1]
    ends = range(N_LEVELS, N_BINS + 1, 8)
    divergences = [_divergence(counts, end) for end in ends]
    return ends[int(np.argmin(divergences))] / N_BINS


def _divergence(counts: NDArray[np.int64], end: int) -> float:
    clipped = counts[:end].astype(np.float64)
    coded = _in_levels(clipped)
    clipped[-1] += counts[end:].sum()
    total, coded_total = clipped.sum(), coded.sum()
    if total == 0 or coded_total == 0:
        return float("inf")
    p = clipped / total
    # What is clipped may fall where nothing is coded: a small number instead of an infinity.
    q = np.maximum(coded / coded_total, 1e-12)
    seen = p > 0
    return float((p[seen] * np.log(p[seen] / q[seen])).sum())


def _in_levels(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """The counts of each level, spread evenly over its bins that aren't empty."""
    level = np.arange(len(counts)) * N_LEVELS // len(counts)
    filled = counts > 0
    total = np.bincount(level, counts, N_LEVELS)
    width = np.maximum(np.bincount(level, filled, N_LEVELS), 1)
    return np.where(filled, (total / width)[level], 0.0)
