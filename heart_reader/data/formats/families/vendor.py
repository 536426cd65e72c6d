"""What hospitals' machines write: DICOM, GE MUSE, Philips Sierra, HL7 aECG, SCP-ECG, MFER.

Decoded by ecgdatakit (https://github.com/UMMISCO/ECGDataKit), which reads XML without entities.
Of all that such a file holds only leads, age, sex and time are taken; names and numbers of people
stay in it, and what the decoder says of a damaged file is not repeated, since it may quote them.
"""

import math
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heart_reader.data.formats.asked import Asked
from heart_reader.data.formats.lead_names import choose_leads
from heart_reader.data.formats.limits import (
    LARGEST_TEXT,
    LARGEST_WHOLE,
    MOST_TAGS,
    decoding,
    require_rate,
    require_samples,
    require_size,
)
from heart_reader.data.formats.matrix import aligned
from heart_reader.data.formats.person import UNKNOWN, plausible_age, sex_of_word
from heart_reader.data.formats.units import factor_to_mv
from heart_reader.data.recordings.recording import Recording
from heart_reader.errors import DataError

_DEFLATED = b"1.2.840.10008.1.2.1.99"  # a transfer syntax
_XML = {b"restingecgdata": "Philips Sierra XML", b"annotatedecg": "HL7 aECG",
        b"restingecg": "GE MUSE XML"}  # fmt: skip


_PARSERS = {
    "DICOM": ("dicom_waveform", "DICOMWaveformParser"),
    "GE MUSE XML": ("ge_muse_xml", "GEMuseXMLParser"),
    "Philips Sierra XML": ("sierra_xml", "SierraXMLParser"),
    "HL7 aECG": ("hl7_aecg", "HL7aECGParser"),
    "SCP-ECG": ("scp_ecg", "SCPECGParser"),
    "MFER": ("mfer", "MFERParser"),
}


def xml_kind(head: bytes) -> str | None:
    """Which of the XML families a file begins as."""
    plain = head.replace(b"\0", b"").lower()  # UTF-16 of ASCII
    if b"<" not in plain[:8]:
        return None
    return next((kind for word, kind in _XML.items() if word in plain), None)


def is_muse(path: Path, head: bytes) -> bool:
    """GE MUSE XML."""
    return xml_kind(head) == "GE MUSE XML"


def is_sierra(path: Path, head: bytes) -> bool:
    """Philips Sierra XML."""
    return xml_kind(head) == "Philips Sierra XML"


def is_aecg(path: Path, head: bytes) -> bool:
    """HL7 annotated ECG."""
    return xml_kind(head) == "HL7 aECG"


def is_dicom(path: Path, head: bytes) -> bool:
    """DICOM, by the four letters after its preamble."""
    return head[128:132] == b"DICM"


def is_scp(path: Path, head: bytes) -> bool:
    """SCP-ECG: section 0 behind a length that is the file's, with or without its mark."""
    if len(head) < 22 or head[8:10] != b"\0\0":
        return False
    return head[16:22] == b"SCPECG" or int.from_bytes(head[2:6], "little") == path.stat().st_size


def is_mfer(path: Path, head: bytes) -> bool:
    """MFER, by its preamble."""
    return head[:1] == b"@" and head[2:5] == b"MFR"


def read_dicom(name: str, path: Path, asked: Asked) -> Recording:
    """The first ECG of a DICOM waveform object."""
    from ecgdatakit.parsing.parsers.dicom_waveform import DICOMWaveformParser

    with path.open("rb") as file:
        if _DEFLATED in file.read(4096):  # nobody knows how large before it is unpacked
            raise DataError(f"{name} can't be read as DICOM: it is deflated")
    return _read(name, path, asked, "DICOM", DICOMWaveformParser)


def read_muse(name: str, path: Path, asked: Asked) -> Recording:
    """The rhythm of a GE MUSE export."""
    from ecgdatakit.parsing.parsers.ge_muse_xml import GEMuseXMLParser

    return _read(name, path, asked, "GE MUSE XML", GEMuseXMLParser)


def read_sierra(name: str, path: Path, asked: Asked) -> Recording:
    """The rhythm of a Philips Sierra file, version 1.03 or 1.04."""
    from ecgdatakit.parsing.parsers.sierra_xml import SierraXMLParser

    return _read(name, path, asked, "Philips Sierra XML", SierraXMLParser)


