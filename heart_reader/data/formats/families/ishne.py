"""ISHNE Holter files: a header of 522 bytes, then the leads' samples in turn.

Badilini for ISHNE, "The ISHNE Holter Standard Output File Format", A.N.E. 1998.
https://doi.org/10.1111/j.1542-474X.1998.tb00353.x
"""

import struct
from pathlib import Path

import numpy as np

from heart_reader.data.formats.asked import Asked
from heart_reader.data.formats.lead_names import choose_leads
from heart_reader.data.formats.limits import require_rate, require_samples
from heart_reader.data.formats.person import UNKNOWN
from heart_reader.data.recordings.recording import Recording
from heart_reader.errors import DataError

KIND = "ISHNE"
HEADER = 522  # bytes
_FAULT = -32768  # a sample that the recorder marked as none
_NAMES = ("unknown", "generic", "X", "Y", "Z", "I", "II", "III", "aVR", "aVL", "aVF",
          "V1", "V2", "V3", "V4", "V5", "V6", "ES", "AS", "AI")  # fmt: skip
_SEXES = {1: 0.0, 2: 1.0}


def is_ishne(path: Path, head: bytes) -> bool:
    """By its first letters."""
    return head.startswith(b"ISHNE1.0")


def read_ishne(name: str, path: Path, asked: Asked) -> Recording:
    """The beginning of a Holter record, as far as asked.

    Raises:
        DataError: a header that is cut short or claims what isn't there, or an uncalibrated lead.
    """
    with path.open("rb") as file:
        header = file.read(HEADER)
    if len(header) < HEADER:
        raise DataError(f"{name} can't be read as {KIND}: its header is cut short")
    (n_variable,) = struct.unpack_from("<i", header, 10)
    (sex,) = struct.unpack_from("<h", header, 128)
    (n_leads,) = struct.unpack_from("<h", header, 156)
    codes = struct.unpack_from("<12h", header, 158)
    nanovolts = struct.unpack_from("<12h", header, 206)
    (fs,) = struct.unpack_from("<h", header, 272)
    if not 1 <= n_leads <= 12 or n_variable < 0:
        raise DataError(f"{name} can't be read as {KIND}: it claims {n_leads} leads")
    require_rate(name, fs)
    n_there = max(0, path.stat().st_size - HEADER - n_variable) // (2 * n_leads)
    n_times = asked.n_times(fs, n_there)
    require_samples(name, n_leads, n_times)
    names = [_NAMES[code] if 0 <= code < len(_NAMES) else "unknown" for code in codes[:n_leads]]
    chosen = choose_leads(names)
    steps = np.fromfile(path, "<i2", n_times * n_leads, offset=HEADER + n_variable)
    steps = steps.reshape(-1, n_leads)[:, list(chosen.columns)].T  # (n_leads, n_times)
    scale = [
        _mv_per_step(name, names[column], nanovolts[column], asked) for column in chosen.columns
    ]
    signal = np.where(steps == _FAULT, np.nan, steps) * np.array(scale)[:, None]
    return Recording(
        name=name,
        kind=KIND,
        leads=chosen.leads,
        signal=signal,
        fs=float(fs),
        seconds=n_there / fs,
        others=chosen.others,
        start=None,
        age=UNKNOWN,
        sex=_SEXES.get(sex, UNKNOWN),
        notes=chosen.notes,
    )


def _mv_per_step(name: str, lead: str, nanovolts: int, asked: Asked) -> float:
    if nanovolts > 0:
        return nanovolts * 1e-6
    if asked.gain:
        return 1 / asked.gain
    raise DataError(
        f"record {name}: lead {lead} is uncalibrated: give the steps per mV with --gain"
    )
