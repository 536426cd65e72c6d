"""WFDB records as files really have them, held against wfdb's own reading.

Covers: heart_reader.data.formats.families.wfdb_header.
"""

from pathlib import Path

import numpy as np
import pytest
import wfdb

from heart_reader.data.formats import read_recording
from heart_reader.data.ptbxl import LEADS
from heart_reader.errors import DataError
from tests.data.recordings.test_model_input import sines, write_wfdb

FORMATS = ("16", "24", "32", "80", "212", "516", "524")


def edit(path: str, old: str, new: str, encoding: str = "utf-8") -> str:
    header = Path(f"{path}.hea")
    text = header.read_text()
    assert old in text
    header.write_bytes(text.replace(old, new).encode(encoding))
    return path


@pytest.mark.parametrize("fmt", FORMATS)
def test_every_signal_format_equals_wfdb(tmp_path, fmt):
    gain = {"80": 50.0, "212": 500.0}.get(fmt, 1000.0)
    path = write_wfdb(tmp_path, sines(250), 250, fmt=[fmt] * 12, adc_gain=[gain] * 12)
    expected = wfdb.rdrecord(path).p_signal
    recording = read_recording(path)
    assert recording.leads == LEADS and recording.fs == 250 and recording.seconds == 10
    np.testing.assert_array_equal(recording.signal, expected.T)
    part = read_recording(path, seconds=4)
    np.testing.assert_array_equal(part.signal, expected[:1000].T)


@pytest.mark.parametrize(("fmt", "dtype", "zero"), [("61", ">i2", 0), ("160", "<u2", 32768)])
def test_formats_that_wfdb_reads_and_cannot_write(tmp_path, fmt, dtype, zero):
    path = write_wfdb(tmp_path, sines(250), 250)
    steps = np.fromfile(f"{path}.dat", "<i2").astype(np.int64)
    (steps + zero).astype(dtype).tofile(f"{path}.dat")
    recording = read_recording(edit(path, ".dat 16 ", f".dat {fmt} "))
    np.testing.assert_array_equal(recording.signal, steps.reshape(-1, 12).T / 1000)


def test_several_signal_files_baselines_and_offsets_equal_wfdb(tmp_path):
    path = write_wfdb(tmp_path, sines(250), 250, baseline=[100 * k for k in range(12)])
    content = np.fromfile(f"{path}.dat", "<i2").reshape(-1, 12)
    content[:, :5].tofile(tmp_path / "a.bin")
    (tmp_path / "b.bin").write_bytes(b"x" * 24 + content[:, 5:].tobytes())
    lines = Path(f"{path}.hea").read_text().splitlines()
    head, *leads = lines
    leads = [
        line.replace("ecg.dat 16", "a.bin 16" if k < 5 else "b.bin 16+24")
        for k, line in enumerate(leads)
    ]
    Path(f"{path}.hea").write_text("\n".join([head, *leads]))
    recording = read_recording(path)
    np.testing.assert_array_equal(recording.signal, wfdb.rdrecord(path).p_signal.T)


def test_several_samples_a_frame_keep_the_rate_of_the_leads(tmp_path):
    """A pressure of 125 Hz beside leads of 500 Hz: wfdb would average the leads."""
    ecg = np.rint(sines(500) * 1000).astype(np.int64)
    pressure = np.full(1250, 800)
    wfdb.wrsamp(
        "ecg", fs=125, units=["mV"] * 12 + ["mmHg"], sig_name=[*LEADS, "ABP"],
        e_d_signal=[*ecg.T, pressure], samps_per_frame=[4] * 12 + [1], fmt=["16"] * 13,
        adc_gain=[1000.0] * 12 + [10.0], baseline=[0] * 13, write_dir=str(tmp_path),
    )  # fmt: skip
    recording = read_recording(str(tmp_path / "ecg"))
    assert (recording.fs, recording.seconds, recording.others) == (500, 10, ("ABP",))
    np.testing.assert_array_equal(recording.signal, ecg.T / 1000)


