"""`read_recording`: one ECG from a file of any kind, told by its content."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from heart_reader.data.formats.asked import Asked
from heart_reader.data.formats.families import (
    edf,
    hdf5,
    ishne,
    json_text,
    matlab,
    numpy_arrays,
    parquet,
    vendor,
)
from heart_reader.data.formats.families.csv_table import read_csv
from heart_reader.data.formats.families.wfdb_header import is_header
from heart_reader.data.formats.families.wfdb_record import read_wfdb
from heart_reader.data.formats.limits import require_rate
from heart_reader.data.formats.units import UNITS, unit_of
from heart_reader.data.recordings.recording import Recording
from heart_reader.errors import DataError, did_you_mean

HEAD = 4096  # bytes by which a kind is told


Matches = Callable[[Path, bytes], bool]


@dataclass(frozen=True)
class Format:
    """A family of files.

    Attributes:
        kind: its name.
        matches: whether a file is one, by its path and first ``HEAD`` bytes.
        read: reads it, given the name that the user gave, the path, and what was asked.
        several: whether a file may hold several records.
    """

    kind: str
    matches: Matches
    read: Callable[[str, Path, Asked], Recording]
    several: bool


def _is_wfdb(path: Path, head: bytes) -> bool:
    return path.suffix.lower() == ".hea" or is_header(head)


def _is_text(path: Path, head: bytes) -> bool:
    text = head.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" not in head
    return text and b"<" not in head[:64] and any(digit in head for digit in b"0123456789")


# The surest first: the first that matches reads the file.
FORMATS = (
    Format("DICOM", vendor.is_dicom, vendor.read_dicom, False),
    Format("GE MUSE XML", vendor.is_muse, vendor.read_muse, False),
    Format("Philips Sierra XML", vendor.is_sierra, vendor.read_sierra, False),
    Format("HL7 aECG", vendor.is_aecg, vendor.read_aecg, False),
    Format("ISHNE", ishne.is_ishne, ishne.read_ishne, False),
    Format("BDF", edf.is_bdf, edf.read_bdf, False),
    Format("EDF", edf.is_edf, edf.read_edf, False),
    Format("NPY", numpy_arrays.is_npy, numpy_arrays.read_npy, True),
    Format("NPZ", numpy_arrays.is_npz, numpy_arrays.read_npz, True),
    Format("HDF5", hdf5.is_hdf5, hdf5.read_hdf5, True),
    Format("Parquet", parquet.is_parquet, parquet.read_parquet, False),
    Format("MFER", vendor.is_mfer, vendor.read_mfer, False),
    Format("SCP-ECG", vendor.is_scp, vendor.read_scp, False),
    Format("MAT", matlab.is_mat, matlab.read_mat, True),
    Format("WFDB", _is_wfdb, read_wfdb, False),
    Format("JSON", json_text.is_json, json_text.read_json, True),
    Format("CSV", _is_text, read_csv, False),
)
_INDEX = re.compile(r"(.+)#(\d{1,9})")


def read_recording(
    path: str,
    fs: float | None = None,
    unit: str | None = None,
    gain: float | None = None,
    seconds: float | None = None,
) -> Recording:
    """An ECG from a file of any kind in ``FORMATS``.

    Args:
        path: of the file; of WFDB with or without a suffix.
        fs: Hz, for files that don't say it.
        unit: mV, uV, V or nV, for files that don't say it.
        gain: steps of the converter per mV, for files that are uncalibrated.
        seconds: that are wanted from the beginning; ``None`` for all.

    Raises:
        DataError: a file that is missing, damaged, unsafe, of no known kind, or that leaves open
            what nobody said.
    """
    if fs is not None:
        require_rate(path, fs)
    if gain is not None and not 0 < gain < math.inf:
        raise DataError(f"--gain must be above 0 steps per mV, but is {gain:g}")
    address, record = split_address(path)
    asked = Asked(fs, _checked_unit(unit), gain, seconds, record)
    file, head = find_file(address)
    for each in FORMATS:
        if each.matches(file, head):
            return _with_options_said(_read(each, path, file, asked), asked)
    kinds = ", ".join(each.kind for each in FORMATS)
    raise DataError(f"{path} can't be read: it is none of {kinds}")


def split_address(path: str) -> tuple[str, int | None]:
    """``FILE#3`` means the record of index 3 in FILE, unless a file has that name."""
    found = _INDEX.fullmatch(path)
    if found is None or Path(path).exists() or not Path(found[1]).exists():
        return path, None
    return found[1], int(found[2])


def _read(each: Format, name: str, file: Path, asked: Asked) -> Recording:
    if asked.record is not None and not each.several:
        raise DataError(f"{name} can't be read: a {each.kind} file holds one record")
    return each.read(name, file, asked)


def _checked_unit(unit: str | None) -> str | None:
    if unit is None:
        return None
    known = unit_of(unit)
    if known is None:
        raise DataError(f"unit {unit!r} is none of {', '.join(UNITS)}{did_you_mean(unit, UNITS)}")
    return known


def find_file(path: str) -> tuple[Path, bytes]:
    """The file that a path means, and its beginning; a WFDB record means its header."""
    given = Path(path)
    beside = _header_of(given)
    file = beside if beside is not None else given
    try:
        if not file.is_file():
            raise DataError(f"record {path}: there is no {path}.hea (nor is it a file)")
        with file.open("rb") as opened:
            head = opened.read(HEAD)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} can't be read: {error}") from error
    if not head:
        raise DataError(f"{path} can't be read: it is empty")
    return file, head


def _header_of(given: Path) -> Path | None:
    """The header of the record that a path means, ``None`` where it means a file by itself."""
    if given.suffix.lower() in (".dat", ".mat"):
        given = given.with_suffix("")
    elif given.is_file():
        return None
    for suffix in (".hea", ".HEA"):
        header = given.with_name(given.name + suffix)
        if header.is_file():
            return header
    return None


def _with_options_said(recording: Recording, asked: Asked) -> Recording:
    """A note where the file itself says what an option says otherwise."""
    notes = list(recording.notes)
    if asked.fs is not None and abs(asked.fs - recording.fs) > 1e-6 * recording.fs:
        notes.append(f"--fs {asked.fs:g} left aside: the file says {recording.fs:g} Hz")
    return replace(recording, notes=tuple(notes))
