"""WFDB headers of the PTB-XL layout, parsed in microseconds.

https://wfdb.io/spec/header-files.html. wfdb's own parser spends 87% of a read on pandas header
access. This one knows a single layout (one ``NAME.dat`` of format 16, a frame a sample) and
answers None for every other, which wfdb itself then reads.
"""

import re
from dataclasses import dataclass

from heart_reader.files import natural

_NUMBER = r"[-+]?\d*\.?\d+(?:[eE][-+]?\d+)?"
_GAIN = re.compile(rf"({_NUMBER})(?:\((-?\d+)\))?(?:/(\S+))?")
_WHOLE = re.compile(r"-?\d+")

# Words of a record line and of a signal line; the columns of the latter behind its file's name.
_RECORD_WORDS, _SIGNAL_WORDS = 4, 9
_INITIAL_VALUE, _CHECKSUM = 4, 5
_SHARED = (0, 1, 2, 3, 6, 7)  # format, gain, ADC resolution, ADC zero, block size, lead

UNITS_PER_MV = {"mV": 1.0, "uV": 1000.0, "V": 0.001}


@dataclass(frozen=True)
class Layout:
    """What the headers of one data set share.

    ``gain`` is in steps of the converter per millivolt, ``baseline`` the step of 0 mV.
    """

    leads: tuple[str, ...]
    fs: float
    n_times: int
    gain: tuple[float, ...]
    baseline: tuple[int, ...]


@dataclass(frozen=True)
class Header:
    """One record's header: its layout, and the two values that only it has, per lead."""

    layout: Layout
    initial_value: tuple[int, ...]
    checksum: tuple[int, ...]


class HeaderParser:
    """Parses headers; a layout that was seen before costs a look-up."""

    def __init__(self) -> None:
        self._seen: dict[tuple[tuple[str, ...], ...], Layout | None] = {}

    def parse(self, text: str, name: str) -> Header | None:
        """Parse the header of record ``name``; None where it isn't the layout known here."""
        # a signal line: file format gain adc_res adc_zero initial_value checksum block_size lead
        words = text.split()
        n_leads, left = divmod(len(words) - _RECORD_WORDS, _SIGNAL_WORDS)
        files = words[_RECORD_WORDS::_SIGNAL_WORDS]
        if left or text.rstrip().count("\n") != n_leads or files != [name + ".dat"] * n_leads:
            return None
        columns = [words[_RECORD_WORDS + n :: _SIGNAL_WORDS] for n in range(1, _SIGNAL_WORDS)]
        key = (tuple(words[1:_RECORD_WORDS]), *(tuple(columns[n]) for n in _SHARED))
        if key not in self._seen:
            self._seen[key] = _layout(key)
        layout = self._seen[key]
        try:
            initial_value = tuple(map(int, columns[_INITIAL_VALUE]))
            checksum = tuple([value & 0xFFFF for value in map(int, columns[_CHECKSUM])])
        except ValueError:
            return None
        return None if layout is None else Header(layout, initial_value, checksum)


def _layout(key: tuple[tuple[str, ...], ...]) -> Layout | None:
    record, *columns = key
    signals = list(zip(*columns, strict=True))
    if len(record) != 3 or any(words[0] != "16" for words in signals):
        return None
    n_leads, fs, n_times = record
    if n_leads != str(len(signals)) or not re.fullmatch(_NUMBER, fs) or natural(n_times) is None:
        return None
    scales = [_scale(gain, adc_zero) for _, gain, _, adc_zero, _, _ in signals]
    known = [scale for scale in scales if scale is not None]
    if len(known) != len(scales):
        return None
    return Layout(
        leads=tuple(words[-1] for words in signals),
        fs=float(fs),
        n_times=int(n_times),
        gain=tuple(gain for gain, _ in known),
        baseline=tuple(baseline for _, baseline in known),
    )


def _scale(text: str, adc_zero: str) -> tuple[float, int] | None:
    """Steps per mV and baseline of ``1000.0(0)/mV``; a missing baseline is the ADC zero."""
    match = _GAIN.fullmatch(text)
    if match is None or not _WHOLE.fullmatch(adc_zero):
        return None
    gain, baseline, units = match.groups()
    if float(gain) <= 0 or (units or "mV") not in UNITS_PER_MV:
        return None
    per_mv = float(gain) * UNITS_PER_MV[units or "mV"]
    return per_mv, int(baseline) if baseline is not None else int(adc_zero)
