"""What a file may ask of the reader: sizes, and the folder that it may name files in."""

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from heart_reader.errors import DataError, HeartReaderError

LARGEST_WHOLE = 64 * 2**20  # bytes of a file that its decoder reads as a whole
LARGEST_TEXT = 2**24  # bytes of XML or JSON, which takes twenty times that in memory
MOST_TAGS = 10**6  # of an XML file
LARGEST_HEADER = 2**20  # bytes of a text header
MOST_CHANNELS = 512
MOST_SAMPLES = 50_000_000  # values of all leads together that are held at once
LONGEST_WORK = 30.0  # s on one file; damaged ones took half a second at most
LOWEST_FS, HIGHEST_FS = 50, 10_000  # Hz


class TooMuchError(DataError):
    """More samples than are held at once; fewer seconds may be asked for."""


def require_size(path: Path, largest: int = LARGEST_WHOLE) -> None:
    """Refuses a file that is larger than its decoder may read at once.

    Raises:
        DataError: it is larger.
    """
    size = path.stat().st_size
    if size > largest:
        raise DataError(
            f"{path} has {size / 2**20:.0f} MB; files of this kind may have "
            f"{largest / 2**20:.0f} MB"
        )


def require_samples(name: str, n_channels: int, n_times: float) -> None:
    """Refuses what a header claims before memory is taken for it.

    Raises:
        DataError: more channels than any recorder has.
        TooMuchError: more samples than are held at once.
    """
    if not 0 < n_channels <= MOST_CHANNELS:
        raise DataError(f"{name} claims {n_channels} channels; 1 to {MOST_CHANNELS} are read")
    if not 0 <= n_times * n_channels <= MOST_SAMPLES:
        raise TooMuchError(
            f"{name} claims {n_channels} channels of {n_times:.0f} samples; at most "
            f"{MOST_SAMPLES} values are held at once"
        )


def require_rate(name: str, fs: float) -> None:
    """Refuses a sampling rate that no recorder has.

    Raises:
        DataError: it is none.
    """
    if not LOWEST_FS <= fs <= HIGHEST_FS:
        raise DataError(
            f"record {name} must have {LOWEST_FS} to {HIGHEST_FS} Hz, but has {fs:g} Hz"
        )


def inside(folder: Path, name: str, owner: str) -> Path:
    """The file that a header names, which must lie in the header's folder.

    Raises:
        DataError: an absolute name, one with ``..``, or a link that leads out.
    """
    path = folder / name
    unsafe = "\0" in name or Path(name).is_absolute() or ".." in Path(name).parts
    if unsafe or not path.resolve().is_relative_to(folder.resolve()):
        raise DataError(f"record {owner} names the file {name!r}, which isn't in its folder")
    return path


@contextmanager
def decoding(name: str, kind: str) -> Iterator[None]:
    """Turns whatever a decoder raises on a damaged file into one line that names the file.

    Decoders of other hands raise almost any error on almost any damage. Their words aren't
    repeated: they may quote the file, and so a person.
    """
    try:
        yield
    except HeartReaderError:
        raise
    except (Exception, SystemExit) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "it is damaged"
        raise DataError(
            f"{name} can't be read as {kind}: {why} ({type(error).__name__})"
        ) from error


class _OutOfTime(BaseException):  # an Exception would be taken for damage
    """Raised by a timer inside whatever reads a file."""


@contextmanager
def time_limit(seconds: float, name: str) -> Iterator[None]:
    """Ends what is inside after some seconds, in any thread; between two steps of Python.

    Raises:
        DataError: time is up.
    """
    thread, lock, over = ctypes.c_ulong(threading.get_ident()), threading.Lock(), [False]

    def interrupt() -> None:
        with lock:
            if not over[0]:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, ctypes.py_object(_OutOfTime))

    timer = threading.Timer(seconds, interrupt)
    timer.daemon = True
    timer.start()
    try:
        try:
            yield
        finally:
            with lock:
                over[0] = True
            timer.cancel()  # a call: what was raised a moment before arrives here at the latest
    except _OutOfTime:
        raise DataError(f"{name} can't be read: it took more than {seconds:g} s") from None
