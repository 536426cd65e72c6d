"""Progress bars, where tqdm is installed: a bare GPU machine that only has the core lacks it."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

try:
    from tqdm import tqdm
except ImportError:
    tqdm = None

T = TypeVar("T")


def progress(items: Sequence[T], title: str, unit: str) -> Iterable[T]:
    """``items``, with a bar on stderr that goes when they end."""
    if tqdm is None:
        return items
    # Twice a second at most: under a pipe each refresh is a line in somebody's log.
    bar: Iterable[T] = tqdm(
        items, title, unit=f" {unit}", leave=False, mininterval=0.5, dynamic_ncols=True
    )
    return bar
