"""`read_recording`: one ECG from a file of any kind, told by its content."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from heart_reader.data.formats.asked import Asked
from heart_reader.data.formats.csv_table import read_csv
from heart_reader.data.formats.units import UNITS, unit_of
from heart_reader.data.formats.wfdb_header import is_header
from heart_reader.data.formats.wfdb_record import read_wfdb
from heart_reader.data.recording import Recording
from heart_reader.errors import DataError, did_you_mean

HEAD = 4096  # bytes by which a kind is told


@dataclass(frozen=True)
class Format:
    """A family of files.

    Attributes:
        kind: its name.
        matches: whether a file is one, by its path and first ``HEAD`` bytes.
        read: reads it, given the name that the user gave, the path, and what was asked.
    """

    kind: str
    matches: Callable[[Path, bytes], bool]
    read: Callable[[str, Path, Asked], Recording]


def _is_wfdb(path: Path, head: bytes) -> bool:
    return path.suffix.lower() == ".hea" or is_header(head)


def _is_text(path: Path, head: bytes) -> bool:
    text = head.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" not in head
    return text and any(digit in head for digit in b"0123456789")


# The surest first: the first that matches reads the file.
FORMATS = (
    Format("WFDB", _is_wfdb, read_wfdb),
    Format("CSV", _is_text, read_csv),
)


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
    asked = Asked(fs, _checked_unit(unit), gain, seconds)
    file, head = _find(path)
    for each in FORMATS:
        if each.matches(file, head):
            return _with_options_said(each.read(path, file, asked), asked)
    kinds = ", ".join(each.kind for each in FORMATS)
    raise DataError(f"{path} can't be read: it is none of {kinds}")


def _checked_unit(unit: str | None) -> str | None:
    if unit is None:
        return None
    known = unit_of(unit)
    if known is None:
        raise DataError(f"unit {unit!r} is none of {', '.join(UNITS)}{did_you_mean(unit, UNITS)}")
    return known


def _find(path: str) -> tuple[Path, bytes]:
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
