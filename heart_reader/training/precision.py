"""Which device and number format a training runs in."""

from typing import Literal

import torch

from heart_reader.errors import ConfigError

Precision = Literal["auto", "fp32", "bf16", "fp16"]
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def resolve_device(name: Literal["auto", "cpu", "cuda"]) -> torch.device:
    """The device that "auto" stands for, or the one named.

    Raises:
        ConfigError: "cuda" where torch sees no GPU.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("training.device is 'cuda', but torch sees no GPU here; use 'auto'")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def resolve_precision(precision: Precision, device: torch.device) -> torch.dtype:
    """What "auto" stands for: bf16 where the hardware has it, fp16 on older GPUs, else fp32.

    Raises:
        ConfigError: fp16 on a CPU, whose gradients would underflow for nothing gained.
    """
    if precision == "auto":
        return _fastest(device)
    if precision == "fp16" and device.type == "cpu":
        raise ConfigError("training.precision 'fp16' is for GPUs; use 'auto' on a CPU")
    return _DTYPES[precision]


def _fastest(device: torch.device) -> torch.dtype:
    if device.type == "cuda":
        # Emulated bf16 is slower than fp16; hardware has it from compute capability 8.
        has_bf16 = torch.cuda.get_device_capability(device)[0] >= 8
        return torch.bfloat16 if has_bf16 else torch.float16
    return torch.bfloat16 if cpu_has_bf16() else torch.float32


def cpu_has_bf16() -> bool:
    """Whether the CPU multiplies bf16 in hardware (AVX-512 BF16, AMX)."""
    check = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(check and check())
