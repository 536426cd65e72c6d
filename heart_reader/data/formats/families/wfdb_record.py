"""WFDB records: every signal format, several files, skew, records of several segments.

The samples are decoded by wfdb; only what is asked for is read. Where a record is small enough to
be read as a whole, the header's checksums are held against it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heart_reader.data.formats.asked import Asked
from heart_reader.data.formats.families.wfdb_header import (
    DEFAULT_FS,
    Header,
    SegmentLine,
    SignalLine,
    parse_header,
)
from heart_reader.data.formats.lead_names import Chosen, choose_leads
from heart_reader.data.formats.limits import (
    LARGEST_HEADER,
    LARGEST_WHOLE,
    decoding,
    inside,
    require_rate,
    require_samples,
    require_size,
)
from heart_reader.data.formats.person import age_of, sex_of
from heart_reader.data.formats.units import factor_to_mv
from heart_reader.data.recordings.recording import Recording
from heart_reader.errors import DataError

Floats = NDArray[np.float64]
Digital = NDArray[np.signedinteger[Any]]
KIND = "WFDB"


@dataclass(frozen=True, eq=False)
class _Part:
    """A record, or a segment of one, from its beginning as far as asked.

    ``signals`` is mV (n_times,) of each lead; ``n_per_frame`` is what all of them have.
    """

    signals: dict[str, Floats]
    others: tuple[str, ...]
    n_per_frame: int
    notes: tuple[str, ...]


def read_wfdb(name: str, header: Path, asked: Asked) -> Recording:
    """The record of a header file.

    Raises:
        DataError: a header or signal file that is damaged, cut short, unsafe or uncalibrated.
    """
    parsed = _parsed(header, name)
    fs, notes = _rate(parsed, asked)
    require_rate(name, fs)
    if parsed.segments:
        part = _read_segments(name, header.parent, parsed, fs, asked)
    else:
        part = _read_signals(name, header.parent, parsed, fs, asked)
    leads = tuple(part.signals)
    n_frames = parsed.n_frames or _longest(part)
    return Recording(
        name=name,
        kind=KIND,
        leads=leads,
        signal=np.stack(list(part.signals.values())) if leads else np.empty((0, 0)),
        fs=fs * part.n_per_frame,
        seconds=n_frames / fs,
        others=part.others,
        start=None,
        age=age_of(parsed.comments),
        sex=sex_of(parsed.comments),
        notes=(*notes, *part.notes),
    )


def _parsed(path: Path, name: str) -> Header:
    require_size(path, LARGEST_HEADER)
    return parse_header(path.read_bytes(), name)


def _rate(header: Header, asked: Asked) -> tuple[float, tuple[str, ...]]:
    if header.fs is not None:
        return header.fs, ()
    if asked.fs is not None:
        return asked.fs, ()
    return DEFAULT_FS, (f"no sampling rate in the header: WFDB's default, {DEFAULT_FS:g} Hz",)


def _longest(part: _Part) -> float:
    return max((len(values) for values in part.signals.values()), default=0) / part.n_per_frame


# ---------------------------------------------------------------- one record


def _read_signals(name: str, folder: Path, header: Header, fs: float, asked: Asked) -> _Part:
    chosen = choose_leads([line.lead for line in header.signals])
    lines = [header.signals[column] for column in chosen.columns]
    rates = {line.n_per_frame for line in lines}
    if len(rates) > 1:
        raise DataError(f"record {name} has leads of different sampling rates, {fs:g} Hz times "
                        f"{', '.join(map(str, sorted(rates)))}")  # fmt: skip
    signals: dict[str, Floats] = {}
    notes = list(chosen.notes)
    for file in dict.fromkeys(line.file for line in lines):
        read, more = _read_file(name, folder, header, file, chosen, fs, asked)
        signals |= read
        notes += more
    ordered = {lead: signals[lead] for lead in chosen.leads}
    return _Part(ordered, chosen.others, min(rates, default=1), tuple(notes))


def _read_file(
    name: str, folder: Path, header: Header, file: str, chosen: Chosen, fs: float, asked: Asked
) -> tuple[dict[str, Floats], list[str]]:
    """The leads that lie in one signal file, mV by name, and notes."""
    wanted = dict(zip(chosen.columns, zip(chosen.leads, chosen.signs, strict=True), strict=True))
    of_file = [(k, line) for k, line in enumerate(header.signals) if line.file == file]
    lines = [line for _, line in of_file]
    path = _signal_file(inside(folder, file, name), name)
    n_frames = header.n_frames or _frames_of_file(path, lines, name)
    used = asked.n_times(fs, n_frames)
    there = min(n_frames, _frames_there(path, lines, n_frames))
    if there < used:
        raise DataError(
            f"record {name} is cut short: {path.name} ends after {there / fs:.2f} of "
            f"{n_frames / fs:.2f} s"
        )
    whole = there == n_frames and path.stat().st_size <= LARGEST_WHOLE
    skew = max(line.skew for line in lines)
    n_read = n_frames if whole else min(there, used + skew)
    require_samples(f"record {name}", sum(line.n_per_frame for line in lines), n_read)
    if _is_plain(lines):
        digital = _of_format_16(name, path, lines, n_read)
    else:
        digital = _decoded(name, path, lines, n_read)
    found, notes = {}, []
    for (column, line), values in zip(of_file, digital, strict=True):
        if column in wanted:
            lead, sign = wanted[column]
            _check_sums(name, lead, line, values, whole)
            gain, factor, more = _scale(name, lead, line, asked)
            steps = _steps(line, values, used)
            steps /= gain  # divided, then multiplied: as wfdb does it, to the last bit
            if factor * sign != 1:
                steps *= factor * sign
            found[lead] = steps
            notes += [each for each in more if each not in notes]
    if there < n_frames:
        notes.append(f"{path.name} is cut short after {there / fs:.2f} of {n_frames / fs:.2f} s")
    elif not whole:
        notes.append("checksums not looked at: only the beginning was read")
    return found, notes


def _signal_file(path: Path, name: str) -> Path:
    if not path.is_file():
        raise DataError(f"record {name} can't be read: there is no signal file {path}")
    return path


def _frame_bytes(lines: Sequence[SignalLine], name: str) -> float:
    """Bytes of a frame of one file, 0 where it is compressed."""
    from wfdb.io._signal import BYTES_PER_SAMPLE

    formats = {line.format for line in lines}
    if len(formats) > 1 or not formats <= set(BYTES_PER_SAMPLE):
        raise DataError(f"record {name} has the signal format {', '.join(sorted(formats))}")
    per_sample: float = BYTES_PER_SAMPLE[formats.pop()]
    return per_sample * sum(line.n_per_frame for line in lines)


def _frames_of_file(path: Path, lines: Sequence[SignalLine], name: str) -> int:
    per_frame = _frame_bytes(lines, name)
    if not per_frame:
        raise DataError(f"record {name} can't be read: its header doesn't say how long it is")
    return int((path.stat().st_size - lines[0].offset) / per_frame)


def _frames_there(path: Path, lines: Sequence[SignalLine], n_frames: int) -> int:
    per_frame = _frame_bytes(lines, str(path))
    if not per_frame:
        return n_frames  # compressed: the decoder finds out
    return max(0, int((path.stat().st_size - lines[0].offset) / per_frame))


def _decoded(name: str, path: Path, lines: Sequence[SignalLine], n_frames: int) -> list[Digital]:
    """Steps of the converter of each channel of a file, (n_frames * n_per_frame,), unskewed."""
    if not n_frames:
        return [np.empty(0, np.int64) for _ in lines]
    from wfdb.io import _signal  # only here: the core runs without it

    with decoding(f"record {name}", KIND):
        found: list[Digital] = _signal._rd_dat_signals(
            file_name=path.name,
            dir_name=str(path.parent),
            pn_dir=None,
            fmt=lines[0].format,
            n_sig=len(lines),
            sig_len=n_frames,
            byte_offset=lines[0].offset,
            samps_per_frame=[line.n_per_frame for line in lines],
            skew=[0] * len(lines),
            init_value=[line.initial or 0 for line in lines],
            sampfrom=0,
            sampto=n_frames,
        )
        return found


def _is_plain(lines: Sequence[SignalLine]) -> bool:
    """What nearly all data sets hold: whole words, channel after channel."""
    return all(line.format == "16" and line.n_per_frame == 1 for line in lines)


def _of_format_16(
    name: str, path: Path, lines: Sequence[SignalLine], n_frames: int
) -> list[Digital]:
    """As `_decoded`, of plain files, for which wfdb takes 2 ms."""
    with decoding(f"record {name}", KIND):
        words = np.fromfile(path, "<i2", n_frames * len(lines), offset=lines[0].offset)
        return list(np.ascontiguousarray(words.reshape(n_frames, len(lines)).T))


def _check_sums(name: str, lead: str, line: SignalLine, values: Digital, whole: bool) -> None:
    """Holds samples against what the header says of them, as far as it says it."""
    if not len(values) or line.checksum is None or (line.checksum == 0 and not line.initial):
        return
    said, found, what = line.initial, int(values[0]), "first sample"
    if whole:
        said, what = line.checksum, "checksum"
        found = int(values.sum(dtype=np.int64)) & 0xFFFF
    if said is not None and found != said:
        raise DataError(
            f"record {name}: the {what} of lead {lead} is {found}, its header says {said}: the "
            "signal file or the header was changed or damaged"
        )


def _scale(
    name: str, lead: str, line: SignalLine, asked: Asked
) -> tuple[float, float, tuple[str, ...]]:
    """Steps per unit, mV per unit, and a note on what was assumed."""
    if line.gain:
        return line.gain, factor_to_mv(name, lead, line.unit), ()
    if asked.gain:
        return asked.gain, 1.0, (f"uncalibrated: --gain {asked.gain:g} steps per mV",)
    raise DataError(
        f"record {name}: lead {lead} has gain 0, which means uncalibrated: give the steps per mV "
        "with --gain (WFDB's programs assume 200)"
    )


def _steps(line: SignalLine, values: Digital, n_frames: int) -> Floats:
    """Steps above the baseline with the skew taken out, NaN where there is no sample."""
    start, n = line.skew * line.n_per_frame, n_frames * line.n_per_frame
    part = values[start : start + n]
    steps = np.empty(n)
    steps[len(part) :] = np.nan
    np.subtract(part, line.baseline, out=steps[: len(part)], dtype=np.float64)
    invalid = _no_sample(line.format)
    if invalid is not None and len(part) and part.min() <= invalid:
        steps[: len(part)][part == invalid] = np.nan
    return steps


@cache
def _no_sample(form: str) -> int | None:
    """The step by which a signal format says that there is no sample: its lowest one."""
    from wfdb.io._signal import INVALID_SAMPLE_VALUE

    value: int | None = INVALID_SAMPLE_VALUE[form]
    return value


# ---------------------------------------------------------------- records of several segments


def _read_segments(name: str, folder: Path, header: Header, fs: float, asked: Asked) -> _Part:
    """Segments one after another as far as asked; NaN where a segment lacks a lead."""
    total = sum(segment.n_frames for segment in header.segments)
    left = asked.n_times(fs, total)
    require_samples(f"record {name}", 12, left)
    parts: list[tuple[int, _Part]] = []
    for segment in header.segments:
        if left <= 0:
            break
        if not segment.n_frames:
            continue  # the layout, which holds no samples
        n = min(left, segment.n_frames)
        parts.append((n, _read_segment(name, folder, segment, n, fs, asked)))
        left -= n
    return _joined(name, parts)


def _read_segment(
    name: str, folder: Path, segment: SegmentLine, n: int, fs: float, asked: Asked
) -> _Part:
    if segment.record == "~":
        return _Part({}, (), 0, ())
    path = inside(folder, f"{segment.record}.hea", name)
    if not path.is_file():
        raise DataError(f"record {name} can't be read: there is no segment {path}")
    header = _parsed(path, f"{name}, segment {segment.record}")
    if header.segments:
        raise DataError(f"record {name}: segment {segment.record} is in segments itself")
    wanted = Asked(fs=asked.fs, unit=asked.unit, gain=asked.gain, seconds=n / fs, record=None)
    return _read_signals(f"{name}, segment {segment.record}", folder, header, fs, wanted)


def _joined(name: str, parts: list[tuple[int, _Part]]) -> _Part:
    rates = {part.n_per_frame for _, part in parts if part.signals}
    if len(rates) > 1:
        raise DataError(f"record {name} has segments of different sampling rates")
    rate = min(rates, default=1)
    leads = dict.fromkeys(lead for _, part in parts for lead in part.signals)
    joined = {lead: np.full(rate * sum(n for n, _ in parts), np.nan) for lead in leads}
    start = 0
    for n, part in parts:
        for lead, values in part.signals.items():
            joined[lead][start * rate : start * rate + len(values)] = values[: n * rate]
        start += n
    others = dict.fromkeys(other for _, part in parts for other in part.others)
    notes = dict.fromkeys(note for _, part in parts for note in part.notes)
    return _Part(joined, tuple(others), rate, tuple(notes))
