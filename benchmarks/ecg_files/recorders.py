"""What recorders and their tools write: WFDB, EDF, BDF by libraries, ISHNE and MFER by hand."""

import binascii
import struct
from pathlib import Path

import edfio
import numpy as np
import wfdb

from benchmarks.ecg_files.truth import GIVEN, NUMBER, SCPECG, SURNAME, UV_PER_STEP, Truth
from heart_reader.data.ptbxl import LEADS


def write_wfdb(folder: Path, truth: Truth) -> Path:
    wfdb.wrsamp(
        "record",
        fs=truth.fs,
        units=["mV"] * 12,
        sig_name=list(LEADS),
        d_signal=truth.steps.T.astype(np.int64),
        fmt=["16"] * 12,
        adc_gain=[1000 / UV_PER_STEP] * 12,
        baseline=[0] * 12,
        comments=["Age: 63", "Sex: Female", f"Name: {SURNAME}"],
        write_dir=str(folder),
    )
    return folder / "record.hea"


def write_edf(folder: Path, truth: Truth) -> Path:
    ends = (-(2**15), 2**15 - 1)
    return _write_edf(folder / "record.edf", truth, (edfio.EdfSignal, edfio.Edf), ends, 1)


def write_bdf(folder: Path, truth: Truth) -> Path:
    # Steps of 0.5 uV in 24 bits, but for the last 8: both ends fit into 8 characters.
    ends = (-8388600, 8388600)
    return _write_edf(folder / "record.bdf", truth, (edfio.BdfSignal, edfio.Bdf), ends, 10)


def _write_edf(
    path: Path, truth: Truth, kinds: tuple[type, type], ends: tuple[int, int], finer: int
) -> Path:
    """Steps so many times finer than those of the truth, from one end to the other."""
    signal, file = kinds
    step = UV_PER_STEP / finer
    signals = [
        signal(
            row * 1000,
            truth.fs,
            label=f"ECG {lead}",
            physical_dimension="uV",
            physical_range=(ends[0] * step, ends[1] * step),
            digital_range=ends,
        )
        for lead, row in zip(LEADS, truth.signal, strict=True)
    ]
    patient = edfio.Patient(code=NUMBER, sex="F", name=SURNAME)
    file(signals, patient=patient).write(path)
    return path


def write_mfer(folder: Path, truth: Truth) -> Path:
    """MFER: one frame, each lead's samples in a block."""

    def tag(number: int, value: bytes) -> bytes:
        length = len(value)
        size = bytes([length]) if length < 128 else b"\x84" + length.to_bytes(4, "big")
        return bytes([number]) + size + value

    n = truth.signal.shape[1]
    channels = b"".join(
        b"\x3f" + bytes([k]) + bytes([len(definition)]) + definition
        for k, lead in enumerate(LEADS)
        for definition in [tag(0x09, struct.pack("<H", SCPECG[lead]))]
    )
    path = folder / "record.mwf"
    path.write_bytes(
        tag(0x40, b"MFR Standard 12-lead ECG".ljust(32))
        + tag(0x01, b"\x01")
        + tag(0x81, f"{SURNAME}^^{GIVEN}".encode())
        + tag(0x82, NUMBER.encode())
        + tag(0x83, bytes([63, 0, 0, 0, 0, 0, 0]))
        + tag(0x84, b"\x02")
        + tag(0x08, b"\x01\x00")
        + tag(0x0B, struct.pack("<Bbh", 0, 0, truth.fs))
        + tag(0x0C, struct.pack("<Bbh", 0, -8, round(UV_PER_STEP * 100)))
        + tag(0x04, struct.pack("<I", n))
        + tag(0x05, b"\x0c")
        + tag(0x06, b"\x01")
        + channels
        + tag(0x1E, truth.steps.tobytes())
        + b"\x80\x00"
    )
    return path


def write_ishne(folder: Path, truth: Truth) -> Path:
    """ISHNE: the header of 522 bytes with its checksum, then the leads in turn."""
    codes = [5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]
    block = struct.pack("<iiii h", 0, truth.signal.shape[1], 522, 522, 1)
    block += GIVEN.encode().ljust(40, b"\0") + SURNAME.encode().ljust(40, b"\0")
    block += NUMBER.encode().ljust(20, b"\0") + struct.pack("<hh", 2, 0)
    block += struct.pack("<3h3h3h3h", 1, 1, 1960, 2, 2, 2024, 2, 2, 2024, 12, 0, 0)
    block += struct.pack("<h12h12h12h", 12, *codes, *[0] * 12, *[round(UV_PER_STEP * 1000)] * 12)
    block += struct.pack("<h", 0) + b"digital".ljust(40, b"\0") + struct.pack("<h", truth.fs)
    block = block.ljust(522 - 10, b"\0")
    path = folder / "record.ecg"
    crc = struct.pack("<H", binascii.crc_hqx(block, 0xFFFF))
    path.write_bytes(b"ISHNE1.0" + crc + block + np.ascontiguousarray(truth.steps.T).tobytes())
    return path
