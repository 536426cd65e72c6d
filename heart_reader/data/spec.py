"""What a model reads: leads in order, sampling rate, length."""

from dataclasses import dataclass

from heart_reader.config.strict import parse
from heart_reader.tasks.task import default_section

LONGEST = 10_000_000  # samples; nearly three hours at 1 kHz


@dataclass(frozen=True)
class SignalSpec:
    """The shape of a record as a model sees it, in mV.

    Attributes:
        leads: names, in order.
        fs: sampling rate in Hz.
        n_times: samples of each lead.
    """

    leads: tuple[str, ...]
    fs: int
    n_times: int

    @property
    def n_leads(self) -> int:
        """How many."""
        return len(self.leads)

    @property
    def shape(self) -> tuple[int, int]:
        """(n_leads, n_times)"""
        return len(self.leads), self.n_times

    @property
    def seconds(self) -> float:
        """The length of a record."""
        return self.n_times / self.fs

    def problems(self) -> list[str]:
        """The rules that types can't say."""
        found = []
        if not self.leads or "" in self.leads or len(set(self.leads)) < len(self.leads):
            found.append(f"leads must be different names, but are {list(self.leads)}")
        if not 1 <= self.fs <= 100_000:
            found.append(f"fs must lie from 1 to 100000 Hz, but is {self.fs}")
        if not 1 <= self.n_times <= LONGEST:
            found.append(f"n_times must lie from 1 to {LONGEST}, but is {self.n_times}")
        return found


def default_spec() -> SignalSpec:
    """The one of ``tasks/defaults.yaml``: a record of PTB-XL at 100 Hz."""
    return parse(default_section("signal"), SignalSpec)


PTBXL_SIGNAL = default_spec()
