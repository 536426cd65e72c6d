"""What machines in hospitals write: DICOM by pydicom, XML by templates, SCP-ECG by hand."""

import base64
import binascii
import struct
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from benchmarks.ecg_files.truth import BORN, GIVEN, NUMBER, SCPECG, SURNAME, UV_PER_STEP, Truth
from heart_reader.data.ptbxl import LEADS


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
    source.CodeValue, source.CodingSchemeDesignator = f"5.6.3-9-{SCPECG[lead]}", "SCPECG"
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
    leads = b"".join(struct.pack("<IIB", 1, n, SCPECG[lead]) for lead in LEADS)
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
