"""What a user says beside a file, and how much of it is wanted."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Asked:
    """Attributes:
    fs: Hz, of files that don't say it.
    unit: of files that don't say it, a key of `units.UNITS`.
    gain: steps per mV, of files whose own is 0.
    seconds: that are wanted from the beginning; ``None`` for all.
    record: which of a file of several; ``None`` where nobody said.
    """

    fs: float | None
    unit: str | None
    gain: float | None
    seconds: float | None
    record: int | None

    def n_times(self, fs: float, there: float) -> int:
        """How many samples of a lead are wanted, of those that are there."""
        if self.seconds is None:
            return int(there)
        return int(min(there, -(-self.seconds * fs // 1)))
