"""Progress bars, where tqdm is installed: a bare GPU machine that only has the core lacks it."""

import sys
from collections.abc import Iterable, Sequence
from typing import TypeVar

try:
    from tqdm import tqdm
except ImportError:
    tqdm = None

T = TypeVar("T")


def progress(items: Sequence[T], title: str, unit: str) -> Iterable[T]:
    """``items``, with a bar on stderr that goes when they end; none where nobody looks."""
    if tqdm is None or not sys.stderr.isatty():
        return items  # in a log each refresh would be a line
    bar: Iterable[T] = tqdm(
        items, title, unit=f" {unit}", leave=False, mininterval=0.5, dynamic_ncols=True
    )
    return bar
