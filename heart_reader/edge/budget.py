"""How much of a network must go so that its INT8 file fits into a device's flash."""

from collections.abc import Callable, Sequence

from torch import nn

from heart_reader.bundle.single import Bundle
from heart_reader.edge.config import NONE, bytes_of
from heart_reader.edge.contract import Form
from heart_reader.edge.network.device_model import device_model
from heart_reader.edge.network.prune import pruned
from heart_reader.edge.stage import Stage
from heart_reader.errors import ModelError

SUFFIX = ".int8.tflite"  # of the file that a budget is for
# What a TFLite file holds beside weights of a byte each: of every output channel a bias and the
# scales and zero points of both. Measured on the three backbones, whole and pruned by half.
BYTES_PER_CHANNEL = 40
STEPS = 32  # ratios are multiples of 1/32


def estimated_bytes(bundle: Bundle, form: Form) -> int:
    """Of the INT8 TFLite file of a bundle's network, before there is one."""
    layers = [
        layer
        for layer in device_model(bundle, form).modules()
        if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Linear)
    ]
    n_weights = sum(layer.weight.numel() for layer in layers)
    return n_weights + BYTES_PER_CHANNEL * sum(layer.weight.shape[0] for layer in layers)


def smallest_ratio(
    bundle: Bundle, form: Form, budget: int, round_to: int, say: Callable[[str], None]
) -> float:
    """The smallest share of channels without which the network fits, by bisection.

    Args:
        bundle: not pruned yet.
        form: of the device's model.
        budget: bytes.
        round_to: channels left are a multiple of it.
        say: is told of the sizes.

    Raises:
        ModelError: what is left at the largest share is still too large.
    """

    def size_at(step: int) -> int:
        thin = bundle if step == 0 else pruned(bundle, step / STEPS, round_to)
        size = estimated_bytes(thin, form)
        say(f"ratio {step / STEPS:.4g}: about {size / 1000:,.0f} kB of {budget / 1000:,.0f}")
        return size

    if size_at(0) <= budget:
        return 0.0
    low, high = 0, STEPS - 1  # the first is too large, the second fits
    if size_at(high) > budget:
        raise ModelError(
            f"stage 'pruned': a network of {budget / 1000:,.0f} kB (prune.budget) can't be had of "
            "this one: train a narrower or another backbone"
        )
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if size_at(middle) <= budget else (middle, high)
    return high / STEPS


def require_budget(stages: Sequence[Stage], budget: str) -> None:
    """Holds the INT8 TFLite file, if there is one, to its size.

    Raises:
        ModelError: it is larger.
    """
    for stage in [] if budget == NONE else stages:
        if stage.path.name.endswith(SUFFIX) and stage.path.stat().st_size > bytes_of(budget):
            size = stage.path.stat().st_size
            raise ModelError(
                f"{stage.path.name} has {size / 1000:,.0f} kB, more than prune.budget={budget}: "
                "ask for a smaller one"
            )
