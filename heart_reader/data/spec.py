"""What a model wants to be given."""

from dataclasses import dataclass

from heart_reader.data.ptbxl import LEADS, N_TIMES, SAMPLING_RATE


@dataclass(frozen=True)
class SignalSpec:
    """Leads in order, sampling rate in Hz, samples of each lead."""

    leads: tuple[str, ...]
    fs: int
    n_times: int


PTBXL_SIGNAL = SignalSpec(LEADS, SAMPLING_RATE, N_TIMES)
