"""Checkpoints: one safetensors file, JSON in its header, replaced as a whole. No pickle."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from heart_reader.errors import ModelError
from heart_reader.files import written_whole

FORMAT = 1


@dataclass(frozen=True)
class Checkpoint:
    """Tensors by dotted name, and everything else as plain JSON values."""

    tensors: dict[str, Tensor]
    state: dict[str, Any]

    def section(self, prefix: str) -> dict[str, Tensor]:
        """The tensors below ``prefix.``, without it."""
        start = f"{prefix}."
        return {k[len(start) :]: v for k, v in self.tensors.items() if k.startswith(start)}


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Writes beside ``path`` and moves over it: a killed process leaves the old or the new."""
    # Copies: safetensors refuses tensors that share memory, and wants them contiguous.
    tensors = {k: v.detach().cpu().contiguous().clone() for k, v in checkpoint.tensors.items()}
    header = {"state": json.dumps({"format": FORMAT, **checkpoint.state})}
    with written_whole(path) as temporary:
        save_file(tensors, temporary, metadata=header)


def load_checkpoint(path: Path) -> Checkpoint:
    """Reads what `save_checkpoint` wrote.

    Raises:
        ModelError: no such file, not a checkpoint, or one of another format.
    """
    try:
        with safe_open(path, framework="pt") as file:
            state = json.loads((file.metadata() or {})["state"])
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise ModelError(f"checkpoint {path} can't be read: {error}") from error
    if state.pop("format", None) != FORMAT:
        raise ModelError(f"checkpoint {path} is not of format {FORMAT}")
    return Checkpoint(tensors, state)


# ---------------------------------------------------------------- optimizers


def pack_optimizer(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """An optimizer's state as tensors by ``index.name``, and its JSON part."""
    state = optimizer.state_dict()
    tensors = {
        f"{index}.{name}": value
        for index, values in state["state"].items()
        for name, value in values.items()
    }
    return tensors, {"param_groups": state["param_groups"]}


def unpack_optimizer(
    optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], state: Mapping[str, Any]
) -> None:
    """Puts the state of `pack_optimizer` back."""
    values: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        index, name = key.split(".", 1)
        values.setdefault(int(index), {})[name] = tensor
    optimizer.load_state_dict({"state": values, "param_groups": state["param_groups"]})


# ---------------------------------------------------------------- random numbers


def random_states(generator: torch.Generator) -> dict[str, Tensor]:
    """Of a training's own generator and of the global ones, from which dropout draws."""
    states = {"cpu": torch.get_rng_state(), "generator": generator.get_state()}
    if generator.device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(generator.device)
    return states


def set_random_states(states: Mapping[str, Tensor], generator: torch.Generator) -> None:
    """Puts the states of `random_states` back."""
    torch.set_rng_state(states["cpu"])
    generator.set_state(states["generator"])
    if "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], generator.device)
