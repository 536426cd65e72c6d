"""Plain WFDB records by the quick way: many at once, none of which anything is to be said of.

Nearly all records of nearly all data sets are a header and one file of 16-bit samples in mV, which
are one window of a model or some. They are read into one array, checked and resampled together.
Whatever isn't plain, contradicts itself or is to be remarked on is left to the reader of all
files, which gives the same samples and says what is odd.
"""

import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heart_reader.data.checks import LARGEST_STD_MV
from heart_reader.data.formats.lead_names import Chosen, choose_leads
from heart_reader.data.formats.limits import HIGHEST_FS, LOWEST_FS
from heart_reader.data.recordings.gaps import LONGEST_BRIDGE, longest_run
from heart_reader.data.recordings.limb_leads import LIMB_LEADS, MOST_CONTRADICTION, limb_leads
from heart_reader.data.recordings.model_input import seconds_wanted
from heart_reader.data.recordings.resampling import n_resampled, resampled
from heart_reader.data.signals.store import INVALID, Digital, Floats, Ints
from heart_reader.data.spec import SignalSpec

TOGETHER = 250_000  # samples of records read at once, four of 10 s: a core keeps them in its cache
MOST_WINDOWS = 60  # of a record; longer ones have no hurry
SURE = 0.9  # of the largest contradiction; what is nearer to it is computed to the last bit
_HEADER_BYTES = 65536
_NUMBER = r"\d+(?:\.\d+)?"
_FORMAT = re.compile(r"16(?:\+(\d+))?")
_GAIN = re.compile(rf"({_NUMBER})(?:\((-?\d+)\))?/mV")
_WHOLE = re.compile(r"-?\d+")

Lines = tuple[tuple[str, ...], ...]
Samples = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class _Layout:
    """What the headers of one data set share, and what a model reads of it.

    ``length`` is that of a window, in samples of the file. ``gain`` (steps per mV) and
    ``baseline`` are of every channel; ``columns`` are the channels of the model's leads,
    ``limbs`` those of limb leads by name.
    """

    n_times: int
    length: int
    fs: float
    offset: int
    gain: Floats
    baseline: Floats
    columns: Ints
    limbs: dict[str, int]


@dataclass(frozen=True, eq=False)
class _Found:
    """A record: its place among the files, its samples' file, and what its header says of them."""

    place: int
    file: str
    checksum: list[int]