def test_skew_shifts_a_lead_as_wfdb_does(tmp_path):
    path = write_wfdb(tmp_path, sines(250), 250)
    lines = Path(f"{path}.hea").read_text().splitlines()
    lines[8] = lines[8].replace("ecg.dat 16 ", "ecg.dat 16:3 ")
    Path(f"{path}.hea").write_text("\n".join(lines))
    expected = wfdb.rdrecord(path).p_signal.T
    assert np.isnan(expected[7, -3:]).all()
    np.testing.assert_array_equal(read_recording(path).signal, expected)
    part = read_recording(path, seconds=4)
    np.testing.assert_array_equal(part.signal, expected[:, :1000])


def test_segments_follow_each_other_and_gaps_are_nan(tmp_path):
    for k, part in enumerate(np.split(sines(250), [1000])):
        wfdb.wrsamp(
            f"part{k}", fs=250, units=["mV"] * 12, sig_name=list(LEADS), p_signal=part,
            fmt=["16"] * 12, adc_gain=[1000.0] * 12, baseline=[0] * 12, write_dir=str(tmp_path),
        )  # fmt: skip
    text = "whole/4 12 250 3000\npart0 1000\n~ 500\npart1 1500\n"
    (tmp_path / "whole.hea").write_text(text.replace("/4", "/3"))
    recording = read_recording(str(tmp_path / "whole"))
    assert recording.seconds == 12
    expected = np.vstack([sines(250)[:1000], np.full((500, 12), np.nan), sines(250)[1000:]])
    np.testing.assert_allclose(recording.signal, expected.T, atol=6e-4)
    part = read_recording(str(tmp_path / "whole"), seconds=3)
    np.testing.assert_allclose(part.signal, expected[:750].T, atol=6e-4)


# ---------------------------------------------------------------- headers


@pytest.mark.parametrize(
    "line",
    [
        "E07835.mat 12 100 1000 05-May-2020 09:49:17",
        "some_dir/ecg 12 100 1000",
        "1.2.840.113 12 100 1000",
        "ecg 12 100/100(0) 1000 12:00:00 01/01/2000",
        "ecg 12 100",
        "dir/100 12 100 1000",
    ],
)
def test_record_lines_that_wfdb_refuses_or_that_say_little(tmp_path, line):
    path = write_wfdb(tmp_path, sines(100), 100)
    recording = read_recording(edit(path, "ecg 12 100 1000", line))
    np.testing.assert_allclose(recording.signal, sines(100).T, atol=6e-4)
    assert (recording.fs, recording.seconds) == (100, 10)


@pytest.mark.parametrize("line", ["ecg", "ecg x 100 1000", "ecg 12 0 1000", "ecg 12 100 -1"])
def test_a_bad_record_line_is_quoted(tmp_path, line):
    path = edit(write_wfdb(tmp_path, sines(100), 100), "ecg 12 100 1000", line)
    with pytest.raises(DataError, match=f"record line {line!r}"):
        read_recording(path)


@pytest.mark.parametrize("unit", ["µV", "μV", "uV", "UV", "microvolts"])
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_microvolts_in_any_spelling(tmp_path, unit, encoding):
    if unit == "μV" and encoding == "latin-1":
        pytest.skip("Latin-1 has no Greek letters")
    path = write_wfdb(tmp_path, sines(100) * 1e3, 100, units=["uV"] * 12, adc_gain=[1.0] * 12)
    recording = read_recording(edit(path, "/uV", f"/{unit}", encoding))
    np.testing.assert_allclose(recording.signal, sines(100).T, atol=6e-4)


def test_capital_suffixes(tmp_path):
    path = write_wfdb(tmp_path, sines(100), 100)
    edit(path, "ecg.dat", "ECG.DAT")
    for old, new in (("ecg.hea", "ECG.HEA"), ("ecg.dat", "ECG.DAT")):
        (tmp_path / old).rename(tmp_path / new)
    for given in ("ECG", "ECG.HEA", "ECG.DAT"):
        recording = read_recording(str(tmp_path / given))
        np.testing.assert_allclose(recording.signal, sines(100).T, atol=6e-4)


@pytest.mark.parametrize("gain", ["1e-300", "-1e13", "1e400"])
def test_a_gain_that_no_recorder_has_is_refused(tmp_path, gain):
    path = edit(write_wfdb(tmp_path, sines(100), 100), "1000.0(0)/mV", f"{gain}(0)/mV")
    with pytest.raises(DataError, match=f"can't be read: signal line 'ecg.dat 16 {gain}"):
        read_recording(path)


