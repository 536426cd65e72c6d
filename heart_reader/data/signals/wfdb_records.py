"""WFDB records read in blocks, each checked against its header.

The PTB-XL layout is read straight into the block's array; whatever else wfdb can read goes
through wfdb. A record that breaks a rule is a defect: one sentence that names rule and value.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from heart_reader.data.ptbxl import LEADS, N_TIMES, SAMPLING_RATE
from heart_reader.data.signals.store import INVALID, Block, Digital, Floats, Ints
from heart_reader.data.signals.wfdb_header import UNITS_PER_MV, HeaderParser, Layout
from heart_reader.errors import DataError

N_LEADS = len(LEADS)
BLOCK_RECORDS = 512  # 12 MB of samples: stays in the cache of a server CPU
_FRAME_BYTES = 2 * N_LEADS
_RECORD_BYTES = _FRAME_BYTES * N_TIMES
_HEADER_BYTES = 65536


class _DefectError(DataError):
    """What is wrong with one record, without its name."""


@dataclass
class _Scratch:
    """The arrays that one block after another is read into."""

    signals: Digital = field(
        default_factory=lambda: np.empty((BLOCK_RECORDS, N_TIMES, N_LEADS), np.dtype("<i2"))
    )
    gain: Floats = field(default_factory=lambda: np.ones((BLOCK_RECORDS, N_LEADS)))
    baseline: Floats = field(default_factory=lambda: np.zeros((BLOCK_RECORDS, N_LEADS)))
    initial_value: Ints = field(
        default_factory=lambda: np.zeros((BLOCK_RECORDS, N_LEADS), np.int64)
    )
    checksum: Ints = field(default_factory=lambda: np.zeros((BLOCK_RECORDS, N_LEADS), np.int64))


class BlockReader:
    """Reads and checks records of one tree, up to `BLOCK_RECORDS` at a time."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._parser = HeaderParser()
        self._scratch = _Scratch()

    def read(self, ecg_ids: Ints, names: Sequence[str]) -> Block:
        """The records ``root/name`` in their order; the arrays are valid until the next call."""
        n, to = len(names), self._scratch
        defects: dict[int, str] = {}
        for row, name in enumerate(names):
            try:
                _read_record(os.path.join(self._root, name), self._parser, to, row)
            except _DefectError as defect:
                defects[row] = str(defect)
                to.signals[row] = 0
        warnings = _check_samples(to, n, defects)
        good = np.array([row for row in range(n) if row not in defects], dtype=np.int64)
        rows: slice | Ints = slice(0, n) if len(good) == n else good  # a slice copies nothing
        return Block(
            ecg_id=ecg_ids[good],
            signals=to.signals[rows],
            gain=to.gain[rows],
            baseline=to.baseline[rows],
            defects={int(ecg_ids[row]): f"{names[row]}: {why}" for row, why in defects.items()},
            warnings={int(ecg_ids[row]): f"{names[row]}: {why}" for row, why in warnings.items()},
        )


def _read_record(path: str, parser: HeaderParser, to: _Scratch, row: int) -> None:
    try:
        text = _read_file(path + ".hea").decode("ascii")
    except FileNotFoundError:
        raise _DefectError("its header file .hea is missing") from None
    except (OSError, UnicodeDecodeError) as error:
        raise _DefectError(f"its header file .hea can't be read ({error})") from error
    if not text.strip():
        raise _DefectError("its header file .hea is empty")
    header = parser.parse(text, os.path.basename(path))
    if header is None:
        _read_by_wfdb(path, to, row)
        return
    _check_layout(header.layout)
    _read_samples(path + ".dat", to.signals[row])
    to.gain[row] = header.layout.gain
    to.baseline[row] = header.layout.baseline
    to.initial_value[row] = header.initial_value
    to.checksum[row] = header.checksum


def _read_file(path: str) -> bytes:
    # os.open costs a third of open(), and there are 40,000 files
    fd = os.open(path, os.O_RDONLY)
    try:
        return os.read(fd, _HEADER_BYTES)
    finally:
        os.close(fd)


def _read_samples(path: str, into: Digital) -> None:
    try:
        fd = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        raise _DefectError("its signal file .dat is missing") from None
    try:
        # a byte more than a record has: a file that is too long shows without a stat
        n_bytes = os.readv(fd, [into.data, bytearray(1)])
        size = os.fstat(fd).st_size if n_bytes != _RECORD_BYTES else n_bytes
    except OSError as error:
        raise _DefectError(f"its signal file .dat can't be read ({error})") from error
    finally:
        os.close(fd)
    if size != _RECORD_BYTES:
        what = "is cut short" if size < _RECORD_BYTES else "disagrees with its header"
        raise _DefectError(
            f"its signal file {what}: {size} bytes where {N_TIMES} samples of {N_LEADS} leads "
            f"take {_RECORD_BYTES}"
        )


@lru_cache(maxsize=64)  # a data set has a few, and up to 40,000 records; a raised one isn't kept
def _check_layout(layout: Layout) -> None:
    found = [name.lower() for name in layout.leads]
    wanted = [name.lower() for name in LEADS]
    if len(found) != N_LEADS:
        raise _DefectError(f"its header has {len(found)} leads, a record has {N_LEADS}")
    if found != wanted:
        first = next(i for i in range(N_LEADS) if found[i] != wanted[i])
        rule = "wrong lead order" if sorted(found) == sorted(wanted) else "wrong leads"
        raise _DefectError(
            f"{rule} in its header: lead {first + 1} is {layout.leads[first]!r} and must be "
            f"{LEADS[first]!r} (the order is {', '.join(LEADS)})"
        )
    if layout.fs != SAMPLING_RATE:
        raise _DefectError(f"its sampling rate is {layout.fs:g} Hz, it must be {SAMPLING_RATE} Hz")
    if layout.n_times != N_TIMES:
        raise _DefectError(
            f"its header says {layout.n_times} samples a lead, it must be {N_TIMES}"
        )