class PlainReader:
    """Reads the plain ones among files, for models of one spec."""

    def __init__(self, spec: SignalSpec) -> None:
        self._spec = spec
        self._layouts: dict[tuple[tuple[str, ...], Lines], _Layout | None] = {}

    def read(self, files: Sequence[str]) -> dict[int, Samples]:
        """The plain ones: mV (n_windows, n_leads, n_times) by their place among the files."""
        of_layout: dict[_Layout, list[_Found]] = {}
        for place, file in enumerate(files):
            found = self._find(place, file.removesuffix(".hea"))
            if found is not None:
                of_layout.setdefault(found[0], []).append(found[1])
        made: dict[int, Samples] = {}
        for layout, records in of_layout.items():
            size = max(1, TOGETHER // (layout.n_times * len(layout.gain)))
            for start in range(0, len(records), size):
                made |= self._read_some(layout, records[start : start + size])
        return made

    def _find(self, place: int, path: str) -> tuple[_Layout, _Found] | None:
        if os.path.isfile(path):
            return None  # a file by itself
        try:
            with open(f"{path}.hea", "rb") as file:
                text = file.read(_HEADER_BYTES).decode("ascii")
        except (OSError, UnicodeDecodeError, ValueError):
            return None
        lines = [line.split(maxsplit=8) for line in text.splitlines() if line[:1] != "#"]
        (record, *signals) = [words for words in lines if words] or [[]]
        if len(record) < 4 or any(len(words) != 9 for words in signals):
            return None
        names = {words[0] for words in signals}
        if len(names) != 1 or "/" in record[0] or not all(_WHOLE.match(w[6]) for w in signals):
            return None
        key = tuple(record[1:4]), tuple((w[1], w[2], w[4], w[8]) for w in signals)
        if key not in self._layouts:
            self._layouts[key] = _layout(*key, self._spec)
        layout, name = self._layouts[key], names.pop()
        if layout is None or os.path.basename(name) != name:
            return None
        file_path = os.path.join(os.path.dirname(path), name)
        return layout, _Found(place, file_path, [int(words[6]) & 0xFFFF for words in signals])

    def _read_some(self, layout: _Layout, records: Sequence[_Found]) -> dict[int, Samples]:
        frames = np.empty((len(records), layout.n_times, len(layout.gain)), "<i2")
        whole = [_whole(each.file, layout.offset, frames[k]) for k, each in enumerate(records)]
        steps = np.ascontiguousarray(frames.transpose(0, 2, 1))  # (n, n_channels, n_times)
        plain = np.array(whole) & _as_said(steps, np.array([each.checksum for each in records]))
        made: list[Samples] = []
        for start in range(0, layout.n_times, layout.length):
            window = steps[:, :, start : start + layout.length]
            plain &= ~(_still(window, layout) | _contradictory(window, layout))
            signal = self._window(layout, steps, start)
            plain &= (signal.min(axis=2) < signal.max(axis=2)).all(axis=1)
            plain &= ~(signal.std(axis=2) > LARGEST_STD_MV).any(axis=1)
            made.append(signal)
        windows = np.stack(made, axis=1)  # (n, n_windows, n_leads, n_times)
        return {each.place: windows[k] for k, each in enumerate(records) if plain[k]}

    def _window(self, layout: _Layout, steps: Digital, start: int) -> Samples:
        """mV (n, n_leads, n_times) of the window that begins at a sample of the file."""
        spec, columns, length = self._spec, layout.columns, layout.length
        if layout.fs != spec.fs:  # the filter reaches beyond the window
            length = math.ceil(seconds_wanted(spec) * layout.fs)
        signal = steps[:, columns, start : start + length] - layout.baseline[columns, None]
        signal /= layout.gain[columns, None]
        if layout.fs != spec.fs:
            rows = signal.reshape(-1, signal.shape[2])
            signal = resampled(rows, layout.fs, spec.fs).reshape(*signal.shape[:2], -1)
        return signal[:, :, : spec.n_times].astype(np.float32, order="C")


# ---------------------------------------------------------------- headers


def _layout(record: tuple[str, ...], signals: Lines, spec: SignalSpec) -> _Layout | None:
    """``None`` where a record isn't plain windows of a model's."""
    formats = [_FORMAT.fullmatch(words[0]) for words in signals]
    gains = [_GAIN.fullmatch(words[1]) for words in signals]
    numbers = re.fullmatch(rf"(\d+) ({_NUMBER}) (\d+)", " ".join(record))
    if numbers is None or int(numbers[1]) != len(signals):
        return None
    offsets = {found[1] for found in formats if found}
    scales = [
        (float(found[1]), float(found[2] or words[2]))
        for found, words in zip(gains, signals, strict=True)
        if found and float(found[1]) > 0 and _WHOLE.fullmatch(words[2])
    ]
    if not all(formats) or len(offsets) != 1 or len(scales) != len(signals):
        return None
    fs, n_times = float(numbers[2]), int(numbers[3])
    chosen = choose_leads([words[3] for words in signals])
    if not _is_windows(fs, n_times, chosen, spec):
        return None
    column = dict(zip(chosen.leads, chosen.columns, strict=True))
    gain, baseline = np.array(scales).T
    columns = np.array([column[lead] for lead in spec.leads], np.int64)
    limbs = {lead: column[lead] for lead in LIMB_LEADS if lead in column}
    offset, length = int(offsets.pop() or 0), round(spec.seconds * fs)
    return _Layout(n_times, length, fs, offset, gain, baseline, columns, limbs)


def _is_windows(fs: float, n_times: int, chosen: Chosen, spec: SignalSpec) -> bool:
    """Whether all of a record is windows, one behind the other."""
    length = spec.seconds * fs
    return (
        LOWEST_FS <= fs <= HIGHEST_FS
        and length == round(length)
        and n_times % length == 0
        and 1 <= n_times // length <= MOST_WINDOWS
        and n_resampled(round(length), fs, spec.fs) == spec.n_times
        and not chosen.notes
        and set(spec.leads) <= set(chosen.leads)
    )


# ---------------------------------------------------------------- samples


def _whole(path: str, offset: int, frames: Digital) -> bool:
    """Whether a file, which is no link, holds just these frames, which are then filled."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        # A byte more than a record has: a file that is too long shows without a stat.
        return os.preadv(fd, [frames.data, bytearray(1)], offset) == frames.nbytes
    except OSError:
        return False
    finally:
        os.close(fd)


def _as_said(steps: Digital, checksum: Ints) -> NDArray[np.bool_]:
    """Which records (n,) have the sums of their headers, and no gap."""
    right = (steps.sum(axis=2, dtype=np.int64) & 0xFFFF) == checksum  # (n, n_channels)
    return np.asarray((right & (steps.min(axis=2) > INVALID)).all(axis=1))


def _still(steps: Digital, layout: _Layout) -> NDArray[np.bool_]:
    """Which records (n,) may have a dropout: their first lead stands still."""
    longest = LONGEST_BRIDGE * layout.fs
    leads = steps[:, layout.columns[0]]
    return np.array([longest_run(lead[1:] == lead[:-1]) > longest for lead in leads])


def _contradictory(steps: Digital, layout: _Layout) -> NDArray[np.bool_]:
    """Which records (n,) may have limb leads that contradict each other."""
    if not {"I", "II"} <= set(layout.limbs) or len(layout.limbs) < 3:
        return np.zeros(len(steps), np.bool_)
    leads = {}
    for lead, column in layout.limbs.items():  # (n, n_times) each
        values = steps[:, column] / np.float32(layout.gain[column])
        leads[lead] = values - values.mean(axis=1, keepdims=True)
    said = limb_leads(leads["I"], leads["II"])
    wrong = sum(_energy(leads[lead] - said[lead]) for lead in leads)
    return np.asarray(wrong > SURE * MOST_CONTRADICTION * sum(map(_energy, leads.values())))


def _energy(values: Samples) -> Samples:
    return np.asarray(np.einsum("nt,nt->n", values, values))