def test_gain_zero_means_uncalibrated(tmp_path):
    path = edit(write_wfdb(tmp_path, sines(100), 100), "1000.0(0)/mV", "0")
    with pytest.raises(DataError, match="lead I has gain 0, which means uncalibrated"):
        read_recording(path)
    recording = read_recording(path, gain=1000)
    np.testing.assert_allclose(recording.signal, sines(100).T, atol=6e-4)
    assert "uncalibrated: --gain 1000 steps per mV" in recording.notes


def test_a_rate_that_is_given_beside_the_files_own_is_said_to_be_left_aside(tmp_path):
    path = write_wfdb(tmp_path, sines(100), 100)
    assert read_recording(path, 100).notes == ()
    assert read_recording(path, 500).notes == ("--fs 500 left aside: the file says 100 Hz",)


def test_a_header_without_a_rate_has_wfdbs_default_and_says_so(tmp_path):
    path = edit(write_wfdb(tmp_path, sines(100), 100), "ecg 12 100 1000", "ecg 12")
    assert read_recording(path).fs == 250
    assert read_recording(path).notes == (
        "no sampling rate in the header: WFDB's default, 250 Hz",
    )
    assert read_recording(path, 100).fs == 100


# ---------------------------------------------------------------- damage, and what isn't used


def test_a_foreign_channel_is_left_alone(tmp_path):
    samples = np.column_stack([sines(100), np.full(1000, 90.0)])
    path = write_wfdb(
        tmp_path, samples, 100, units=["mV"] * 12 + ["mmHg"], sig_name=[*LEADS, "ABP"],
        fmt=["16"] * 13, adc_gain=[1000.0] * 12 + [0.0001], baseline=[0] * 13,
    )  # fmt: skip
    recording = read_recording(path)
    np.testing.assert_allclose(recording.signal, sines(100).T, atol=6e-4)
    assert recording.others == ("ABP",)


def test_a_damaged_sample_breaks_the_checksum(tmp_path):
    path = write_wfdb(tmp_path, sines(100), 100)
    content = bytearray(Path(f"{path}.dat").read_bytes())
    content[24 * 700 + 8] ^= 1
    Path(f"{path}.dat").write_bytes(content)
    with pytest.raises(DataError, match=r"the checksum of lead aVL is .* its header says"):
        read_recording(path)


def test_a_cut_file_is_refused_where_it_matters_and_said_where_it_does_not(tmp_path):
    path = write_wfdb(tmp_path, sines(100, 20), 100)
    content = Path(f"{path}.dat").read_bytes()
    Path(f"{path}.dat").write_bytes(content[: 24 * 1500])
    recording = read_recording(path, seconds=11)
    np.testing.assert_allclose(recording.signal, sines(100, 11).T, atol=6e-4)
    assert "ecg.dat is cut short after 15.00 of 20.00 s" in recording.notes
    with pytest.raises(DataError, match=r"ecg\.dat ends after 15\.00 of 20\.00 s"):
        read_recording(path, seconds=16)


def test_samples_without_a_value_are_nan(tmp_path):
    samples = sines(100)
    samples[500:510, 3] = np.nan
    recording = read_recording(write_wfdb(tmp_path, samples, 100))
    assert np.isnan(recording.signal[3, 500:510]).all()
    assert np.isfinite(np.delete(recording.signal, 3, axis=0)).all()


@pytest.mark.parametrize("name", ["../ecg.dat", "/etc/passwd", "sub/../../ecg.dat", "link.dat"])
def test_a_signal_file_outside_the_records_folder_is_refused(tmp_path, name):
    folder = tmp_path / "inner"
    folder.mkdir()
    path = write_wfdb(folder, sines(100), 100)
    (folder / "ecg.dat").rename(tmp_path / "ecg.dat")
    (folder / "link.dat").symlink_to(tmp_path / "ecg.dat")
    with pytest.raises(DataError, match="which isn't in its folder"):
        read_recording(edit(path, "ecg.dat", name))


def test_what_a_header_claims_is_refused_before_memory_is_taken(tmp_path):
    path = write_wfdb(tmp_path, sines(100), 100)
    with pytest.raises(DataError, match="cut short"):
        read_recording(edit(path, "12 100 1000", "12 100 1000000000"), seconds=1e8)
    with pytest.raises(DataError, match="can't be read: record line"):
        read_recording(edit(path, "ecg 12 ", "ecg 1000000 "))
