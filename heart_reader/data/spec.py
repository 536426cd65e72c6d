"""What a model reads: leads in order, sampling rate, length."""

from dataclasses import dataclass
from typing import Literal

from heart_reader.config.strict import parse
from heart_reader.data.ptbxl import LEADS
from heart_reader.errors import DataError, did_you_mean
from heart_reader.tasks.task import default_section

LONGEST = 10_000_000  # samples; nearly three hours at 1 kHz
FS_RANGE = (50, 1000)  # Hz, of what is packed
LONGEST_SECONDS = 600.0

# Sets of leads that have a name of their own.
SETS = {
    "12": LEADS,
    "8": ("I", "II", *LEADS[6:]),  # the others follow from them
    "6": LEADS[:6],
    "all": LEADS,
}
Short = Literal["repeat", "pad", "refuse"]


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


@dataclass(frozen=True)
class SignalConfig:
    """What a model is to read."""

    leads: str  # names with commas, ranges such as V1-V6, or 12 (all), 8, 6
    fs: int  # Hz; records of other rates are resampled once
    seconds: float  # longer records are cut into windows
    short: Short  # shorter ones, down to 2.5 s: "repeat", "pad" and mask, or "refuse" them

    def problems(self) -> list[str]:
        """The rules that types can't say."""
        found = []
        try:
            leads_of(self.leads)
        except DataError as error:
            found.append(f"leads {error}")
        legal_fs = FS_RANGE[0] <= self.fs <= FS_RANGE[1]
        if not legal_fs:
            found.append(f"fs must lie from {FS_RANGE[0]} to {FS_RANGE[1]} Hz, but is {self.fs}")
        if not 1 <= self.seconds <= LONGEST_SECONDS:
            found.append(
                f"seconds must lie from 1 to {LONGEST_SECONDS:g}, but is {self.seconds:g}"
            )
        elif legal_fs and abs(self.seconds * self.fs - round(self.seconds * self.fs)) > 1e-6:
            found.append(f"seconds must be whole samples at {self.fs} Hz, but is {self.seconds:g}")
        return found

    @property
    def spec(self) -> SignalSpec:
        """The same as a value that travels in a bundle."""
        return SignalSpec(leads_of(self.leads), self.fs, round(self.seconds * self.fs))


def leads_of(text: str) -> tuple[str, ...]:
    """The leads that a user names.

    >>> leads_of("I,II,V1-V3"), leads_of("6")
    (('I', 'II', 'V1', 'V2', 'V3'), ('I', 'II', 'III', 'aVR', 'aVL', 'aVF'))

    Raises:
        DataError: a name that is none of the twelve, one that is there twice, none at all, or a
            set beside others.
    """
    if text.strip() in SETS:
        return SETS[text.strip()]
    words = [word.strip() for word in text.replace("+", ",").split(",")]
    for word in words:
        if word in SETS or not word:
            what = f"{word!r} means several, and stands alone" if word else "a name is missing"
            raise DataError(f"must be names with commas between them, but {what} in {text!r}")
    found = [lead for word in words for lead in _range(word)]
    twice = sorted({lead for lead in found if found.count(lead) > 1})
    if twice:
        raise DataError(f"must be different, but {', '.join(twice)} is there twice in {text!r}")
    return tuple(found)


def _range(word: str) -> tuple[str, ...]:
    first, hyphen, last = word.partition("-")
    a, b = _place(first, word), _place(last if hyphen else first, word)
    if b < a:
        raise DataError(f"must go up in a range, but {word!r} goes down")
    return LEADS[a : b + 1]


def _place(name: str, word: str) -> int:
    for place, lead in enumerate(LEADS):
        if lead.lower() == name.strip().lower():
            return place
    hint = did_you_mean(name, LEADS) or f" (there are {', '.join(LEADS)}, or 12, 8, 6)"
    raise DataError(f"must be of the twelve, but {word!r} isn't{hint}")


def default_spec() -> SignalSpec:
    """The one of ``tasks/defaults.yaml``: a record of PTB-XL at 100 Hz."""
    return parse(default_section("signal"), SignalSpec)


PTBXL_SIGNAL = default_spec()
