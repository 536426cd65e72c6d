"""Who is told how a command ended: this package tracks nothing, what it starts may be tracked."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        error: what went wrong, in a line; ``None``: nothing.
        refused: nothing was begun: help was asked for, or an option isn't legal.
        stopped: by a signal.
    """

    error: str | None
    refused: bool = False
    stopped: bool = False


_listeners: list[Callable[[Ended], None]] = []


def tell(listener: Callable[[Ended], None]) -> None:
    """From now on, ``listener`` is told of each command's end, once, before the process exits."""
    if listener not in _listeners:
        _listeners.append(listener)


def ended(how: Ended) -> None:
    """Tells all who want to know."""
    for listener in _listeners:
        listener(how)
