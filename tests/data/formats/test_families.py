"""Every family of files: the same ECG comes out of each, and nobody's name does.

Covers: heart_reader.data.formats.bag, heart_reader.data.formats.families.edf,
heart_reader.data.formats.families.hdf5, heart_reader.data.formats.families.ishne,
heart_reader.data.formats.families.json_text, heart_reader.data.formats.families.matlab,
heart_reader.data.formats.matrix, heart_reader.data.formats.families.numpy_arrays,
heart_reader.data.formats.families.parquet, heart_reader.data.formats.reading,
heart_reader.data.formats.families.vendor, heart_reader.data.formats.asked.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import wfdb
from scipy.signal import resample_poly

from benchmarks.ecg_files.truth import GIVEN, NUMBER, SURNAME, Truth, truth_of
from benchmarks.ecg_files.writers import WITH_AGE, WITH_SEX, WRITERS
from heart_reader.data.formats import FORMATS, read_recording
from heart_reader.data.ptbxl import LEADS
from heart_reader.data.recordings.model_input import to_model_input
from heart_reader.data.spec import PTBXL_SIGNAL
from heart_reader.errors import DataError
from tests.conftest import REPOSITORY

NO_RATE = ("NPY", "MAT")  # what holds an array alone
TEN = ("WFDB", "CSV", "NPZ", "HDF5", "EDF", "DICOM", "GE MUSE XML", "HL7 aECG", "SCP-ECG", "MFER",
       "Philips Sierra XML", "ISHNE", "Parquet", "JSON", "BDF", "MAT")  # fmt: skip


@pytest.fixture(scope="module")
def truth(demo_root: Path) -> Truth:
    """A demo ECG of 500 Hz."""
    record = sorted(demo_root.glob("records100/**/*.hea"))[3]
    signal = wfdb.rdsamp(str(record)[:-4])[0].T
    return truth_of(resample_poly(signal, 5, 1, axis=1), 500)


def read(path: Path, kind: str, **options: object):
    return read_recording(str(path), 500 if kind in NO_RATE else None, **options)


def test_every_family_of_the_table_has_a_writer():
    assert {each.kind for each in FORMATS} <= set(WRITERS)


@pytest.mark.parametrize("kind", WRITERS)
def test_the_true_signal_comes_out(tmp_path, truth, kind):
    recording = read(WRITERS[kind](tmp_path, truth), kind)
    assert recording.kind == kind.removesuffix(" 5")
    assert (recording.fs, recording.seconds) == (500, 10)
    for lead, row in zip(recording.leads, recording.signal, strict=True):
        np.testing.assert_allclose(row, truth.signal[LEADS.index(lead)], atol=1e-6)
    made = to_model_input(recording, PTBXL_SIGNAL)
    expected = resample_poly(truth.signal, 1, 5, axis=1, padtype="line")
    np.testing.assert_allclose(made.signal, expected, atol=2e-5)


@pytest.mark.parametrize("kind", WRITERS)
def test_a_beginning_is_the_same_beginning(tmp_path, truth, kind):
    path = WRITERS[kind](tmp_path, truth)
    whole, part = read(path, kind), read(path, kind, seconds=4)
    assert part.signal.shape == (len(whole.leads), 2000) and part.seconds == 10
    np.testing.assert_array_equal(part.signal, whole.signal[:, :2000])


@pytest.mark.parametrize("kind", WRITERS)
def test_age_and_sex(tmp_path, truth, kind):
    recording = read(WRITERS[kind](tmp_path, truth), kind)
    assert recording.age == 63 if kind in WITH_AGE else np.isnan(recording.age)
    assert recording.sex == 1 if kind in WITH_SEX else np.isnan(recording.sex)


@pytest.mark.parametrize("kind", WRITERS)
def test_the_kind_is_told_by_content(tmp_path, truth, kind):
    path = str(WRITERS[kind](tmp_path, truth))
    file, mark, index = path.partition("#")
    other = tmp_path / ("other" if kind != "WFDB" else "other.bin")
    shutil.copy(file, other)
    recording = read(Path(f"{other}{mark}{index}"), kind)
    assert recording.kind == kind.removesuffix(" 5")


def test_other_readers_say_the_same(tmp_path, truth):
    """pydicom's, edfio's and ecgdatakit's own scaling."""
    import edfio
    import pydicom
    from ecgdatakit.parsing.parsers.ishne_holter import ISHNEHolterParser

    data = pydicom.dcmread(WRITERS["DICOM"](tmp_path, truth))
    dicom = read(tmp_path / "record.dcm", "DICOM").signal
    np.testing.assert_allclose(dicom, data.waveform_array(0).T / 1000, atol=1e-9)
    edf = edfio.read_edf(WRITERS["EDF"](tmp_path, truth))
    ours = read(tmp_path / "record.edf", "EDF").signal
    np.testing.assert_allclose(ours, [signal.data / 1000 for signal in edf.signals], atol=1e-12)
    holter = ISHNEHolterParser().parse(WRITERS["ISHNE"](tmp_path, truth))
    ours = read(tmp_path / "record.ecg", "ISHNE").signal
    theirs = np.array([lead.to_physical().samples for lead in holter.leads]) / 1000
    np.testing.assert_allclose(ours, theirs, atol=1e-9)


