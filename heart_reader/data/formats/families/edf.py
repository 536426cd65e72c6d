"""EDF, EDF+ and BDF, decoded by edfio, which reads no more than what is asked for."""

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from heart_reader.data.formats.asked import Asked
from heart_reader.data.formats.lead_names import choose_leads
from heart_reader.data.formats.limits import decoding, require_rate, require_samples
from heart_reader.data.formats.matrix import aligned
from heart_reader.data.formats.person import UNKNOWN, sex_of_word
from heart_reader.data.formats.units import factor_to_mv
from heart_reader.data.recordings.recording import Recording
from heart_reader.errors import DataError

EDF_MARK, BDF_MARK = b"0       ", b"\xffBIOSEMI"
BEGINNING = 2**24  # bytes: eight minutes of 12 leads at 1 kHz


def is_edf(path: Path, head: bytes) -> bool:
    """EDF or EDF+, by its version."""
    return head.startswith(EDF_MARK)


def is_bdf(path: Path, head: bytes) -> bool:
    """BDF, by its version."""
    return head.startswith(BDF_MARK)


def read_edf(name: str, path: Path, asked: Asked) -> Recording:
    """The leads of an EDF file; samples that aren't asked for stay on the disk."""
    import edfio

    with _quiet(name, "EDF") as caught:
        file = edfio.read_edf(path, lazy_load_data=True, header_encoding="latin-1")
        return _read(name, "EDF", file, float(file.duration), asked, caught)


def read_bdf(name: str, path: Path, asked: Asked) -> Recording:
    """The leads of a BDF file, of no more than its first `BEGINNING` bytes."""
    import edfio

    with _quiet(name, "BDF") as caught:
        with path.open("rb") as opened:
            content = opened.read(BEGINNING)
        seconds = int(content[236:244]) * float(content[244:252])
        file = edfio.read_bdf(io.BytesIO(content), header_encoding="latin-1")
        if len(content) == BEGINNING:
            caught.clear()
        return _read(name, "BDF", file, max(seconds, float(file.duration)), asked, caught)


@contextmanager
def _quiet(name: str, kind: str) -> Iterator[list[warnings.WarningMessage]]:
    """A decoder's errors as one line, its warnings kept: they may quote the header."""
    with decoding(name, kind), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield caught


def _read(
    name: str, kind: str, file: Any, seconds: float, asked: Asked, caught: Sequence[Any]
) -> Recording:
    chosen = choose_leads([signal.label for signal in file.signals])
    signals = [file.signals[column] for column in chosen.columns]
    rates = {float(signal.sampling_frequency) for signal in signals}
    if len(rates) > 1:
        raise DataError(f"{name} has leads of different sampling rates")
    fs = rates.pop() if rates else 100.0
    require_rate(name, fs)
    there = float(file.duration)
    n_times = asked.n_times(fs, round(there * fs))
    require_samples(name, len(signals), n_times)
    leads = [
        signal.get_data_slice(0, min(there, n_times / fs))
        * factor_to_mv(name, lead, signal.physical_dimension)
        * sign
        for signal, lead, sign in zip(signals, chosen.leads, chosen.signs, strict=True)
    ]
    notes = list(chosen.notes)
    if not getattr(file, "is_continuous", True):
        notes.append("the file has pauses, which are not kept apart")
    if any("records" in str(each.message) or "runcated" in str(each.message) for each in caught):
        notes.append("the file is cut short, or its header counts wrong")
    return Recording(
        name=name,
        kind=kind,
        leads=chosen.leads,
        signal=aligned(leads)[:, :n_times],
        fs=fs,
        seconds=seconds,
        others=chosen.others,
        start=None,
        age=UNKNOWN,
        sex=_sex(file),
        notes=tuple(notes),
    )


def _sex(file: Any) -> float:
    """Of EDF+'s patient field, ``CODE SEX BIRTHDATE NAME``; NaN where it isn't said."""
    words = str(file.local_patient_identification).split()
    return sex_of_word(words[1]) if len(words) > 1 else UNKNOWN
