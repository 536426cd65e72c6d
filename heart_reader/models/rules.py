"""Rules that several model configurations share; each gives what breaks it."""

from collections.abc import Iterable
from typing import Any


def not_positive(section: Any) -> list[str]:
    """Whole numbers, alone or in a list, that aren't at least 1."""
    return [
        f"{name} must be at least 1, but is {value}"
        for name, value in vars(section).items()
        for number in (value if isinstance(value, Iterable) else [value])
        if isinstance(number, int) and number < 1
    ]


def even_kernels(section: Any, *names: str) -> list[str]:
    """Kernel sizes that are even: a convolution by them would shift the signal."""
    return [
        f"{name} must be odd, but is {value}"
        for name in names
        for value in [getattr(section, name)]
        for size in (value if isinstance(value, Iterable) else [value])
        if size % 2 == 0
    ]