# ---------------------------------------------------------------- files of several records


def test_a_record_of_several_is_named_by_its_number(tmp_path, truth):
    path = str(WRITERS["HDF5"](tmp_path, truth)).partition("#")[0]
    double = read_recording(f"{path}#2").signal
    np.testing.assert_allclose(double, 2 * truth.signal, atol=1e-6)
    with pytest.raises(DataError, match=r"holds 3 records: name one as .*#0 to .*#2"):
        read_recording(path)
    with pytest.raises(DataError, match="holds 3 records, there is no #3"):
        read_recording(f"{path}#3")
    with pytest.raises(DataError, match="has no signal: its leads are flat"):
        read_recording(f"{path}#0")
    edf = WRITERS["EDF"](tmp_path, truth)
    with pytest.raises(DataError, match="EDF file holds one record"):
        read_recording(f"{edf}#1")


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((5000,), "leads and times"),
        ((5000, 11), "12 leads along one axis"),
        ((2, 2, 2, 2), "lead"),
    ],
)
def test_arrays_that_are_no_ecg(tmp_path, shape, message):
    np.save(tmp_path / "x.npy", np.zeros(shape))
    with pytest.raises(DataError, match=message):
        read_recording(str(tmp_path / "x.npy"), 500)


def test_an_array_of_objects_is_not_unpickled(tmp_path):
    np.save(tmp_path / "x.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="can't be read as NPY"):
        read_recording(str(tmp_path / "x.npy"), 500)


# ---------------------------------------------------------------- predictions, and people


@pytest.fixture(scope="module")
def files(tmp_path_factory, truth) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("files")
    found = {}
    for kind in TEN:
        (folder / kind.replace(" ", "_")).mkdir()
        found[kind] = WRITERS[kind](folder / kind.replace(" ", "_"), truth)
    return found


@pytest.fixture(scope="module")
def run(files, tmp_path_factory) -> subprocess.CompletedProcess[str]:
    """All of them in one call, with a pretrained model."""
    words = ["--model", REPOSITORY / "pretrained" / "se_resnet1d", "--json", "--age", 63]
    words += ["--sex", "F", "--fs", 500, "--plot", tmp_path_factory.mktemp("plots")]
    command = [sys.executable, "-m", "heart_reader.predict", *map(str, [*words, *files.values()])]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def test_the_same_ecg_in_every_format_has_the_same_probabilities(run, files):
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)["records"]
    rows = np.array([list(item["probabilities"].values()) for item in found])
    assert len(rows) == len(files) >= 10
    assert np.abs(rows - rows[0]).max() < 1e-3


def test_nobodys_name_or_number_is_said(run):
    for word in (SURNAME, GIVEN, NUMBER):
        assert word.lower() not in (run.stdout + run.stderr).lower()


@pytest.mark.parametrize("kind", WRITERS)
def test_what_is_said_of_a_damaged_file_names_nobody(tmp_path, truth, kind):
    path = WRITERS[kind](tmp_path, truth)
    file = Path(str(path).partition("#")[0])
    content = file.read_bytes()
    said = []
    for cut in (40, 200, 700, len(content) // 2):
        file.write_bytes(content[:cut])
        try:
            said += read(path, kind, seconds=11).notes
        except DataError as error:
            said.append(str(error))
            assert "\n" not in str(error) and str(file) in str(error)
    for word in (SURNAME, GIVEN, NUMBER):
        assert word.lower() not in " ".join(said).lower()
