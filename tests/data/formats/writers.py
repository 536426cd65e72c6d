"""Writers of every family of files, so that the true signal of a test's file is known.

Each takes a folder, a `Truth` and gives the path of what it wrote. The binary ones are written by
hand after their specifications, the others by the libraries that own the format.
"""

import base64
import binascii
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import edfio
import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pydicom
import wfdb
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from scipy.io import savemat

from heart_reader.data.ptbxl import LEADS

UV_PER_STEP = 5.0  # of all that hold steps of a converter
SURNAME, GIVEN, NUMBER = "Quixotebury", "Zebedee", "PX4711-0815"  # nobody's
BORN = "19310423"


@dataclass(frozen=True, eq=False)
class Truth:
    """``signal`` is mV (12, n_times), in steps of `UV_PER_STEP`; a woman of 63."""

    signal: np.ndarray
    fs: int

    @property
    def steps(self) -> np.ndarray:
        return np.rint(self.signal * 1000 / UV_PER_STEP).astype("<i2")


def truth_of(signal: np.ndarray, fs: int) -> Truth:
    """A signal in whole steps, whose limb leads hang together to the last one."""
    steps = np.rint(signal * 1000 / UV_PER_STEP)
    i, ii = 2 * (steps[0] // 2), 2 * (steps[1] // 2)
    steps[:6] = [i, ii, ii - i, -(i + ii) / 2, i - ii / 2, ii - i / 2]
    return Truth(steps * UV_PER_STEP / 1000, fs)


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


def write_csv(folder: Path, truth: Truth) -> Path:
    table = pd.DataFrame(truth.signal.T, columns=[f"{lead} (mV)" for lead in LEADS])
    path = folder / "record.csv"
    head = f"# patient: {SURNAME}\n# age: 63\n# sex: F\n# fs: {truth.fs}\n"
    path.write_text(head + table.to_csv(index=False))
    return path


def write_npy(folder: Path, truth: Truth) -> Path:
    np.save(folder / "record.npy", truth.signal)
    return folder / "record.npy"


def write_npz(folder: Path, truth: Truth) -> Path:
    names, path = np.array(LEADS), folder / "record.npz"
    np.savez(path, signal=truth.signal.T, fs=truth.fs, leads=names, unit="mV", age=63, sex="F")
    return path


def write_mat(folder: Path, truth: Truth) -> Path:
    """As the Challenge's: ``val`` alone, in MATLAB 4's form."""
    val = np.rint(truth.signal * 1000).astype(np.int16)  # uV
    savemat(folder / "record.mat", {"val": val}, format="4")
    return folder / "record.mat"


def write_mat5(folder: Path, truth: Truth) -> Path:
    values = {"ecg": truth.signal, "fs": truth.fs, "unit": "mV"}
    savemat(folder / "record5.mat", values, do_compression=True)
    return folder / "record5.mat"


def write_hdf5(folder: Path, truth: Truth) -> Path:
    """As CODE-15's: many records of (n_times, 12), of which this is the second."""
    with h5py.File(folder / "records.hdf5", "w") as file:
        three = np.stack([truth.signal.T * 0, truth.signal.T, truth.signal.T * 2])
        file["tracings"] = three.astype(np.float32)
        file["exam_id"] = np.arange(3)
        file.attrs["fs"] = truth.fs
    return folder / "records.hdf5#1"


def write_parquet(folder: Path, truth: Truth) -> Path:
    table = pa.table(dict(zip(LEADS, truth.signal, strict=True)))
    said = {"fs": str(truth.fs), "unit": "mV", "age": "63", "sex": "F", "name": SURNAME}
    pq.write_table(table.replace_schema_metadata(said), folder / "record.parquet")
    return folder / "record.parquet"


def write_json(folder: Path, truth: Truth) -> Path:
    leads = {lead: row.tolist() for lead, row in zip(LEADS, truth.signal, strict=True)}
    said = {"fs": truth.fs, "unit": "mV", "age": 63, "sex": "F", "name": SURNAME, "leads": leads}
    (folder / "record.json").write_text(json.dumps(said))
    return folder / "record.json"


def write_edf(folder: Path, truth: Truth) -> Path:
    return _write_edf(folder / "record.edf", truth, edfio.EdfSignal, edfio.Edf)


def write_bdf(folder: Path, truth: Truth) -> Path:
    return _write_edf(folder / "record.bdf", truth, edfio.BdfSignal, edfio.Bdf)


def _write_edf(path: Path, truth: Truth, signal: type, file: type) -> Path:
    limit = 2**15 * UV_PER_STEP
    signals = [
        signal(
            row * 1000,
            truth.fs,
            label=f"ECG {lead}",
            physical_dimension="uV",
            physical_range=(-limit, limit - UV_PER_STEP),
        )
        for lead, row in zip(LEADS, truth.signal, strict=True)
    ]
    patient = edfio.Patient(code=NUMBER, sex="F", name=SURNAME)
    file(signals, patient=patient).write(path)
    return path


# ---------------------------------------------------------------- what machines write

_SCPECG = {lead: code for lead, code in zip(LEADS, (1, 2, 61, 62, 63, 64, 3, 4, 5, 6, 7, 8),
                                            strict=True)}  # fmt: skip


def write_dicom(folder: Path, truth: Truth) -> Path:
    """A 12-lead ECG waveform object, with sensitivities of its own and a baseline."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = pydicom.uid.UID("1.2.840.10008.5.1.4.1.1.9.1.1")
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = pydicom.FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.Modality = meta.MediaStorageSOPClassUID, "ECG"
    data.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    data.PatientName, data.PatientID = f"{SURNAME}^{GIVEN}", NUMBER
    data.PatientSex, data.PatientAge, data.PatientBirthDate = "F", "063Y", BORN
    wave = Dataset()
    wave.MultiplexGroupTimeOffset = 0
    wave.WaveformOriginality = "ORIGINAL"
    wave.NumberOfWaveformChannels = 12
    wave.NumberOfWaveformSamples = truth.signal.shape[1]
    wave.SamplingFrequency = truth.fs
    wave.WaveformBitsAllocated, wave.WaveformSampleInterpretation = 16, "SS"
    wave.ChannelDefinitionSequence = [_dicom_channel(lead) for lead in LEADS]
    wave.WaveformData = np.ascontiguousarray(truth.steps.T).tobytes()
    data.WaveformSequence = [wave]
    data.save_as(folder / "record.dcm", enforce_file_format=True)
    return folder / "record.dcm"


def _dicom_channel(lead: str) -> Dataset:
    channel, source, unit = Dataset(), Dataset(), Dataset()
    source.CodeValue, source.CodingSchemeDesignator = f"5.6.3-9-{_SCPECG[lead]}", "SCPECG"
    source.CodeMeaning = f"Lead {lead}"
    unit.CodeValue, unit.CodingSchemeDesignator, unit.CodeMeaning = "uV", "UCUM", "microvolt"
    channel.ChannelSourceSequence = [source]
    channel.ChannelSensitivity, channel.ChannelSensitivityCorrectionFactor = UV_PER_STEP, 1
    channel.ChannelSensitivityUnitsSequence = [unit]
    channel.ChannelBaseline, channel.WaveformBitsStored = 0, 16
    return channel


def write_muse(folder: Path, truth: Truth) -> Path:
    """GE MUSE: eight leads, the others follow from I and II."""
    eight = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
    leads = ""
    for lead in eight:
        payload = truth.steps[LEADS.index(lead)].tobytes()
        leads += f"""
  <LeadData><LeadByteCountTotal>{len(payload)}</LeadByteCountTotal>
   <LeadTimeOffset>0</LeadTimeOffset>
   <LeadSampleCountTotal>{len(payload) // 2}</LeadSampleCountTotal>
   <LeadAmplitudeUnitsPerBit>{UV_PER_STEP}</LeadAmplitudeUnitsPerBit>
   <LeadAmplitudeUnits>MICROVOLTS</LeadAmplitudeUnits><LeadID>{lead}</LeadID>
   <LeadSampleSize>2</LeadSampleSize><LeadDataCRC32>{binascii.crc32(payload)}</LeadDataCRC32>
   <WaveFormData>{base64.encodebytes(payload).decode()}</WaveFormData></LeadData>"""
    text = f"""<?xml version="1.0" encoding="ISO-8859-1"?>
<!DOCTYPE RestingECG SYSTEM "restecg.dtd">
<RestingECG><MuseInfo><MuseVersion>8.0</MuseVersion></MuseInfo>
 <PatientDemographics><PatientID>{NUMBER}</PatientID><PatientAge>63</PatientAge>
  <AgeUnits>YEARS</AgeUnits><Gender>FEMALE</Gender><DateofBirth>04-23-1931</DateofBirth>
  <PatientLastName>{SURNAME}</PatientLastName><PatientFirstName>{GIVEN}</PatientFirstName>
 </PatientDemographics>
 <Waveform><WaveformType>Rhythm</WaveformType><NumberofLeads>8</NumberofLeads>
  <SampleBase>{truth.fs}</SampleBase><SampleExponent>0</SampleExponent>{leads}</Waveform>
</RestingECG>"""
    (folder / "muse.xml").write_text(text, encoding="latin-1")
    return folder / "muse.xml"


def write_sierra(folder: Path, truth: Truth) -> Path:
    """Philips: lead after lead in Base64, in UTF-16 as the machines write it."""
    payload = base64.b64encode(truth.steps.tobytes()).decode()
    n_ms = truth.signal.shape[1] * 1000 // truth.fs
    text = f"""<?xml version="1.0" encoding="UTF-16"?>
<restingecgdata xmlns="http://www3.medical.philips.com"><documentinfo>
 <documenttype>SierraECG</documenttype><documentversion>1.03</documentversion></documentinfo>
 <patient><generalpatientdata><patientid>{NUMBER}</patientid><age><years>63</years></age>
  <sex>Female</sex><name><lastname>{SURNAME}</lastname></name></generalpatientdata></patient>
 <dataacquisition><signalcharacteristics><samplingrate>{truth.fs}</samplingrate>
  <resolution>{UV_PER_STEP}</resolution><signalsigned>TRUE</signalsigned>
  <numberchannelsallocated>12</numberchannelsallocated><acquisitiontype>STD-12</acquisitiontype>
 </signalcharacteristics></dataacquisition>
 <waveforms><parsedwaveforms dataencoding="Base64" compression="Uncompressed"
  durationperchannel="{n_ms}" leadlabels="I II III aVR aVL aVF V1 V2 V3 V4 V5 V6"
  numberofleads="12" samplespersecond="{truth.fs}">{payload}</parsedwaveforms></waveforms>
</restingecgdata>"""
    (folder / "sierra.xml").write_text(text, encoding="utf-16")
    return folder / "sierra.xml"


def write_aecg(folder: Path, truth: Truth) -> Path:
    """HL7: digits of every lead, in the order of the standard."""
    order = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6", "III", "aVR", "aVL", "aVF")
    sequences = "".join(
        f"""<component><sequence><code code="MDC_ECG_LEAD_{lead.upper()}"
 codeSystem="2.16.840.1.113883.6.24"/><value xsi:type="SLIST_PQ"><origin value="0" unit="uV"/>
 <scale value="{UV_PER_STEP}" unit="uV"/>
 <digits>{" ".join(map(str, truth.steps[LEADS.index(lead)]))}</digits></value></sequence>
 </component>"""
        for lead in order
    )
    text = f"""<?xml version="1.0" encoding="UTF-8"?>
<AnnotatedECG xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<id root="728989ec-b8bc-49cd-9a5a-30be5ade1db5"/>
<code code="93000" codeSystem="2.16.840.1.113883.6.12"/>
<effectiveTime><low value="20020101120000"/><high value="20020101120010"/></effectiveTime>
<componentOf><timepointEvent><componentOf><subjectAssignment><subject><trialSubject>
<id extension="{NUMBER}"/><subjectDemographicPerson><name>{SURNAME}</name>
<administrativeGenderCode code="F" codeSystem="2.16.840.1.113883.5.1"/>
</subjectDemographicPerson></trialSubject></subject></subjectAssignment></componentOf>
</timepointEvent></componentOf>
<component><series><code code="RHYTHM" codeSystem="2.16.840.1.113883.5.4"/>
<effectiveTime><low value="20020101120000"/></effectiveTime>
<component><sequenceSet><component><sequence><code code="TIME_ABSOLUTE"
 codeSystem="2.16.840.1.113883.5.4"/><value xsi:type="GLIST_TS">
<head value="20020101120000.000"/><increment value="{1 / truth.fs}" unit="s"/></value></sequence>
</component>{sequences}</sequenceSet></component></series></component></AnnotatedECG>"""
    (folder / "aecg.xml").write_text(text)
    return folder / "aecg.xml"


def write_scp(folder: Path, truth: Truth) -> Path:
    """SCP-ECG: sections 0, 1, 3 and 6, samples as they are, without Huffman's code."""
    n = truth.signal.shape[1]
    tags = (
        struct.pack("<BH", 0, len(SURNAME) + 1) + SURNAME.encode() + b"\0"
        + struct.pack("<BH", 2, len(NUMBER) + 1) + NUMBER.encode() + b"\0"
        + struct.pack("<BHHB", 4, 3, 63, 1) + struct.pack("<BHB", 8, 1, 2)
        + struct.pack("<BH", 14, 36) + bytes(14) + bytes([20]) + bytes(21)
        + struct.pack("<BH", 255, 0)
    )  # fmt: skip
    leads = b"".join(struct.pack("<IIB", 1, n, _SCPECG[lead]) for lead in LEADS)
    bodies = {
        1: tags,
        3: bytes([12, 0x04 | 12 << 3 & 0xF8]) + leads,
        6: struct.pack("<HHBB", round(UV_PER_STEP * 1000), round(1e6 / truth.fs), 0, 0)
        + struct.pack("<12H", *[2 * n] * 12)
        + truth.steps.tobytes(),
    }
    sections, pointers, position = b"", b"", 7 + 16 + 10 * 12
    for number in range(12):
        body = bodies.get(number, b"")
        body += b"\0" * (len(body) % 2)
        length = 0 if number and not body else 16 + len(body)
        if number == 0:
            length = 16 + 10 * 12
            pointers += struct.pack("<HII", 0, length, 7)
            continue
        pointers += struct.pack("<HII", number, length, position if length else 0)
        sections += _scp_section(number, body) if length else b""
        position += length
    record = _scp_section(0, pointers) + sections
    content = struct.pack("<I", len(record) + 6) + record
    path = folder / "record.scp"
    path.write_bytes(struct.pack("<H", binascii.crc_hqx(content, 0xFFFF)) + content)
    return path


def _scp_section(number: int, body: bytes) -> bytes:
    mark = b"SCPECG" if number == 0 else bytes(6)
    content = struct.pack("<HIBB", number, 16 + len(body), 20, 20) + mark + body
    return struct.pack("<H", binascii.crc_hqx(content, 0xFFFF)) + content


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
        for definition in [tag(0x09, struct.pack("<H", _SCPECG[lead]))]
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


Writer = Callable[[Path, Truth], Path]
WRITERS: dict[str, Writer] = {
    "WFDB": write_wfdb,
    "CSV": write_csv,
    "NPY": write_npy,
    "NPZ": write_npz,
    "MAT": write_mat,
    "MAT 5": write_mat5,
    "HDF5": write_hdf5,
    "Parquet": write_parquet,
    "JSON": write_json,
    "EDF": write_edf,
    "BDF": write_bdf,
    "DICOM": write_dicom,
    "GE MUSE XML": write_muse,
    "Philips Sierra XML": write_sierra,
    "HL7 aECG": write_aecg,
    "SCP-ECG": write_scp,
    "MFER": write_mfer,
    "ISHNE": write_ishne,
}
# Of the families whose files say who it was; the year of the EDF's start is edfio's.
WITH_AGE = ("WFDB", "CSV", "NPZ", "Parquet", "JSON", "DICOM", "GE MUSE XML",
            "Philips Sierra XML", "SCP-ECG", "MFER")  # fmt: skip
WITH_SEX = (*WITH_AGE, "EDF", "BDF", "HL7 aECG", "ISHNE")