def _check_samples(to: _Scratch, n: int, defects: dict[int, str]) -> dict[int, str]:
    """Add to the ``defects`` of the first ``n`` rows; return the warnings, by row."""
    signals = to.signals[:n]
    # a checksum is a sum modulo 2**16: what 16 bits hold of it
    sums = _over_time(np.add, signals.view(np.uint16)).astype(np.int64)  # (n, n_leads)
    low, high = _over_time(np.minimum, signals), _over_time(np.maximum, signals)
    wrong_sum = sums != to.checksum[:n]
    wrong_start = signals[:, 0] != to.initial_value[:n]
    invalid = low == INVALID
    flat = low == high
    warnings: dict[int, str] = {}
    for row in np.flatnonzero((wrong_sum | wrong_start | invalid | flat).any(axis=1)).tolist():
        if row in defects:
            continue
        if wrong_start[row].any():
            defects[row] = _disagreement(
                "first sample", wrong_start[row], signals[row, 0], to.initial_value[row]
            )
        elif wrong_sum[row].any():
            defects[row] = _disagreement("checksum", wrong_sum[row], sums[row], to.checksum[row])
        elif invalid[row].any():
            lead = int(np.argmax(invalid[row]))
            count = int((signals[row, :, lead] == INVALID).sum())
            defects[row] = f"lead {LEADS[lead]} has {count} samples without a value (NaN)"
        else:
            lead_names = [LEADS[lead] for lead in np.flatnonzero(flat[row])]
            warnings[row] = f"flat lead {', '.join(lead_names)}"
    return warnings


def _over_time(operation: np.ufunc, samples: npt.NDArray[np.integer]) -> npt.NDArray[np.integer]:
    """Reduces ``(n, N_TIMES, N_LEADS)`` over time, rows of many samples first: 5 times faster."""
    for n_kept in (N_TIMES // 10, N_TIMES // 100, 1):
        wide = samples.reshape(len(samples), -1, n_kept * N_LEADS)
        samples = operation.reduce(wide, axis=1, dtype=samples.dtype)
    return samples  # (n, N_LEADS)


def _disagreement(
    what: str, wrong: npt.NDArray[np.bool_], found: npt.NDArray[np.integer], said: Ints
) -> str:
    lead = int(np.argmax(wrong))
    return (
        f"the {what} of lead {LEADS[lead]} is {found[lead]}, its header says {said[lead]}: "
        f"the signal file or the header was changed or damaged"
    )


def _read_by_wfdb(path: str, to: _Scratch, row: int) -> None:
    """Any other format, gain, unit or number of files, as wfdb reads it."""
    import wfdb  # only here: a tree in the PTB-XL layout needs no wfdb

    try:
        record = wfdb.rdrecord(path, physical=False)
        layout = Layout(
            leads=tuple(record.sig_name),
            fs=float(record.fs),
            n_times=int(record.sig_len),
            gain=_gains(record.adc_gain, record.units),
            baseline=tuple(int(step) for step in record.baseline),
        )
        invalid = np.array([_invalid_value(fmt) for fmt in record.fmt])
        digital = np.asarray(record.d_signal, dtype=np.int64)
        checksum, initial_value = record.checksum, record.init_value
    except _DefectError:
        raise
    # what wfdb raises on a header or file that it can't read, nothing more
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OSError) as error:
        raise _DefectError(f"wfdb can't read it ({type(error).__name__}: {error})") from error
    _check_layout(layout)
    sums = digital.sum(axis=0) & 0xFFFF
    no_value = digital == invalid
    if ((abs(digital) >= 2**15) & ~no_value).any():
        raise _DefectError(f"a sample of {abs(digital).max()} steps doesn't fit into 16 bits")
    to.signals[row] = np.where(no_value, INVALID, digital)
    to.gain[row], to.baseline[row] = layout.gain, layout.baseline
    whole = all(n == 1 for n in record.samps_per_frame)  # else wfdb averages the frame
    to.checksum[row] = _said(checksum, sums, whole) & 0xFFFF
    start = to.signals[row, 0]
    to.initial_value[row] = np.where(no_value[0], start, _said(initial_value, start, whole))


def _said(header: Sequence[int | None], found: npt.NDArray[np.integer], whole: bool) -> Ints:
    """The header's values; where it doesn't say (both fields are optional), what was found."""
    return np.array(
        [f if h is None or not whole else h for h, f in zip(header, found, strict=True)],
        dtype=np.int64,
    )


def _gains(gains: Iterable[float], units: Iterable[str]) -> tuple[float, ...]:
    per_mv = []
    for gain, unit in zip(gains, units, strict=True):
        if unit not in UNITS_PER_MV:
            raise _DefectError(f"its unit is {unit!r}, it must be mV, uV or V")
        per_mv.append(float(gain) * UNITS_PER_MV[unit])
    return tuple(per_mv)


def _invalid_value(fmt: str) -> int:
    from wfdb.io._signal import INVALID_SAMPLE_VALUE

    value = INVALID_SAMPLE_VALUE[fmt]
    return -(2**40) if value is None else int(value)  # format 8 has none: one that can't occur