def read_aecg(name: str, path: Path, asked: Asked) -> Recording:
    """The rhythm of an HL7 annotated ECG."""
    from ecgdatakit.parsing.parsers.hl7_aecg import HL7aECGParser

    return _read(name, path, asked, "HL7 aECG", HL7aECGParser)


def read_scp(name: str, path: Path, asked: Asked) -> Recording:
    """The rhythm of an SCP-ECG record, compressed or not."""
    from ecgdatakit.parsing.parsers.scp_ecg import SCPECGParser

    return _read(name, path, asked, "SCP-ECG", SCPECGParser)


def read_mfer(name: str, path: Path, asked: Asked) -> Recording:
    """The rhythm of an MFER file."""
    from ecgdatakit.parsing.parsers.mfer import MFERParser

    return _read(name, path, asked, "MFER", MFERParser)


def person_of(name: str, path: Path, kind: str) -> Any:
    """Who a file says it is of, as ecgdatakit has it; ``None`` for other kinds of files.

    Asked for by nobody but `identity_of`.
    """
    if kind not in _PARSERS:
        return None
    module, parser = _PARSERS[kind]
    _require_size(name, path, kind)
    with decoding(name, kind), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        home = import_module(f"ecgdatakit.parsing.parsers.{module}")
        return getattr(home, parser)().parse(path).patient


def _require_size(name: str, path: Path, kind: str) -> None:
    require_size(path, LARGEST_TEXT if kind in _XML.values() else LARGEST_WHOLE)
    if kind in _XML.values() and path.read_bytes().count(b"<") > MOST_TAGS:
        raise DataError(f"{name} can't be read as {kind}: it has more than {MOST_TAGS} tags")


def _read(name: str, path: Path, asked: Asked, kind: str, parser: Any) -> Recording:
    _require_size(name, path, kind)
    with decoding(name, kind), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        record = parser().parse(path)
    names = [lead.label for lead in record.leads]
    if not names:
        raise DataError(f"{name} holds no ECG: there is no waveform in this {kind} file")
    chosen = choose_leads(names)
    leads = [record.leads[column] for column in chosen.columns]
    fs = _rate(name, leads, record)
    longest = max((len(lead.samples) for lead in leads), default=0)
    require_samples(name, len(names), longest)
    n_times = asked.n_times(fs, longest)
    notes = list(chosen.notes)
    if any("checksum" in str(each.message).lower() for each in caught):
        notes.append("the file's checksum doesn't fit its content")
    signals = [
        _millivolts(name, lead, n_times, asked) * sign
        for lead, sign in zip(leads, chosen.signs, strict=True)
    ]
    if asked.gain and any(not _unit(lead) for lead in leads):
        notes.append(f"uncalibrated: --gain {asked.gain:g} steps per mV")
    return Recording(
        name=name,
        kind=kind,
        leads=chosen.leads,
        signal=aligned(signals),
        fs=fs,
        seconds=longest / fs,
        others=chosen.others,
        start=record.recording.date,
        age=UNKNOWN if record.patient.age is None else plausible_age(float(record.patient.age)),
        sex=sex_of_word(record.patient.sex or ""),
        notes=tuple(notes),
    )


def _rate(name: str, leads: list[Any], record: Any) -> float:
    """Hz of the leads; ecgdatakit rounds it to whole ones but where a file's header keeps it."""
    rates = {float(lead.sampling_rate) for lead in leads}
    if len(rates) > 1:
        raise DataError(f"{name} has leads of different sampling rates")
    fs = rates.pop() if rates else 1e3
    exact = record.raw_metadata.get("sampling_rates") or [fs]
    if isinstance(exact[0], int | float) and math.isclose(exact[0], fs, abs_tol=0.5):
        fs = float(exact[0])
    require_rate(name, fs)
    return fs


def _unit(lead: Any) -> str:
    return str(lead.resolution_unit if lead.is_raw else lead.units)


def _millivolts(name: str, lead: Any, n_times: int, asked: Asked) -> NDArray[np.float64]:
    samples = np.asarray(lead.samples[:n_times], np.float64)
    if _unit(lead):
        physical = samples * lead.resolution + lead.offset if lead.is_raw else samples
        return physical * factor_to_mv(name, lead.label, _unit(lead))
    if asked.gain:
        return samples / asked.gain
    raise DataError(
        f"record {name}: lead {lead.label} is uncalibrated: give the steps per mV with --gain"
    )
