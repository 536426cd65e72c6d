"""How long follow-on runs take: as the last ones of their kind did in this store."""

import statistics
import sys
import time
from collections.abc import Sequence

from heart_reader.tracking.runs import durations

LOOKED_AT = 5  # runs of a kind


class Pace:
    """Says what is done, and about how long the rest takes, where that is known.

    Args:
        kind: the first word of the names of such runs: "promote", "evaluate", "export".
        n: how many are to be done, one after the other.
        earlier: seconds that such runs took; ``None`` asks the store.
    """

    def __init__(self, kind: str, n: int = 1, earlier: Sequence[float] | None = None) -> None:
        self.n, self.n_done = n, 0
        self.seconds = list(durations(kind, LOOKED_AT) if earlier is None else earlier)
        self._began = time.monotonic()

    def say(self, line: str) -> None:
        """A line about the run that is going on, and the time left."""
        print(f"{line}{self.left(time.monotonic())}", file=sys.stderr, flush=True)

    def done(self) -> None:
        """One run has ended; the next begins."""
        now = time.monotonic()
        self.seconds.append(now - self._began)
        self._began, self.n_done = now, self.n_done + 1

    def left(self, now: float) -> str:
        """``; about 40 s left``, or "" where no such run was made before, or it takes longer.

        Args:
            now: on the monotonic clock.
        """
        if not self.seconds:
            return ""
        each = statistics.median(self.seconds[-LOOKED_AT:])
        seconds = each * (self.n - self.n_done) - (now - self._began)
        return f"; about {in_words(seconds)} left" if seconds > 0 else ""


def in_words(seconds: float) -> str:
    """A time as one says it.

    >>> in_words(34.2), in_words(170), in_words(8000)
    ('34 s', '3 min', '2.2 h')
    """
    if seconds < 100:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def left_of(kinds: Sequence[str]) -> str:
    """``, about 4 min left``; a kind that was never done here is named, and not counted.

    Args:
        kinds: of the steps that are due, one each.
    """
    known = {kind: durations(kind, LOOKED_AT) for kind in sorted(set(kinds))}
    seconds = sum(statistics.median(known[kind]) for kind in kinds if known[kind])
    new = " and ".join(kind for kind, found in known.items() if not found)
    beside = f" beside {new}, new here" if new else ""
    return f", about {in_words(seconds)} left{beside}" if seconds else ""
